"""`farm run`, and what it shares with `farm reproduce`. Modules are imported on use, so that help is fast."""

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from farm.cli.options import AllowModels, Deadline, DryRun, Fresh, Json, NoChart, SweepFile, When, as_form
from farm.cli.output import Notes, Output, Shown, opened

if TYPE_CHECKING:
    from pathlib import Path

    from farm.kinds import Sweep
    from farm.model import Hold, Progress, SweepRecord
    from farm.scheduling.embedded import Interrupts
    from farm.settings import Settings
    from farm.store import Store

SOME_TRIALS_FAILED = 1
INTERRUPTED = 130
_TARGETS = "`farm run` ignores targets: it measures on this machine only. `farm submit` follows them"


@dataclass(frozen=True, slots=True)
class Ran:
    """A sweep, and how it stands."""

    sweep: "SweepRecord"
    progress: "Progress"

    def stopped(self, command: str) -> Notes:
        """Return a note on how to continue an interrupted sweep."""
        from farm.report.numbers import several

        again = "the same command waits on" if self.progress.hold else f"`{command}` goes on from here"
        line = f"farm: stopped with {several(self.progress.to_go, 'job')} to go: {again}"
        return Notes([line], INTERRUPTED)


def run(
    sweep: SweepFile,
    dry_run: DryRun = False,
    fresh: Fresh = False,
    allow_models: AllowModels = None,
    when: When = None,
    deadline: Deadline = None,
    no_chart: NoChart = False,
    as_json: Json = False,
) -> Iterator[Output]:
    """Measure a sweep on this machine; needs no server.

    Ctrl-C finishes the running trial and stops, twice stops now; the same command goes on from there. Modules beside
    the sweep's file may be imported.
    """
    from farm.exchange.loading import load_results
    from farm.kinds import load_sweep, require_here, views
    from farm.report.files import Format
    from farm.report.selection import Selection
    from farm.scheduling import holds, submission
    from farm.scheduling.embedded import Interrupts
    from farm.scheduling.status import plans

    hold = holds.parse_hold(when, deadline, datetime.now(UTC))
    loaded, text = load_sweep(sweep), sweep.read_text(encoding="utf-8")
    with opened(create=True) as (store, known_settings):
        settings = known_settings.model_copy(update=_own_code(sweep, allow_models))
        require_here(sweep, loaded, settings.allowed_models)
        if dry_run:
            here = submission.here(loaded)
            made = submission.planned(here, store, fresh, this_machine=settings)
            yield Shown(plans.described(here, made, is_alone=True), as_form(as_json))
            return
        if hold is not None:
            holds.require_source(settings)
        ran = yield from measured(loaded, text, store, settings, Interrupts(), fresh, quiet=as_json, hold=hold)
        shown = views.view(load_results(store, ran.sweep), Selection())
        yield Shown(shown.without_charts() if no_chart else shown, Format.JSON if as_json else None)
        yield outcome(ran.progress, store, ran.sweep) if ran.progress.is_over else ran.stopped(f"farm run {sweep}")


def _own_code(sweep: "Path", allow_models: list[str] | None) -> dict[str, object]:
    """The settings by which trials find and may load networks of the user's own: modules beside the sweep's file."""
    allowed = {} if allow_models is None else {"allow_models": ",".join(allow_models)}
    return {"import_from": sweep.absolute().parent, **allowed}


def measured(
    sweep: "Sweep",
    text: str,
    store: "Store",
    settings: "Settings",
    interrupts: "Interrupts",
    fresh: bool,
    quiet: bool,
    hold: "Hold | None" = None,
) -> Generator[Output, None, Ran]:
    """Work a sweep off on this machine, whatever its targets; only what is missing is measured."""
    from farm.scheduling import embedded, submission
    from farm.scheduling.status import live as display
    from farm.scheduling.status import plans

    submitted = submission.enqueue(submission.here(sweep), text, store, settings, fresh, hold, is_alone=True)
    held = [] if hold is None else [f"farm: {plans.held(hold)}"]
    so_far = plans.measured_so_far(submitted.measured, submitted.total, submitted.to_go)
    goes_on = [f"farm: {so_far}"] if submitted.measured and submitted.to_go else []
    here = [] if sweep.targets == ("any",) else [_TARGETS]
    yield Notes([*(f"farm: note: {warning}" for warning in (*here, *submitted.warnings)), *goes_on, *held])
    end = store.progress(submitted.sweep_id)
    if end.is_over:
        yield Notes([f"farm: {so_far}: nothing is measured again"])
    else:
        read_ended = partial(store.ended, submitted.sweep_id)
        live = display.live(sweep.name, not quiet, lambda: interrupts.count, read_ended)
        with interrupts.caught(), live as show:
            end = embedded.run(submitted.sweep_id, store, settings, interrupts, show)
    return Ran(store.find_sweep(submitted.sweep_id), end)


def outcome(progress: "Progress", store: "Store", sweep: "SweepRecord") -> Notes:
    """Return notes on what failed, with the exit status."""
    from farm.model import JobState
    from farm.scheduling.status import progress as display

    has_failed = bool(progress.counts.get(JobState.FAILED))
    return Notes(display.failure_lines(store.failures(sweep.id), sweep.id), SOME_TRIALS_FAILED if has_failed else 0)
