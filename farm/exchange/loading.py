"""Loading of the data that a command shows: it reads the store once."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any

from farm import kinds
from farm.model import CarbonFactor, Domain, Need, SweepData, SweepRecord, WindowKind
from farm.model.reading import reading
from farm.store import ReaderStore

_STAGES = (WindowKind.SETUP, WindowKind.TRAINING, WindowKind.VALIDATION)
_WORK = (WindowKind.MEASURE, WindowKind.TRAINING)
_READERS: Mapping[Need, Callable[[ReaderStore, str, Domain | None], Any]] = {
    Need.PARTS: lambda store, sweep, domain: store.samples([sweep], domain, parts=True),
    Need.TRIALS: lambda store, sweep, _: list(store.trial_rows(sweep)),
    Need.STAGES: lambda store, sweep, _: list(store.measurement_rows(sweep, kinds=_STAGES)),
    Need.WORK: lambda store, sweep, _: list(store.measurement_rows(sweep, kinds=_WORK)),
    Need.REQUESTS: lambda store, sweep, _: store.requests(sweep),
    Need.LATENCIES: lambda store, sweep, _: store.latencies([sweep]),
    Need.ACCURACY: lambda store, sweep, _: store.published_accuracy([sweep]),
    Need.LAST_ACCURACY: lambda store, sweep, _: store.last_accuracy(sweep),
    Need.PLAN: lambda store, sweep, _: store.plan(sweep),
    Need.FAILURES: lambda store, sweep, _: store.failures(sweep),
    Need.PROGRESS: lambda store, sweep, _: store.progress(sweep),
    Need.ENVIRONMENTS: lambda store, sweep, _: store.environments(sweep),
    Need.MACHINES: lambda store, _sweep, _domain: store.machines(),
    Need.METERS: lambda store, sweep, _: store.meters(sweep),
    Need.MEASURES: lambda store, sweep, _: store.measure_settings(sweep),
    Need.SPENT: lambda store, sweep, _: store.spent(sweep),
}
_FIELDS = {Need.LATENCIES: "latencies_s"}


def load(
    store: ReaderStore,
    sweep: SweepRecord,
    needs: Collection[Need] = (),
    domain: Domain | None = None,
    carbon: CarbonFactor | None = None,
) -> SweepData:
    """Read the samples of a sweep, and further data.

    Args:
        store: The store.
        sweep: The record of the sweep.
        needs: The data to read besides the samples.
        domain: The domain of the samples; None selects the domain of each trial's own device.
        carbon: The intensity of every trial's electricity; None: what its machine or the sweep states.
    """
    wanted = {*needs, Need.ENVIRONMENTS}
    with reading("sweep", sweep.id, sweep.name):
        found = {_FIELDS.get(need, need.value): _READERS[need](store, sweep.id, domain) for need in wanted}
        data = SweepData(sweep, domain, store.samples([sweep.id], domain), **found)
    return data if carbon is None else data.with_carbon(carbon)


def count_once(data: Iterable[SweepData]) -> list[SweepData]:
    """Leave out of each sweep the samples of trials that a sweep before it has: revisions of a sweep share trials."""
    seen: set[str] = set()
    distinct = []
    for one in data:
        distinct.append(replace(one, samples=[sample for sample in one.samples if sample.trial not in seen]))
        seen.update(sample.trial for sample in one.samples)
    return distinct


def load_results(
    store: ReaderStore, sweep: SweepRecord, domain: Domain | None = None, carbon: CarbonFactor | None = None
) -> SweepData:
    """Read the data that `farm results` shows of a sweep of any kind."""
    return load(store, sweep, {*kinds.get(sweep.kind).needs, Need.SPENT}, domain, carbon)
