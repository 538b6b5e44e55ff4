"""Reading from the store what a report is made from."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from farm import kinds
from farm.exchange.loading import load
from farm.model import CarbonFactor, SweepData, SweepRecord, TrialRow
from farm.model.errors import InputError
from farm.report.selection import Selection
from farm.store import ReaderStore
from farm.studies.paper import material
from farm.studies.paper.material import Material, Traced


def load_report(
    store: ReaderStore, sweeps: Iterable[SweepRecord], carbon: CarbonFactor | None = None
) -> Sequence[SweepData]:
    """Read what a report says of sweeps of any kinds, and what a reproduction judges by."""
    return [load(store, one, {*kinds.get(one.kind).needs, *material.NEEDS}, carbon=carbon) for one in sweeps]


def load_material(
    store: ReaderStore,
    data: Sequence[SweepData],
    trials: Sequence[str],
    database: str,
    now: datetime,
    include_flagged: bool = False,
) -> Material:
    """Make the material of a report.

    Args:
        store: Where to read the power traces.
        data: What `load_report` read.
        trials: Whose power traces are shown; empty: one trial a device.
        database: Its URL, without a password.
        now: When the report is made.
        include_flagged: Whether flagged trials are compared too.

    Raises:
        InputError: A trial is unknown, or of a sweep that the report is not about.
    """
    known = [trial for one in data for trial in one.trials]
    chosen = [_chosen(store, name, known) for name in trials] if trials else material.choose_typical(known)
    traced = [Traced(trial, store.windows(trial.trial), store.traces(trial.trial)) for trial in chosen]
    return material.gather(data, traced, database, now, Selection(include_flagged=include_flagged))


def _chosen(store: ReaderStore, name: str, known: Sequence[TrialRow]) -> TrialRow:
    trial = store.find_trial(name)
    if trial.trial not in {own.trial for own in known}:
        raise InputError(f"--trial: {trial.trial} is of sweep {trial.sweep_name}, which this report is not about")
    return trial
