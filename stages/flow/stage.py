"""The flow stage: forward and backward flow of all neighbouring frames of a chunk, and where not to believe it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from stages.flow.config import FlowConfig
from stages.network_stage import NetworkStage, import_networks

if TYPE_CHECKING:
    from stages.network_work import NetworkWork


class FlowStage(NetworkStage[FlowConfig]):
    """Writes ``flow.safetensors``: forward, backward [n-1, 2, h, w] in latent pixels, occlusion masks [n-1, 1, h, w].

    Flow i joins frames i and i+1 of the chunk: ``forward`` lives on frame i, ``backward`` on frame i+1. A chunk of one
    frame has empty tensors.
    """

    name = "flow"

    @property
    def parameters(self) -> Mapping[str, Any]:
        """Everything besides inputs and weights that decides the output."""
        shared = self.setting.model_dump(mode="json", include={"scale", "height", "canvas", "winograd"})
        # Flow is written at the latents' size, and no weight of its own says what that is.
        return {**self.config.model_dump(mode="json"), **shared, "downscale": self.folder.downscale}

    @property
    def weights_digest(self) -> str:
        """Digest of the flow network, or "" for DIS, which has no weights."""
        return "" if self.config.estimator == "dis" else self.folder.digest("flow")

    def _check_folder(self) -> None:
        if self.config.estimator != "dis":
            self.folder.check_flow(self.config.estimator)

    def _load(self) -> NetworkWork[FlowConfig]:
        if self.config.estimator != "dis":
            import_networks(self.setting)
        from stages.flow.estimating import Estimating

        return Estimating(self.config, self.setting)
