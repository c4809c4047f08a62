"""The run: plan, execute, fold."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from pipeline.config import Limits, RunConfig
from pipeline.driver import Driver, Progress
from pipeline.epoch import Epoch, FencedError
from pipeline.executors.base import Executor, StageFactory
from pipeline.executors.local import LocalExecutor
from pipeline.faults import line
from pipeline.fingerprint import STAGES, Identity, Recipe
from pipeline.job import Job
from pipeline.manifest import ManifestWriter
from pipeline.places import anywhere, is_local, local_path, redact
from pipeline.pruning import prune_superseded
from pipeline.recorded import identified, recorded
from pipeline.report import RunReport
from pipeline.rows import SourceRow
from pipeline.schemas import GAVE_UP, Event, VideoRecord
from pipeline.sources import expand
from pipeline.stage_factories import stage_factories
from pipeline.stopping import Stop
from pipeline.storage import Storage, StorageError
from pipeline.storage_errors import broken, told
from pipeline.workspace import MADE_WITH, Workspace
from pipeline.wrapper import SetupError
from stages.wording import plain


def run(
    config: RunConfig,
    inputs: Sequence[str | Path],
    output: str | Path,
    workspace: str | Path,
    executor: Executor | None = None,
    progress: Progress | None = None,
    *,
    stages: Mapping[str, StageFactory] | None = None,
    allow_changed: bool = False,
    takeover: bool = False,
    only: Callable[[SourceRow], bool] = lambda source: True,
    stop: Stop | None = None,
    nothing_in: Callable[[str], None] = lambda given: None,
) -> RunReport:
    """Restore ``inputs`` into ``output``. The same line again does nothing twice; after a crash it goes on.

    Args:
        config: the resolved configuration.
        inputs: files, folders, globs, fsspec URLs.
        output: folder or URL; mirrors the input tree.
        workspace: folder or URL of the run's record and intermediate artifacts.
        executor: default is ``LocalExecutor``.
        progress: called as items are settled.
        stages: name -> factory, instead of the ones that the configuration asks for.
        allow_changed: go on in a workspace that was made with other settings; what they reach is made anew.
        takeover: replace a driver that seems alive.
        only: which of the sources to take.
        stop: when it is asked, items that are being worked on are finished and no others begun; the report says so.
        nothing_in: see ``expand``.

    Raises:
        InputError: if inputs or output cannot be used as given.
        ChangedError, BusyError, StorageError: see ``Workspace.open``, ``Epoch.claim``, ``Storage``.
        SetupError: if a stage cannot be set up.
        FencedError: if another driver took over.
    """
    started = time.perf_counter()
    executor = executor or LocalExecutor()
    sources = [source for source in expand(inputs, output, workspace, nothing_in) if only(source)]
    place, target = Workspace(workspace, config.runtime.scratch), Storage(output)
    factories = dict(stages or stage_factories(config))
    # Whatever may refuse the run comes first: a refused run leaves nothing behind.
    check(factories, executor.here)
    place.storage.prepare()
    if not takeover:
        Epoch.refuse_if_busy(place.storage)
    recipe = make_recipe(factories)
    resolved = {**resolve(config, inputs, target.url), MADE_WITH: recipe.made_with()}
    if not allow_changed:
        place.compare(resolved)
    target.prepare()
    epoch = Epoch.claim(place.storage, takeover)
    writer = ManifestWriter(place.storage, epoch)
    try:
        place.open(resolved, allow_changed)
        place.sweep(epoch.number)
        job = _job(config, place.url, target.url, epoch.number, recipe)
        known = recorded(place.storage, sources)
        waiting = identified(known, sources)
        driver = Driver(
            writer,
            {source.shown: source.size for source in sources},
            progress,
            stop,
            {source: facts.chunks for source, facts in known.items() if facts.chunks},
        )
        writer.start()
        # So that whoever looks at the manifest knows how much there is to do.
        new = [source for source in sources if source.shown not in known]
        driver.record([VideoRecord(source.shown, source.output, size=max(source.size, 0)) for source in new])
        while waiting:
            executor.execute(waiting, factories, job, driver)
            if driver.stop:
                break
            _bury(driver, waiting)
            waiting = driver.take_deferred(together=job.keep_artifacts)
        place.attempts(epoch.number).clear()
        place.sweep(epoch.number + 1)
        writer.close()
        if not job.keep_artifacts:
            _prune(place, epoch)
        epoch.close()
    except BaseException as error:
        _leave(place, writer, epoch, error)
        if isinstance(error, OSError):
            raise StorageError(broken(error)) from error
        raise
    return _report(job, driver, len(sources), time.perf_counter() - started)


def _job(config: RunConfig, workspace: str, output: str, epoch: int, recipe: Recipe) -> Job:
    return Job(
        workspace=workspace,
        output=output,
        epoch=epoch,
        recipe=recipe,
        attempts=config.limits.attempts,
        verify=config.limits.verify,
        scratch=config.runtime.scratch,
        threads=config.runtime.threads,
        ahead=config.limits.ahead,
        keep_artifacts=keeps(config.limits),
        scratch_bytes=config.limits.scratch_bytes,
        timeouts=config.limits.timeouts.model_dump(),
    )


def _report(job: Job, driver: Driver, sources: int, seconds: float) -> RunReport:
    return RunReport(
        workspace=job.workspace,
        output=job.output,
        epoch=job.epoch,
        seconds=round(seconds, 3),
        videos=dict(driver.states),
        stages={stage: dict(outcomes) for stage, outcomes in driver.tally.outcomes.items()},
        failures=driver.failures(),
        damage=dict(driver.tally.damage),
        left_out=dict(driver.tally.left_out),
        decoded_sound=dict(driver.tally.decoded_sound),
        left=sources - len(driver.states),
    )


def keeps(limits: Limits) -> bool:
    """Whether the artifacts of published videos stay."""
    return limits.scratch_bytes is None if limits.keep_artifacts is None else limits.keep_artifacts


def resolve(config: RunConfig, inputs: Sequence[str | Path], output: str) -> dict[str, Any]:
    """Return what ``run.yaml`` records: the whole configuration, and where it was pointed, to be read from anywhere."""
    places = (str(local_path(str(given))) if is_local(str(given)) else str(given) for given in inputs)
    return {
        **config.model_dump(mode="json"),
        "model": anywhere(config.model),
        "inputs": [redact(plain(place)) for place in places],
        "output": redact(output),
    }


def check(factories: Mapping[str, StageFactory], here: bool) -> None:
    """Find out now what would keep a stage from starting: on Ray it is a minute until the first one does.

    Args:
        factories: name -> factory.
        here: whether the stages will run on this machine.

    Raises:
        SetupError: if a stage cannot be made, or could not be set up.
    """
    for name in STAGES:
        with _starting(name):
            factories[name]().check(here)


def make_recipe(factories: Mapping[str, StageFactory]) -> Recipe:
    """Return the recipe of the stages that the factories make.

    Raises:
        SetupError: if a stage cannot be made, or its weights are missing.
    """
    identities = {}
    for name in STAGES:
        with _starting(name):
            identities[name] = Identity.of(factories[name]())
    return Recipe(identities)


@contextmanager
def _starting(stage: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        raise SetupError(f"stage {stage} cannot start: {line(error)}") from error


def _bury(driver: Driver, sources: Sequence[SourceRow]) -> None:
    """Give up the videos whose split was lost without a word."""
    for source in driver.abandon([source.shown for source in sources]):
        message = "the workers that split this video were lost; run again"
        driver.record([Event("split", GAVE_UP, source=source, error_class="WorkerLost", message=message)])


def _prune(place: Workspace, epoch: Epoch) -> None:
    """Give back the space of what is left of other settings; all videos are settled, and none is lost by a failure."""
    try:
        prune_superseded(place.artifacts(place.scratch_folder(epoch.number)))
    except (StorageError, OSError) as error:
        logging.getLogger(__name__).warning("artifacts of other settings are left: %s", told(error))


def _leave(place: Workspace, writer: ManifestWriter, epoch: Epoch, error: BaseException) -> None:
    """Save what can be saved when a run ends early: the rows that wait, and a word that this driver is gone."""
    epoch.abandon()
    writer.stop()
    if isinstance(error, FencedError):
        return
    if isinstance(error, Exception | KeyboardInterrupt | SystemExit):
        with suppress(StorageError, FencedError, OSError):
            writer.flush()
            place.attempts(epoch.number).clear()  # no item ended this run, as the next one would believe
            epoch.close()
