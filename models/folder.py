"""A model folder: every network of one model with its configuration, in diffusers' layout.

::

    unet/ structure_encoder/ vae/   config.json and safetensors, as ``save_pretrained`` writes them
    flow/ initial_estimate/         likewise (RAFT or SPyNet; BasicVSR), each needed by those who use it
    scheduler/                      scheduler_config.json; without it the schedule is Stable Diffusion's
    prompt/                         prompt.safetensors with one tensor ``prompt [1, length, d]``; not for models without

The networks are read from local files and from nowhere else. What is known without them (names, sizes, digests) takes
no torch: whatever loads one imports it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from models.latent_size import downscale
from models.schedule_config import base_arguments
from models.stored_files import AGAIN, StoredNetwork, read_json, stored_tensors, tensor_shapes
from models.whole_folder import faults

if TYPE_CHECKING:
    from diffusers.models.modeling_utils import ModelMixin
    from torch import Tensor

    from models.basicvsr import BasicVSR
    from models.raft import RAFT
    from models.schedule import DiffusionSchedule
    from models.spynet import SPyNet
    from models.structure_encoder import StructureEncoder
    from models.unet import DenoisingUNet
    from models.vae import TemporalVAE

EMBEDDED_FOLDER = Path(__file__).parent / "embedded"
"""The small model that comes with the package."""

NETWORKS = {
    "unet": "DenoisingUNet",
    "structure_encoder": "StructureEncoder",
    "vae": "TemporalVAE",
    "initial_estimate": "BasicVSR",
}
"""Which class a part's configuration must name."""
FLOW_NETWORKS = {"raft": "RAFT", "spynet": "SPyNet"}
OPTIONAL_PARTS = frozenset({"scheduler", "prompt"})

