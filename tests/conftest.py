from __future__ import annotations

import torch

# Tiny tensors: more threads only wait for each other, the longer the busier the machine (13 times as long was seen).
torch.set_num_threads(1)
