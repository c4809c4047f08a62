"""The decode stage: temporal decoder, colour correction, temporal filter, and the segment of restored frames."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from stages.decode.config import DecodeConfig
from stages.network_stage import NetworkStage, import_networks

if TYPE_CHECKING:
    from stages.network_work import NetworkWork


class DecodeStage(NetworkStage[DecodeConfig]):
    """Writes the core frames as ``segment.mkv`` and the frames shared with neighbours as ``head.mkv`` and ``tail.mkv``.

    A file whose frames would be none is not written.
    """

    name = "decode"
    revision = 3

    @property
    def parameters(self) -> Mapping[str, Any]:
        """Everything besides inputs and weights that decides the output."""
        shared = self.setting.model_dump(
            mode="json", include={"scale", "height", "canvas", "precision", "compile", "winograd"}
        )
        return {**self.config.model_dump(mode="json"), **shared}

    @property
    def weights_digest(self) -> str:
        """Digest of the autoencoder."""
        return self.folder.digest("vae")

    def _check_folder(self) -> None:
        self.folder.check("vae")

    def _load(self) -> NetworkWork[DecodeConfig]:
        import_networks(self.setting)
        from stages.decode.decoding import Decoding

        return Decoding(self.config, self.setting)
