"""``reelift evaluate``: how good a restored clip is, against the original."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from jobs.console import busy, complain, show, tell

if TYPE_CHECKING:
    from evaluation.evaluate import BorderPlan
    from evaluation.report import Report

EXAMPLES = """
reelift evaluate --reference samples/city_original.mkv --restored demo/restored/city.mkv --lr samples/city.mkv
reelift evaluate --reference original.mkv --restored restored.mkv --measure psnr --measure ssim --json
"""


def evaluate(
    reference: Annotated[Path, typer.Option(help="The original, of the restored clip's size.")],
    restored: Annotated[Path, typer.Option(help="The clip to judge.")],
    lr: Annotated[Path | None, typer.Option(help="The input of the restoration.")] = None,
    measure: Annotated[
        list[str] | None,
        typer.Option(help="Only these: psnr, ssim, cvvdp, niqe, warping, consistency, sharpness. May be repeated."),
    ] = None,
    frames: Annotated[int | None, typer.Option(min=1, help="Only the first frames.")] = None,
    flow: Annotated[
        str, typer.Option(help="Motion for the warping error: spynet, raft (needs --model) or dis (fast).")
    ] = "spynet",
    model: Annotated[Path | None, typer.Option(help="Model folder with the flow network; default: embedded.")] = None,
    window: Annotated[int, typer.Option(min=1, help="Seams: frames of a window.")] = 5,
    window_overlap: Annotated[int, typer.Option(min=0, help="Seams: frames that windows share.")] = 0,
    chunk: Annotated[
        int | None, typer.Option(min=1, help="Seams: frames of a chunk, overlaps included; default: as restore cuts.")
    ] = None,
    chunk_overlap: Annotated[int | None, typer.Option(min=0, help="Seams: frames that chunks share; likewise.")] = None,
    workspace: Annotated[
        str | None, typer.Option(help="Seams: take windows and chunks from this run, instead of from the options.")
    ] = None,
    profile: Annotated[Path | None, typer.Option(help="Write the temporal profile here (PNG).")] = None,
    profile_row: Annotated[int | None, typer.Option(min=0, help="Its row of pixels; default: the middle.")] = None,
    display: Annotated[str, typer.Option(help="ColorVideoVDP's display model.")] = "standard_4k",
    device: Annotated[str, typer.Option(help="torch device, or auto.")] = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> int:
    """Measure a restored clip: PSNR, SSIM, ColorVideoVDP, NIQE, warping error, seams, consistency, sharpness."""
    # Imported here, so that the other commands do not wait for torch.
    from pydantic import ValidationError

    from evaluation.cvvdp_import import MissingError
    from evaluation.evaluate import evaluate as run
    from evaluation.settings import EvaluationSettings
    from pipeline.storage_errors import told
    from stages.contract import ItemError

    given: dict[str, Any] = {"frames": frames, "flow": flow, "model": model, "display": display, "device": device}
    given |= {"profile": profile, "profile_row": profile_row}
    if measure:
        given["measures"] = tuple(measure)
    try:
        settings = EvaluationSettings(**given)
        if workspace is not None:
            plan = borders_of_run(workspace, restored)
        else:
            plan = borders_of_options((window, window_overlap), (chunk, chunk_overlap))
        with busy() as update:
            report = run(
                reference,
                restored,
                lr,
                settings,
                plan,
                lambda stage, number: update(f"{stage}: {number}"),
            )
    except ValidationError as error:
        fault = error.errors()[0]
        key = str(fault["loc"][0])
        option = "measure" if key == "measures" else key.replace("_", "-")
        return complain(f"--{option} {fault['input']}: {fault['msg'][0].lower()}{fault['msg'][1:]}")
    except (ItemError, MissingError, ValueError, OSError) as error:
        return complain(told(error))
    if as_json:
        print(report.model_dump_json(indent=2))
    else:
        _show(report)
    return 0


def borders_of_options(window: tuple[int, int], chunk: tuple[int | None, int | None]) -> BorderPlan:
    """Windows and chunks as (frames, overlap); None is the default of ``split``.

    Raises:
        ValueError: they cannot overlap by that much.
    """
    from evaluation.evaluate import BorderPlan
    from evaluation.seams import Windows, find_borders, plan_chunks
    from stages.split.config import SplitConfig

    usual, windows = SplitConfig(), Windows(*window)
    length = usual.chunk_frames if chunk[0] is None else chunk[0]
    overlap = usual.overlap_frames if chunk[1] is None else chunk[1]
    plan_chunks(1, length, overlap)
    told = f"windows of {window[0]} overlapping by {window[1]}, chunks of {length} overlapping by {overlap}"
    return BorderPlan(told, lambda frames: find_borders(frames, plan_chunks(frames, length, overlap), [windows]))


def borders_of_run(workspace: str, restored: Path) -> BorderPlan:
    """The chunks of the video that became ``restored``, and the windows of the run's settings.

    Raises:
        ValueError: the workspace has no such video.
    """
    from evaluation.evaluate import BorderPlan
    from evaluation.seams import Windows, find_borders
    from models.folder import ModelFolder
    from pipeline import manifest
    from pipeline.storage import Storage, StorageError
    from pipeline.workspace import RUN, Workspace

    try:
        storage = Storage(workspace)
        settings = Workspace(workspace).settings() if storage.exists(RUN) else {}
        if not settings:
            raise ValueError(f"{storage.url}: no workspace is there; give the folder that restore was given")
        identities = {
            video
            for table in manifest.read(storage, "videos", ("output", "video"))
            for output, video in zip(table["output"].to_pylist(), table["video"].to_pylist(), strict=True)
            if video and output.rsplit("/", 1)[-1] == restored.stem
        }
        if len(identities) != 1:
            found = "several videos" if identities else "no video"
            raise ValueError(f"{storage.url}: {found} became {restored.name}; give windows and chunks by the options")
        plans: dict[str, dict[int, tuple[int, int]]] = {}
        for table in manifest.read(storage, "chunks", ("video", "plan", "chunk", "start", "stop")):
            for row in table.to_pylist():
                if row["video"] in identities:
                    plans.setdefault(row["plan"], {})[row["chunk"]] = (row["start"], row["stop"])
    except StorageError as error:
        raise ValueError(str(error)) from None
    if not plans:
        raise ValueError(f"{storage.url}: {restored.name} has no chunks yet")
    chunks = list(list(plans.values())[-1].values())
    model = settings["model"]
    sample, decode = settings["sample"], settings["decode"]
    length = ModelFolder(Path(model) if model else None).config("unet")["num_frames"]
    windows = [
        Windows(length, sample["window_overlap"], sample["last_window"] == "repeat"),
        Windows(decode["window_frames"], decode["window_overlap"], decode["last_window"] == "repeat"),
    ]
    told = f"of the run in {storage.url}: {len(chunks)} chunks; windows of " + " and ".join(
        f"{each.length} overlapping by {each.overlap}" for each in windows
    )
    return BorderPlan(told, lambda frames: find_borders(frames, chunks, windows))


def _show(report: Report) -> None:
    table = Table(title=f"{report.restored_file}: {report.frames} frames, {report.width}x{report.height}")
    table.add_column("measure")
    for name in ("restored", "reference"):
        table.add_column(name, justify="right")
    table.add_column("unit, and what is better")
    restored, reference, seams = report.restored, report.reference, report.seams
    for name, value, other, unit in (
        ("PSNR-Y", report.psnr_y, None, "dB, higher"),
        ("SSIM-Y", report.ssim_y, None, "up to 1, higher"),
        ("ColorVideoVDP", report.cvvdp, None, "JOD, up to 10, higher"),
        ("NIQE", restored.niqe, reference.niqe, "lower"),
        ("E*warp", restored.warping_error, reference.warping_error, "x 1e-3, near the reference's"),
        ("seam ratio, windows", seams.window, None, f"1 is none; {seams.window_pairs} pairs"),
        ("seam ratio, chunks", seams.chunk, None, f"1 is none; {seams.chunk_pairs} pairs"),
        ("consistency", report.consistency, None, "dB, higher"),
        ("sharpness", restored.sharpness, reference.sharpness, "code values, near the reference's"),
        ("sharpness gain", report.sharpness_gain, None, "over bicubic"),
    ):
        if value is not None:
            table.add_row(name, _number(value), "" if other is None else _number(other), unit)
    show(table, "evaluated", report=report.model_dump(mode="json"))
    if seams.borders:
        tell(f"Borders: {seams.borders}")
    for note in report.notes:
        tell(f"Left out: {note}")


def _number(value: float) -> str:
    return f"{value:.4g}" if abs(value) < 1 else f"{value:.2f}"


if __name__ == "__main__":
    from jobs.invocation import run_function

    run_function(evaluate, "evaluate", EXAMPLES)
