"""`farm list`, `farm rename`, `farm rm` and `farm diff`: looking after sweeps. Modules are imported on use."""

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from farm.cli.options import Json, as_form
from farm.cli.output import Line, Shown, confirmed, opened
from farm.cli.status import planned

if TYPE_CHECKING:
    from farm.kinds.differences import Side
    from farm.model import SweepRecord
    from farm.store import Store

_ALL = "A sweep's name, for all sweeps of that name, or an id."


def list_(as_json: Json = False) -> Shown:
    """List all sweeps, the latest first."""
    from farm.model.reading import readable, unreadable
    from farm.scheduling.status import sweeps, unread

    with opened() as (store, _):
        known = store.overviews()
        found = [
            replace(one, progress=replace(one.progress, planned=planned(store, one.record))) for one in readable(known)
        ]
    return Shown(sweeps.overview(found), as_form(as_json), notes=unread.lines(unreadable(known)))


def rename(
    old: Annotated[str, typer.Argument(metavar="OLD", help=_ALL)],
    new: Annotated[str, typer.Argument(metavar="NEW", help="The new name: letters, digits, - and _.")],
    as_json: Json = False,
) -> Line:
    """Give a sweep another name."""
    from farm.kinds.registry import require_name
    from farm.report.numbers import several

    require_name(new, "NEW")
    with opened() as (store, _):
        found = store.sweeps_named(old)
        ids = [sweep.id for sweep in found]
        store.rename(ids, new)
    text = f"{found[0].name} is now called {new} ({several(len(ids), 'sweep')}): write `name: {new}` into its file too"
    return Line(text, {"sweeps": ids, "name": new}, as_json)


def rm(
    sweep: Annotated[str, typer.Argument(metavar="SWEEP", help=_ALL)],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: Json = False,
) -> Line:
    """Delete a sweep with all that it measured."""
    from farm.report.numbers import several

    with opened() as (store, _):
        found = store.sweeps_named(sweep)
        ids = [one.id for one in found]
        what = f"{found[0].name} ({', '.join(ids)})"
        if not yes and not confirmed(f"delete {what} and all that was measured for it?", "--yes"):
            return Line("nothing was deleted", {"sweeps": [], "jobs": 0, "trials": 0}, as_json)
        gone = store.delete_sweeps(ids)
    text = f"{what}: {several(gone.jobs, 'job')} and {several(gone.trials, 'trial')} deleted"
    return Line(text, {"sweeps": ids, "jobs": gone.jobs, "trials": gone.trials}, as_json)


def diff(
    first: Annotated[str, typer.Argument(metavar="A", help="A sweep's name or id.")],
    second: Annotated[str, typer.Argument(metavar="B", help="Another one's.")],
    as_json: Json = False,
) -> Shown:
    """Show what two sweeps differ in: settings, software, machines."""
    from farm.kinds.differences import differences

    with opened() as (store, _):
        one, other = (_side(store, store.find_sweep(name)) for name in (first, second))
    return Shown(differences(one, other), as_form(as_json))


def _side(store: "Store", sweep: "SweepRecord") -> "Side":
    from farm.kinds.differences import Side

    return Side(sweep, list(store.environments(sweep.id).values()), store.machines_of(sweep.id))
