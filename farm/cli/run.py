"""`farm run`, and what it shares with `farm reproduce`. Modules are imported on use, so that help is fast."""

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from farm.cli.options import Deadline, Fresh, Json, SweepFile, When
from farm.cli.output import Notes, Output, Shown, opened

if TYPE_CHECKING:
    from farm.kinds import Sweep
    from farm.model import Hold, Progress, SweepRecord
    from farm.scheduling.embedded import Interrupts
    from farm.settings import Settings
    from farm.store import Store

SOME_TRIALS_FAILED = 1
INTERRUPTED = 130


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
    sweep: SweepFile, fresh: Fresh = False, when: When = None, deadline: Deadline = None, as_json: Json = False
) -> Iterator[Output]:
    """Measure a sweep on this machine; needs no server.

    Ctrl-C finishes the running trial and stops, twice stops now; the same command goes on from there.
    """
    from farm.exchange.loading import load_results
    from farm.kinds import load_sweep, views
    from farm.report.files import Format
    from farm.report.selection import Selection
    from farm.scheduling import holds
    from farm.scheduling.embedded import Interrupts

    hold = holds.parse_hold(when, deadline, datetime.now(UTC))
    loaded, text = load_sweep(sweep), sweep.read_text(encoding="utf-8")
    with opened(create=True) as (store, settings):
        if hold is not None:
            holds.require_source(settings)
        ran = yield from measured(loaded, text, store, settings, Interrupts(), fresh, quiet=as_json, hold=hold)
        shown = views.view(load_results(store, ran.sweep), Selection())
        yield Shown(shown, Format.JSON if as_json else None)
        yield outcome(ran.progress, store, ran.sweep) if ran.progress.is_over else ran.stopped(f"farm run {sweep}")


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
    stands = plans.standing(submitted.measured, submitted.total, submitted.to_go)
    goes_on = [f"farm: {stands}"] if submitted.measured and submitted.to_go else []
    yield Notes([*(f"farm: note: {warning}" for warning in submitted.warnings), *goes_on, *held])
    end = store.progress(submitted.sweep_id)
    if not end.is_over:
        live = display.live(sweep.name, not quiet, lambda: display.stopping(interrupts.count))
        with interrupts.caught(), live as show:
            end = embedded.run(submitted.sweep_id, store, settings, interrupts, show)
    return Ran(store.find_sweep(submitted.sweep_id), end)


def outcome(progress: "Progress", store: "Store", sweep: "SweepRecord") -> Notes:
    """Return notes on what failed, with the exit status."""
    from farm.model import JobState
    from farm.scheduling.status import progress as display

    has_failed = bool(progress.counts.get(JobState.FAILED))
    return Notes(display.failure_lines(store.failures(sweep.id), sweep.id), SOME_TRIALS_FAILED if has_failed else 0)
