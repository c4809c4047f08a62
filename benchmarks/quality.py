"""How good the ways of enlarging by 4 are, ours and others', on clean and on damaged input: one table.

    python -m benchmarks.quality [CLIP...] [--frames 24] [--size 96 64] [--json FILE] [--write docs/quality.md]

Clips are names of development clips (``benchmarks.quality_clips``) or high-resolution video files; from each the input
is made, every way (``benchmarks.quality_ways``) restores it from file to file, and ``evaluation`` measures the files
against the clip. All numbers of a table are measured in one run, on one machine.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shlex
import tempfile
import time
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import torch

from benchmarks import quality_table
from benchmarks.quality_clips import DAMAGES, DEVELOPMENT, choose, write_input, write_original
from benchmarks.quality_pictures import Grid
from benchmarks.quality_ways import KEPT, WAYS, Setting, configuration
from evaluation.cvvdp_import import MissingError, is_installed
from evaluation.evaluate import evaluate
from evaluation.settings import EvaluationSettings, Measure
from models.device import choose_device
from stages.contract import ItemError
from training.data.fetch import FetchError
from training.degradations import SCALE

MEASURES: tuple[Measure, ...] = ("psnr", "cvvdp", "niqe", "warping", "consistency")
OF_THE_ORIGINAL: tuple[Measure, ...] = ("niqe", "warping", "consistency")


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command's options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("clips", nargs="*", metavar="CLIP", help=f"{', '.join(DEVELOPMENT)}, or a file; default: all")
    parser.add_argument("--frames", type=int, default=24, help="of each clip")
    parser.add_argument("--size", type=int, nargs=2, metavar=("WIDTH", "HEIGHT"), help="of the input; default: all")
    parser.add_argument("--ways", nargs="+", default=list(WAYS), metavar="WAY", help=f"of {', '.join(WAYS)}")
    parser.add_argument("--degradations", nargs="+", default=["clean", "degraded"], choices=list(DAMAGES))
    parser.add_argument("--seed", type=int, default=0, help="of the degradations")
    parser.add_argument("--model", type=Path, help="model folder; the embedded one")
    parser.add_argument("--flow", choices=("spynet", "dis"), default="dis", help="of E*warp; dis is no network of ours")
    parser.add_argument("--device", default="auto")
    parser.add_argument(
        "--packages", type=Path, default=Path("training-data/packages"), help="where downloads are kept"
    )
    parser.add_argument("--json", type=Path, help="write the result there, after every clip")
    parser.add_argument("--write", type=Path, help="write the page of the manual there")
    parser.add_argument("--pictures", type=Path, help="write a picture side by side of every clip into this folder")
    parser.add_argument("--from", dest="earlier", type=Path, help="measure nothing; show the JSON of an earlier run")
    options = parser.parse_args(arguments)
    options.size = tuple(options.size) if options.size else None
    if unknown := [way for way in options.ways if way not in WAYS]:
        raise SystemExit(f"quality: there is no way {unknown[0]}; there are {', '.join(WAYS)}")
    if options.frames < 2:
        raise SystemExit(f"quality: --frames is {options.frames}, and E*warp needs 2")
    return options


def command_of(options: argparse.Namespace) -> str:
    """The command line with what decides the numbers, and without what names places."""
    words = ["python", "-m", "benchmarks.quality", *(Path(clip).name for clip in options.clips)]
    words += ["--frames", str(options.frames)]
    words += ["--size", *map(str, options.size)] if options.size else []
    words += ["--ways", *options.ways] if options.ways != list(WAYS) else []
    words += ["--degradations", *options.degradations, "--seed", str(options.seed), "--flow", options.flow]
    words += ["--model", options.model.name] if options.model else []
    return shlex.join([*words, "--write", "docs/quality.md"])


def machine(options: argparse.Namespace) -> dict[str, Any]:
    """What the numbers were measured on."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    device = choose_device(options.device)
    return {
        "system": platform.platform(),
        "processor": names[0] if names else platform.machine(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "load": round(os.getloadavg()[0], 1),
        "measured": time.strftime("%Y-%m-%d"),
    }


class Run:
    """One run of the benchmark: what it found so far, as JSON-compatible values.

    Args:
        options: the command's.
        folder: for files that are thrown away.

    Raises:
        ItemError: a clip cannot be used; one line that names all of them.
    """

    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        self.options, self.folder = options, folder
        self.setting = Setting(options.model, options.device, options.packages)
        missing = {name: WAYS[name].missing(self.setting) for name in options.ways}
        self.pictures: dict[str, Path] = {}
        self.waiting: list[dict[str, Any]] = []
        kept = configuration(self.setting, {}, "balanced")["sample"]["initial_estimate"] == "recurrent"
        self.result: dict[str, Any] = {
            "command": command_of(options),
            "clips": [],
            "clips_left_out": {},
            "ways": options.ways,
            "left_out": {name: reason for name, reason in missing.items() if reason},
            "kept": KEPT if kept and {"reference", "balanced", "fast"} & set(options.ways) else {},
            "notes": [],
            "measured": {damage: {} for damage in options.degradations},
            "model": "embedded" if options.model is None else options.model.name,
            "options": {key: getattr(options, key) for key in ("frames", "size", "seed", "flow", "degradations")},
            "machine": machine(options),
        }
        self._write_originals()

    def _write_originals(self) -> None:
        """Write every clip first: those that cannot be used are told before anything is measured."""
        faults = []
        for source in choose(self.options.clips):
            target = self.folder / f"{source.name}.mkv"
            try:
                facts = write_original(source, self.options.packages, target, self.options.frames, self.options.size)
                self.waiting.append(facts)
            except ItemError as error:
                faults.append(str(error))
            except FetchError as error:
                self.result["clips_left_out"][source.name] = str(error)
        if faults:
            raise ItemError("; ".join(faults))
        if not self.waiting:
            raise ItemError(f"no clip can be had: {'; '.join(self.result['clips_left_out'].values())}")

    def next_clip(self) -> None:
        """Measure all ways on the first of the clips that wait."""
        facts = self.waiting.pop(0)
        name, original = facts["name"], self.folder / f"{facts['name']}.mkv"
        grid = Grid(original, facts["frames"]) if self.options.pictures else None
        for damage in self.options.degradations:
            low = self.folder / f"{name}-{damage}.mkv"
            write_input(original, low, name, damage, self.options.seed, Fraction(facts["rate"]))
            if grid is not None:
                grid.add(damage, "input", low, SCALE)
            for way in self.options.ways:
                if way not in self.result["left_out"]:
                    self._way(way, facts, damage, low, original, grid)
            self._record(damage, quality_table.ORIGINAL, name, self._numbers(original, original, low, OF_THE_ORIGINAL))
            if grid is not None:
                grid.add(damage, quality_table.ORIGINAL, original)
        self.result["clips"].append(facts)
        if grid is not None:
            self.pictures[name] = grid.write(self.options.pictures / f"{name}.png")

    def _way(self, way: str, facts: dict[str, Any], damage: str, low: Path, original: Path, grid: Grid | None) -> None:
        with tempfile.TemporaryDirectory(dir=self.folder) as place:
            began, worked = time.perf_counter(), os.times()
            restored = WAYS[way].restore(low, Path(place), self.setting)
            seconds, done = time.perf_counter() - began, os.times()
            numbers = self._numbers(original, restored, low, MEASURES)
            if grid is not None:
                grid.add(damage, WAYS[way].label, restored)
        numbers["seconds"] = round(seconds / facts["frames"], 4)
        numbers["cpu_seconds"] = round((sum(done[:4]) - sum(worked[:4])) / facts["frames"], 4)
        self._record(damage, way, facts["name"], numbers)

    def _numbers(self, original: Path, restored: Path, low: Path, measures: Sequence[Measure]) -> dict[str, Any]:
        if not is_installed():
            measures = [measure for measure in measures if measure != "cvvdp"]
            self._note(str(MissingError()))
        settings = EvaluationSettings(measures=tuple(measures), flow=self.options.flow, device=self.options.device)
        report = evaluate(original, restored, low, settings)
        for note in report.notes:
            self._note(note)
        found = report.model_dump(mode="json")
        means = {"niqe": found["restored"]["niqe"], "warping_error": found["restored"]["warping_error"]}
        return {"psnr_y": found["psnr_y"], "jod": found["cvvdp"], **means, "consistency": found["consistency"]}

    def _note(self, note: str) -> None:
        if note not in self.result["notes"]:
            self.result["notes"].append(note)

    def _record(self, damage: str, way: str, clip: str, numbers: dict[str, Any]) -> None:
        self.result["measured"][damage].setdefault(way, {})[clip] = numbers
        told = "  ".join(f"{key} {value:.3f}" for key, value in numbers.items() if isinstance(value, float))
        print(f"{clip}, {damage}, {way}: {told}", flush=True)


def show(result: dict[str, Any], options: argparse.Namespace, pictures: dict[str, Path]) -> None:
    """Print the tables, and write the page if it is wanted."""
    for damage in result["measured"]:
        print(f"\n{quality_table.text(result, damage)}")
    for name, reason in result["left_out"].items():
        print(f"{WAYS[name].label} is left out: {reason}")
    if options.write:
        quality_table.save(result, options.write, pictures)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print the tables and write what is wanted."""
    options = parse(arguments)
    if options.earlier:
        result = json.loads(options.earlier.read_text())
        known = [clip["name"] for clip in result["clips"]] if options.pictures else []
        show(result, options, {name: options.pictures / f"{name}.png" for name in known})
        return
    with tempfile.TemporaryDirectory(prefix="quality-") as name:
        try:
            run = Run(options, Path(name))
            while run.waiting:
                run.next_clip()
                written = json.dumps(run.result, indent=2) + "\n"
                if options.json:
                    options.json.parent.mkdir(parents=True, exist_ok=True)
                    options.json.write_text(written)
        except (ItemError, FileNotFoundError, ValueError) as error:
            raise SystemExit(f"quality: {error}") from None
        show(json.loads(written), options, run.pictures)


if __name__ == "__main__":
    main()
