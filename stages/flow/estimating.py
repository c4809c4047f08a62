"""The flow stage's work: loads the estimator, and estimates all flows of one chunk after another."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import torch
from safetensors.torch import save_file
from torch import Tensor

from models.canvas import Canvas, flow_frames
from models.parallel import in_parallel
from models.warping import occlusion_masks, resize_flow
from stages.contract import Fact
from stages.flow.config import FlowConfig
from stages.flow.estimators import load_estimator
from stages.geometry import canvas_of, reduction_to_source
from stages.items import ChunkTask
from stages.media.frames import read_frames
from stages.media.table import read_table
from stages.network_work import NetworkWork


class Estimating(NetworkWork[FlowConfig]):
    """The estimator of the flow stage."""

    def _load(self) -> None:
        self._estimate = load_estimator(self.config, self.folder, self.device, self.setting.winograd)
        if self.config.estimator == "dis":  # OpenCV's, which knows no other
            self.device = torch.device("cpu")

    @torch.inference_mode()
    def work_on(self, task: ChunkTask) -> Mapping[str, Fact]:
        """Estimate all flows of one chunk; two frames are in memory at a time."""
        source = task.inputs["split"]
        table = read_table(source)
        canvas = canvas_of(table, self.setting, self.folder)
        size = canvas.latent(self.folder.downscale)
        images = (self._flow_input(torch.from_numpy(frame), canvas) for frame in read_frames(source))
        flows = [self._both_ways(first, second, size) for first, second in pairwise(images)]
        forward, backward = _stack([f for f, _ in flows], size), _stack([b for _, b in flows], size)
        masks = occlusion_masks(
            forward, backward, alpha=self.config.occlusion_relative, beta=self.config.occlusion_absolute
        )
        occlusion = {
            name: mask.to(torch.uint8).cpu()
            for name, mask in zip(("forward_occlusion", "backward_occlusion"), masks, strict=True)
        }
        save_file({"forward": forward.cpu(), "backward": backward.cpu(), **occlusion}, task.output / "flow.safetensors")
        occluded = float(masks[0].float().mean()) if len(flows) else 0.0
        return {"frames": len(task.chunk), "occluded": round(occluded, 6)}

    def _flow_input(self, frame: Tensor, canvas: Canvas) -> Tensor:
        """The frame, [H, W, 3] in [0, 1], as flow is estimated on it: enlarged, padded, reduced (section 12, 3)."""
        padded = canvas.enter(frame.permute(2, 0, 1)[None].float() * 2 - 1)
        return flow_frames(padded, self._reduction(canvas))

    def _reduction(self, canvas: Canvas) -> int:
        """As configured, but of what is enlarged less than that no more than back to the source's size."""
        if self.setting.canvas == "published":
            return self.config.reduction
        return reduction_to_source(canvas, self.config.reduction)

    def _both_ways(self, first: Tensor, second: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
        def one_way(images: tuple[Tensor, Tensor]) -> Tensor:
            return resize_flow(self._estimate(*images), size)

        forward, backward = in_parallel(one_way, ((first, second), (second, first)), self.device)
        return forward, backward


def _stack(flows: list[Tensor], size: tuple[int, int]) -> Tensor:
    return torch.cat(flows).float() if flows else torch.zeros(0, 2, *size)
