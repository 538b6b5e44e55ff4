"""`farm status`, `farm machines` and `farm logs`: how the farm stands. Modules are imported on use."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from farm.cli.options import AnySweep, Json
from farm.cli.output import Told, opened

if TYPE_CHECKING:
    from farm.settings import Settings


def status(sweep: AnySweep = None, as_json: Json = False) -> Told:
    """Show how sweeps stand; with SWEEP, what failed or is open."""
    from farm.scheduling import tuner
    from farm.scheduling.status import machines as seen
    from farm.scheduling.status import points, queues
    from farm.scheduling.status import progress as display

    with opened() as (store, settings):
        chosen = [store.find_sweep(sweep)] if sweep else store.sweeps()
        states = [(record, store.progress(record.id, tuner.total(store, record))) for record in chosen]
        failures = store.failures(chosen[0].id) if sweep else []
        now = datetime.now(UTC)
        found_points = points.status(store, chosen[0]) if sweep else []
        view, records = display.status(states, failures, now), display.status_records(states, now)
        if found_points:
            view = points.below(view, found_points, chosen[0].rule)
            records[0]["points"] = points.records(found_points)
        waiting = [w for w in store.waiting() if not sweep or w.sweep == chosen[0].id]
        machines = seen.look(store, settings.silent_s, now)
        depths, note = _depths(queues.names(waiting, machines), settings) if waiting else (None, "")
        found = queues.queues(waiting, machines, depths)
        for record in records:
            record["waiting"] = queues.records(found, waiting, record["sweep"])
        return Told(queues.below(view, found, machines, now, note), records, as_json)


def _depths(queues: Sequence[str], settings: "Settings") -> tuple[dict[str, int] | None, str]:
    """Messages in each queue, or a note why they are unknown; the folder of an embedded farm is not asked."""
    from farm.errors import BrokerUnavailable
    from farm.scheduling.broker import Publisher

    if settings.is_embedded:
        return None, ""
    try:
        return Publisher(settings).depths(queues), ""
    except BrokerUnavailable as error:
        return None, f"messages are not known: {error}"


def machines(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="Show all that is known of this one.")] = None,
    as_json: Json = False,
) -> Told:
    """List the machines of the farm, or show one."""
    from farm.scheduling.status import machines as display

    with opened() as (store, settings):
        known = display.look(store, settings.silent_s, datetime.now(UTC))
    chosen = display.named(known, name) if name else known
    layout = display.details if name else display.table
    return Told(layout(chosen), display.records(chosen), as_json)


def logs(
    trial: Annotated[str, typer.Argument(metavar="TRIAL", help="JOB.ATTEMPT, or JOB for its last attempt.")],
    as_json: Json = False,
) -> Told:
    """Show how a trial ended, and the last lines that it printed."""
    from farm.report import trial_log as display

    with opened() as (store, _):
        found = store.find_trial(trial)
    return Told(display.view(found), display.record(found), as_json)
