"""`farm submit`, `farm watch`, `farm cancel` and `farm retry`: sweeps on the queue. Modules are imported on use."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from farm.cli.options import AnySweep, Deadline, DryRun, Fresh, Json, SweepFile, When, as_form
from farm.cli.output import Line, Notes, Output, Shown, opened
from farm.cli.run import outcome

if TYPE_CHECKING:
    from farm.model import SweepRecord
    from farm.store import Store

SweepName = Annotated[str, typer.Argument(metavar="SWEEP", help="A sweep's name or id.")]
#: Seconds between two looks at a sweep that is followed.
PERIOD_S = 1.0


def submit(
    sweep: SweepFile,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until all is measured.")] = False,
    dry_run: DryRun = False,
    fresh: Fresh = False,
    when: When = None,
    deadline: Deadline = None,
    as_json: Json = False,
) -> Iterator[Output]:
    """Queue a sweep for the farm's workers."""
    from farm.kinds import load_sweep
    from farm.scheduling import holds, submission
    from farm.scheduling.status import plans

    hold = holds.parse_hold(when, deadline, datetime.now(UTC))
    loaded, text = load_sweep(sweep), sweep.read_text(encoding="utf-8")
    with opened(create=True) as (store, settings):
        if dry_run:
            made = submission.planned(loaded, store, fresh)
            yield Shown(plans.described(loaded, made), as_form(as_json))
            yield Notes([] if hold is None else [f"farm: would be {plans.held(hold)}"])
            return
        submission.require_broker(settings)
        submitted = submission.enqueue(loaded, text, store, settings, fresh, hold)
        yield Notes([f"farm: note: {warning}" for warning in submitted.warnings])
        submission.publish(store, settings)
        yield Line(plans.submitted(loaded, submitted, hold), plans.submitted_record(submitted, hold), as_json)
        if wait:
            yield from _followed(store, store.find_sweep(submitted.sweep_id), quiet=as_json)


def watch(sweep: AnySweep = None) -> Iterator[Output]:
    """Follow a sweep until it is over; Ctrl-C stops watching only."""
    with opened() as (store, _):
        yield from _followed(store, store.find_sweep(sweep))


def cancel(sweep: SweepName, as_json: Json = False) -> Line:
    """Cancel waiting jobs, stop running trials; results so far stay."""
    from farm.report.numbers import several

    with opened() as (store, _):
        found = store.sweeps_named(sweep)
        counts = [store.cancel(one.id) for one in found]
    queued, running = (sum(count) for count in zip(*counts, strict=True))
    ids = ", ".join(one.id for one in found)
    text = f"{found[0].name} ({ids}): {several(queued, 'waiting job')} cancelled, {running} running asked to stop"
    return Line(text, {"sweep": found[0].id, "queued": queued, "running": running}, as_json)


def retry(
    sweep: SweepName,
    cancelled: Annotated[
        bool, typer.Option("--cancelled", help="Queue the cancelled jobs again, not the failed ones.")
    ] = False,
    as_json: Json = False,
) -> Line:
    """Queue failed jobs again; the failed trials stay beside the new."""
    from farm.report.numbers import several
    from farm.scheduling import submission

    with opened() as (store, settings):
        if cancelled:
            found = store.latest_cancelled(sweep)
            count = store.requeue_cancelled(found, settings.max_attempts)
        else:
            found = store.find_sweep(sweep)
            count = store.retry(found.id, settings.max_attempts)
        submission.publish(store, settings)
    what = "cancelled job" if cancelled else "failed job"
    text = f"{found.name} ({found.id}): {several(count, what)} queued again"
    return Line(text, {"sweep": found.id, "queued": count}, as_json)


def _followed(store: "Store", sweep: "SweepRecord", quiet: bool = False) -> Iterator[Output]:
    """Show how a sweep progresses until it is over, then what failed."""
    from functools import partial
    from time import sleep

    from farm.scheduling import tuner
    from farm.scheduling.status import live
    from farm.scheduling.status import progress as display

    between, alone = "the next job is on its way", "waiting for a worker: start `farm worker` on a machine to add one"
    with live.live(sweep.name, enabled=not quiet, read_ended=partial(store.ended, sweep.id)) as show:
        total = tuner.total(store, sweep)
        while not (progress := store.progress(sweep.id, total)).is_over:
            show(progress, between if progress.available else alone)
            sleep(PERIOD_S)
        show(progress, "")
    if not quiet:
        yield Line(f"{sweep.name}: {display.summary(progress, datetime.now(UTC))}")
    yield outcome(progress, store, sweep)