NetworkT = TypeVar("NetworkT", bound="ModelMixin")


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """Reads the parts of a model folder; nothing is read before it is asked for.

    Attributes:
        path: the folder; None means the embedded model.
    """

    path: Path | None = None

    @property
    def root(self) -> Path:
        """The folder itself."""
        return EMBEDDED_FOLDER if self.path is None else self.path

    def unet(self) -> DenoisingUNet:
        """Load the denoising UNet; FileNotFoundError or ValueError say what is wrong, here and below."""
        from models.unet import DenoisingUNet

        return self._load(DenoisingUNet, "unet")

    def structure_encoder(self) -> StructureEncoder:
        """Load the structure encoder."""
        from models.structure_encoder import StructureEncoder

        return self._load(StructureEncoder, "structure_encoder")

    def vae(self) -> TemporalVAE:
        """Load the temporal VAE."""
        from models.vae import TemporalVAE

        return self._load(TemporalVAE, "vae")

    def flow(self, name: str) -> RAFT | SPyNet:
        """Load the flow network ``name``, "raft" or "spynet"."""
        from models.raft import RAFT
        from models.spynet import SPyNet

        return self._load(RAFT if name == "raft" else SPyNet, "flow")

    def initial_estimate(self) -> BasicVSR:
        """Load the recurrent network that makes the initial estimate."""
        from models.basicvsr import BasicVSR

        return self._load(BasicVSR, "initial_estimate")

    def prompt(self) -> Tensor | None:
        """Return the embedding of the prompt, ``[1, length, d]``, or None where the model has no prompt."""
        from safetensors.torch import load_file

        file = self._prompt_file
        if not file.is_file():
            return None
        tensors = load_file(file)
        _check_prompt(file, tensors)
        return tensors["prompt"]

    @property
    def _prompt_file(self) -> Path:
        return self.root / "prompt" / "prompt.safetensors"

    def schedule(self) -> DiffusionSchedule:
        """Return the base schedule that the model was trained with."""
        from models.schedule import DiffusionSchedule

        config = self._schedule_config()
        return DiffusionSchedule.base() if config is None else DiffusionSchedule.from_config(config)

    def _schedule_config(self) -> dict[str, Any] | None:
        file = self.root / "scheduler" / "scheduler_config.json"
        if not file.is_file():
            return None
        config = read_json(file)
        try:
            base_arguments(config)
        except ValueError as error:
            raise ValueError(f"{file}: {error}; convert the model folder again") from None
        return config

    @property
    def downscale(self) -> int:
        """How many times smaller than a frame a latent is; known from ``vae/config.json`` alone."""
        return downscale(self.config("vae"))

    @property
    def canvas_multiple(self) -> int:
        """What the sides of a frame must be multiples of for the networks."""
        return self.downscale

    def config(self, part: str) -> dict[str, Any]:
        """Return a network's configuration without loading it."""
        return read_json(self._part(part) / "config.json")

    def digest(self, *parts: str) -> str:
        """Return the SHA-256 (hex) over the names and bytes of all files of some parts.

        Parts that a model may do without (scheduler, prompt) count as empty when they are absent.

        Raises:
            FileNotFoundError: any other part is absent.
        """
        digest = hashlib.sha256()
        for part in parts:
            absent = part in OPTIONAL_PARTS and not (self.root / part).is_dir()
            files = [] if absent else sorted(file for file in self._part(part).rglob("*") if file.is_file())
            digest.update(f"{part}\0{len(files)}\0".encode())
            for file in files:
                stat = file.stat()
                content = _file_digest(file, stat.st_size, stat.st_mtime_ns)
                digest.update(f"{file.relative_to(self.root).as_posix()}\0{content}\0".encode())
        return digest.hexdigest()

    def check(self, *parts: str) -> None:
        """Make sure that these networks (all but flow) are there, of the right kind and whole; none is loaded.

        Raises:
            FileNotFoundError, ValueError: what is wrong.
        """
        for part in parts:
            self._check_part(part, NETWORKS[part])
        width = self.config("unet").get("cross_attention_dim") if "unet" in parts else None
        if width is not None:
            self._check_prompt_file(width)

    def _check_prompt_file(self, width: int) -> None:
        file = self._prompt_file
        if not file.is_file():
            raise FileNotFoundError(
                f"model folder {self.root}: no prompt/prompt.safetensors, which this UNet needs; convert it again"
            )
        shapes = dict(tensor_shapes(file))
        _check_prompt(file, shapes)
        shape = shapes["prompt"]
        if len(shape) != 3 or shape[0] != 1 or shape[2] != width:
            raise ValueError(f"{file}: 'prompt' is {list(shape)}, and this UNet needs [1, length, {width}]; {AGAIN}")

    def check_flow(self, name: str) -> None:
        """The same for the flow network ``name``, "raft" or "spynet"."""
        self._check_part("flow", FLOW_NETWORKS[name])

    def _check_part(self, part: str, kind: str) -> None:
        self._stored(part, kind)
        if self.root.samefile(EMBEDDED_FOLDER):  # it comes with the networks
            return
        fault = faults(self.root).get(part)
        if fault:
            raise ValueError(fault)

    def check_schedule(self) -> None:
        """The same for the schedule, which may be absent."""
        self._schedule_config()

    def _stored(self, part: str, kind: str) -> StoredNetwork:
        path, config = self._part(part), self.config(part)
        stored = config.get("_class_name")
        if stored != kind:
            raise ValueError(
                f"{path}: holds a {stored}, not a {kind}; the settings must fit the model folder (presets but "
                "'embedded' need one that 'reelift convert-checkpoint' made: --set model=FOLDER)"
            )
        return StoredNetwork(path, config, stored_tensors(path))

    def _part(self, part: str) -> Path:
        path = self.root / part
        if not path.is_dir():
            there = sorted(p.name for p in self.root.iterdir() if p.is_dir()) if self.root.is_dir() else []
            found = f"it holds {', '.join(there)}" if there else "it is empty or does not exist"
            raise FileNotFoundError(f"model folder {self.root}: no {part}/; {found}")
        return path

    def _load(self, kind: type[NetworkT], part: str) -> NetworkT:
        stored = self._stored(part, kind.__name__)
        from models.loading import load_whole

        return load_whole(kind, stored)


def _check_prompt(file: Path, tensors: Iterable[str]) -> None:
    if "prompt" not in tensors:
        raise ValueError(f"{file}: holds no tensor named 'prompt', only {sorted(tensors)}")


@cache
def _file_digest(file: Path, size: int, modified: int) -> str:
    """Hash a file once per process, and again when its size or time has changed."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
