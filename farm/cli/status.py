"""`farm status`, `farm machines` and `farm logs`: what the farm does. Modules are imported on use."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from farm.cli.options import AnySweep, Json, as_form
from farm.cli.output import Shown, opened

if TYPE_CHECKING:
    from farm.model import SweepRecord
    from farm.settings import Settings
    from farm.store import Store


def status(sweep: AnySweep = None, as_json: Json = False) -> Shown:
    """Show how sweeps progress; with SWEEP, what failed or is open."""
    from farm.model.reading import each, readable, reading, unreadable
    from farm.report.document import Document
    from farm.scheduling.status import machines as seen
    from farm.scheduling.status import points, progress, queues, unread

    with opened() as (store, settings):
        chosen = [store.find_sweep(sweep)] if sweep else store.sweeps()
        found_states = [*each(chosen, lambda one: (one, store.progress(one.id, planned(store, one))))]
        if sweep and (errors := unreadable(found_states)):
            raise errors[0]
        states = readable(found_states)
        notes = [] if sweep else [*unread.sweeps(store), *unread.lines(unreadable(found_states))]
        with reading("sweep", chosen[0].id if sweep else ""):
            failures = store.failures(chosen[0].id) if sweep else []
            decided = points.points(store, chosen[0]) if sweep else []
        waiting = [w for w in store.waiting() if not sweep or w.sweep == chosen[0].id]
        now = datetime.now(UTC)
        machines = seen.look(store, settings.silent_s, now)
    depths, note = _depths(queues.names(waiting, machines), settings) if waiting else (None, "")
    found = queues.queues(waiting, machines, depths)
    blocks = progress.blocks(states, failures, now)
    records = progress.records(states, now)
    if decided:
        blocks += points.blocks(decided, chosen[0].rule)
        records[0]["points"] = points.records(decided)
    blocks += queues.blocks(found, machines, now, note)
    for record in records:
        record["waiting"] = queues.records(found, waiting, record["sweep"])
    return Shown(Document(blocks, record=records), as_form(as_json), notes=notes)


def planned(store: "Store", sweep: "SweepRecord") -> int:
    """Return the number of jobs that a search will have in all; 0 where it is unknown."""
    if not sweep.is_search:
        return 0
    from farm.model.errors import InputError
    from farm.scheduling import tuner

    try:
        return tuner.total(store, sweep)
    except InputError:  # `farm status` says why
        return 0


def _depths(queues: Sequence[str], settings: "Settings") -> tuple[dict[str, int] | None, str]:
    """Messages in each queue, or a note why they are unknown; the folder of an embedded farm is not asked."""
    from farm.model.errors import BrokerUnavailable
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
) -> Shown:
    """List the machines of the farm, or show one."""
    from farm.scheduling.status import machines as seen
    from farm.scheduling.status import unread

    with opened() as (store, settings):
        known = seen.look(store, settings.silent_s, datetime.now(UTC))
        errors = [error for error in store.unreadable_machines() if name in (None, error.name)]
    if errors and not any(one.status.machine.name == name for one in known) and name:
        raise errors[0]
    document = seen.details(seen.named(known, name)) if name else seen.overview(known)
    return Shown(document, as_form(as_json), notes=unread.lines(errors))


def logs(
    trial: Annotated[str, typer.Argument(metavar="TRIAL", help="JOB.ATTEMPT, or JOB for its last attempt.")],
    as_json: Json = False,
) -> Shown:
    """Show how a trial ended, and the last lines that it printed."""
    from farm.kinds.trials import trial as described

    with opened() as (store, _):
        found = store.find_trial(trial)
    return Shown(described(found), as_form(as_json))
