"""``reelift prepare-data``: build the folder of training clips from freely licensed packages."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from jobs.console import complain, tell
from jobs.interrupt import going_on

EXAMPLES = """
reelift prepare-data clips/
reelift prepare-data clips/ --videos tapes/ --photo-clips 0 --no-film
"""


@going_on()
def prepare_data(
    folder: Annotated[Path, typer.Argument(help="Where the clips go; about 2 GB with the defaults.")],
    seed: Annotated[int, typer.Option(min=0, help="Seed of every choice.")] = 0,
    photo_clips: Annotated[int, typer.Option(min=0, help="Clips rendered from photographs.")] = 1500,
    film_every: Annotated[int, typer.Option(min=5, help="Frames of a film between the starts of two clips.")] = 23,
    film: Annotated[bool, typer.Option(help="Also cut clips out of the film (a package of 58 MB).")] = True,
    videos: Annotated[Path | None, typer.Option(help="Also cut clips out of the videos below this folder.")] = None,
    size: Annotated[int, typer.Option(min=64, max=512, help="Side of the clips in pixels, a multiple of 8.")] = 256,
    frames: Annotated[int, typer.Option(min=2, max=16, help="Frames of each clip.")] = 5,
    shard: Annotated[int, typer.Option(min=1, help="Clips in a file.")] = 32,
    threads: Annotated[int, typer.Option(help="torch threads; 0 leaves torch's choice.")] = 0,
) -> int:
    """Fetch, render, cut and index the training clips; an interrupted run goes on where it was.

    With --videos, --photo-clips 0 and --no-film all clips are your own; files that give none are named and left out.
    Other files come from Debian (apt-get) and PyPI (pip); each is checked against a recorded SHA-256, and its author
    and licence are written to sources.json.
    """
    # Imported here, so that the other commands do not wait for torch.
    import torch
    from pydantic import ValidationError

    from training.data.fetch import FetchError
    from training.prepare import PrepareConfig, prepare

    if threads:
        torch.set_num_threads(threads)
    try:
        config = PrepareConfig(
            seed=seed,
            photo_clips=photo_clips,
            film_every=film_every,
            film=film,
            videos=videos,
            size=size,
            frames=frames,
            shard=shard,
        )
        index = prepare(folder, config)
    except ValidationError as error:
        fault = error.errors()[0]
        return complain(f"{'.'.join(str(part) for part in fault['loc'])}: {fault['msg']}")
    except (FetchError, ValueError, OSError) as error:
        return complain(error)
    total = sum(shard["clips"] for shard in index["shards"])
    held_out = sum(sum(shard["held_out"]) for shard in index["shards"])
    tell(f"{total} clips of {frames} frames in {folder}, {held_out} of them held out for validation")
    return 0


if __name__ == "__main__":
    from jobs.invocation import run_function

    run_function(prepare_data, "prepare_data", EXAMPLES)
