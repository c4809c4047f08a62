"""``python -m benchmarks.parity [DIR]``: does Reelift compute what the published system does?

Every file of golden vectors in DIR is checked: weights go through the checkpoint converter under their official keys,
inputs through our code, and the results are compared with the stored ones within the tolerances of the golden README
(section 0). A file nobody knows, a weight that finds no place and an output that nothing was compared with are
failures too. The exit status is 0 only if everything passed.

A file ``NAME_SOMETHING`` is checked as ``NAME`` is, so that a folder can hold several of a kind.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import torch

from benchmarks.parity_arithmetic import check_colours, check_guidance, check_losses, check_schedule, check_tiles
from benchmarks.parity_layout import check_layout
from benchmarks.parity_networks import (
    check_flow,
    check_structure_encoder,
    check_temporal_attention,
    check_temporal_conv,
    check_unet,
    check_vae,
    sibling,
)
from benchmarks.parity_sampling import check_end_to_end, check_sampling
from benchmarks.parity_vectors import WEIGHTS, Row, Vectors, failed, format_table, to_json
from benchmarks.record import write_result

CHECKS: dict[str, Callable[[Vectors], Iterator[Row]]] = {
    "schedule": check_schedule,
    "tile_weights": check_tiles,
    "motion_guidance": check_guidance,
    "color_fix": check_colours,
    "decoder_losses": check_losses,
    "spatial_temporal_conv": check_temporal_conv,
    "temporal_attention": check_temporal_attention,
    "structcond_encoder": check_structure_encoder,
    "unet": check_unet,
    "vae": check_vae,
    "flow": check_flow,
    "sampling": check_sampling,
    "end_to_end": check_end_to_end,
}
ROLES = {"unet": ("encoder",), "sampling": ("unet", "encoder"), "end_to_end": ("unet", "encoder", "vae")}
"""Whose weights a check loads besides those of its own file."""
LAYOUT = "official_checkpoint_layout"
DOCUMENTS = (".md", ".txt")
GOLDEN = Path(__file__).parents[1] / "tests" / "golden"


def check_folder(folder: Path, only: Sequence[str] = ()) -> Iterator[Row]:
    """All verdicts on the files of a folder, in the order of ``CHECKS``.

    Args:
        folder: where ``NAME.safetensors`` and ``NAME.json`` are.
        only: names to check; all if empty.
    """
    files = [path for path in sorted(folder.iterdir()) if path.suffix not in DOCUMENTS]
    unknown = [path for path in files if path.suffix not in (".json", ".safetensors") or kind_of(path.stem) is None]
    referenced = _referenced(folder)
    for path in unknown:
        if path.name not in referenced and path.with_suffix(".safetensors").name not in referenced:
            yield failed(path.name, "nobody knows this file")
    names = sorted({path.stem for path in files if path not in unknown}, key=_rank)
    for name in names:
        if only and name not in only:
            continue
        if kind_of(name) == LAYOUT:
            yield from check_layout(folder / f"{name}.json")
        else:
            yield from check_file(Vectors(folder, name))
    if not names:
        yield failed(str(folder), "holds no golden vectors")


def check_file(vectors: Vectors) -> Iterator[Row]:
    """All verdicts on one file; what stops the check is a verdict, too, and so is what it left out."""
    kind, count = kind_of(vectors.name), 0
    for statement in vectors.misstated():
        yield failed(vectors.name, statement)
    try:
        with torch.no_grad() if kind not in ("motion_guidance", "decoder_losses") else torch.enable_grad():
            for row in CHECKS[str(kind)](vectors):
                count += 1
                yield row
    except Exception as error:  # One file that cannot be checked must not hide what the others say.
        yield failed(vectors.name, " ".join(f"{type(error).__name__}: {error}".split())[:500])
    else:
        for key in vectors.forgotten():
            unused = "no network has a place for this" if key.startswith(WEIGHTS) else "nothing was compared with this"
            yield failed(f"{vectors.name} {key}", unused)
        if not count:
            yield failed(vectors.name, "holds nothing to compare with")


def kind_of(name: str) -> str | None:
    """Which check a file's name asks for; None if it is not known."""
    kinds = [kind for kind in (*CHECKS, LAYOUT) if name == kind or name.startswith(f"{kind}_")]
    return max(kinds, key=len, default=None)


def _rank(name: str) -> tuple[int, str]:
    return [*CHECKS, LAYOUT].index(str(kind_of(name))), name


def _referenced(folder: Path) -> set[str]:
    """Files of weights that are loaded because some file's configuration names them."""
    names: set[str] = set()
    for path in folder.glob("*.json"):
        roles = ROLES.get(str(kind_of(path.stem)), ())
        vectors = Vectors(folder, path.stem) if roles else None
        names |= {f"{sibling(vectors, role).name}.safetensors" for role in roles if vectors is not None}
    return names


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.parity", description="Check against golden vectors.")
    parser.add_argument("folder", nargs="?", type=Path, default=GOLDEN, help="folder of golden vectors")
    parser.add_argument("--only", nargs="*", default=[], metavar="NAME", help="check these files alone")
    parser.add_argument("--device", default="cpu", help="where our side is computed, in float32 without TF32")
    parser.add_argument("--json", type=Path, help="write the table there, too")
    options = parser.parse_args(arguments)
    if not options.folder.is_dir():
        parser.error(f"{options.folder} is not a folder")
    torch.set_default_device(options.device)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    torch.set_num_threads(1)  # the networks are tiny: threads would only wait for each other
    try:
        rows = list(check_folder(options.folder, options.only))
    finally:
        torch.set_default_device(None)
    failures = sum(not row.passed for row in rows)
    print(format_table(rows))
    print(f"\n{len(rows) - failures} of {len(rows)} comparisons passed")
    write_result(options.json, to_json(rows))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
