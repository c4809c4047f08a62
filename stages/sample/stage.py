"""The sample stage: initial estimate, encoding, and guided sampling of all windows of a chunk in lockstep."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from stages.network_stage import NetworkStage, import_networks
from stages.sample.config import SampleConfig

if TYPE_CHECKING:
    from stages.network_work import NetworkWork

_NETWORKS = ("unet", "structure_encoder", "vae")


class SampleStage(NetworkStage[SampleConfig]):
    """Writes ``latents.safetensors`` (latents [n, C, h, w], scaled, float32; see ``stages.sample.latents``).

    A recurrent initial estimate is written too (``estimate.mkv``, R'G'B' at 10 bits): decode needs it again, and it is
    the costliest part to compute.
    """

    name = "sample"

    @property
    def parameters(self) -> Mapping[str, Any]:
        """Everything besides inputs and weights that decides the output. The batch does, by rounding."""
        shared = self.setting.model_dump(
            mode="json", include={"scale", "height", "canvas", "seed", "precision", "compile", "winograd"}
        )
        if self._estimator and self.setting.precision != "float32":
            # Until this was named the estimate had float32 throughout; what it made in that precision is still valid.
            shared["estimate_precision"] = self.setting.precision
        return {**self.config.model_dump(mode="json", exclude={"estimate_memory"}), **shared}

    @property
    def weights_digest(self) -> str:
        """Digest of all networks that take part."""
        return self.folder.digest(*_NETWORKS, "scheduler", "prompt", *self._estimator)

    @property
    def _estimator(self) -> list[str]:
        return ["initial_estimate"] if self.config.initial_estimate == "recurrent" else []

    def _check_folder(self) -> None:
        self.folder.check(*_NETWORKS, *self._estimator)
        self.folder.check_schedule()

    def _load(self) -> NetworkWork[SampleConfig]:
        import_networks(self.setting)
        from stages.sample.sampling import Sampling

        return Sampling(self.config, self.setting)
