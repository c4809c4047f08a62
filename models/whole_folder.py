"""Whether a model folder's networks are whole, asked of the networks themselves in a process that may import torch.

Which tensors there must be is known to the networks alone, and they take torch, whose import takes seconds; whoever
asks without having imported it stays without it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from functools import lru_cache
from importlib import import_module
from pathlib import Path

from models.stored_files import StoredNetwork, read_json, stored_tensors

_MODULES = {
    "DenoisingUNet": "models.unet",
    "StructureEncoder": "models.structure_encoder",
    "TemporalVAE": "models.vae",
    "BasicVSR": "models.basicvsr",
    "RAFT": "models.raft",
    "SPyNet": "models.spynet",
}
_SECONDS = 600


def faults(root: Path) -> Mapping[str, str]:
    """Return part -> what is wrong with its tensors or settings, in one line, of a model folder's networks.

    Nothing is told of a part that is no network's, or whose files cannot be read: that takes no torch to find out. Nor
    if no answer is had: then it is seen when the networks are loaded.
    """
    files = (file for part in root.iterdir() if part.is_dir() for file in part.iterdir() if file.is_file())
    facts = ((str(file), file.stat()) for file in files)
    return _faults(root, tuple(sorted((name, stat.st_size, stat.st_mtime_ns) for name, stat in facts)))


@lru_cache(maxsize=4)
def _faults(root: Path, state: tuple[tuple[str, int, int], ...]) -> Mapping[str, str]:
    """The same, found once for each state of the files."""
    try:
        return _found(root) if "torch" in sys.modules else _asked(root)
    except Exception:  # when the networks are loaded, it will be seen
        return {}


def _asked(root: Path) -> dict[str, str]:
    """What another process finds, so that this one need not import torch."""
    words = [sys.executable, "-c", "from models.whole_folder import answer; answer()", str(root)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(words, env=environment, capture_output=True, timeout=_SECONDS, check=True)
    found: dict[str, str] = json.loads(done.stdout)
    return found


def answer() -> None:
    """What the other process does: print the faults of the folder that it is given as JSON."""
    print(json.dumps(_found(Path(sys.argv[1]))))


def _found(root: Path) -> dict[str, str]:
    from models.importing import import_diffusers

    import_diffusers()
    from models.loading import check_whole

    found = {}
    for part in root.iterdir():
        try:
            config = read_json(part / "config.json")
            name = config["_class_name"]
            module = import_module(_MODULES[name])
            stored = StoredNetwork(part, config, stored_tensors(part))
        except (OSError, ValueError, LookupError, TypeError):
            continue
        try:
            check_whole(getattr(module, name), stored)
        except ValueError as error:
            found[part.name] = str(error)
    return found
