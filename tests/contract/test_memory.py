"""What a reader of a large store holds in memory: the rows that it shows, not those that it passes on."""

import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise

import pytest

from farm.exchange.exports import Rows, exported
from farm.exchange.loading import load
from farm.model import Need, Requests
from farm.report import observations
from farm.store import Store
from tests.contract.store_records import ANNE, MACHINE, SWEEP, new_job, record, report

TRIALS, BATCHES = 40, 1000
MB = 10**6


@contextmanager
def peak_mb() -> Iterator[Callable[[], float]]:
    tracemalloc.start()
    try:
        yield lambda: tracemalloc.get_traced_memory()[1] / MB
    finally:
        tracemalloc.stop()


@pytest.fixture
def large(sqlite_url: str) -> Iterator[Store]:
    times_s = tuple(0.01 + n / 1e7 for n in range(BATCHES))
    window = dict.fromkeys(("arrival_s", "enqueue_s", "dequeue_s", "start_s", "done_s"), times_s)
    with Store.open(sqlite_url, create=True) as store:
        store.register_machine(MACHINE, ANNE, "0.1.0")
        jobs = [new_job(n) for n in range(TRIALS)]
        store.submit(record(), [replace(j, spec=j.spec.model_copy(update={"repetition": j.ordinal})) for j in jobs])
        for job in jobs:
            store.claim(job.id, 0, ANNE, MACHINE.id, 60.0)
            served = (Requests(window=0, capacity_per_s=9.0, **window),)
            store.complete(report(job.id, 1, latencies_s=times_s, requests=served))
        yield store


@pytest.mark.parametrize("rows", [Rows.BATCH, Rows.REQUEST])
def test_an_export_of_series_holds_a_few_trials_at_a_time(large: Store, rows: Rows) -> None:
    sheet = exported(large, large.find_sweep(SWEEP), rows)
    place = sheet.columns.index("batch" if rows is Rows.BATCH else "request")
    with peak_mb() as peak:
        places = [row[place] for row in sheet.rows]
        assert peak() < 5.0, "all rows take 12 MB"
    assert len(places) == TRIALS * BATCHES
    assert all(later == (0 if place == BATCHES - 1 else place + 1) for place, later in pairwise(places))


def test_times_of_batches_take_eight_bytes_each(large: Store) -> None:
    with peak_mb() as peak:
        data = load(large, large.find_sweep(SWEEP), (Need.LATENCIES,))
        assert peak() < 2 * 8 * TRIALS * BATCHES / MB + 1.0
    assert [list(times_s)[-1] for times_s in data.latencies_s.values()] == [0.01 + (BATCHES - 1) / 1e7] * TRIALS


def test_trials_share_what_is_equal_in_all_of_them(large: Store) -> None:
    first, *others = large.trial_rows(SWEEP)
    for other in others:
        assert other.facts is first.facts
        assert other.hardware_class is first.hardware_class


@pytest.mark.parametrize(
    ("response", "needed"),
    [
        ("energy", {Need.MEASURES}),
        ("seconds", {Need.MEASURES}),
        ("latency_s", {Need.MEASURES, Need.LATENCIES}),
        ("response_p99_s", {Need.MEASURES, Need.REQUESTS}),
        ("accuracy", {Need.MEASURES, Need.LAST_ACCURACY}),
    ],
)
def test_an_analysis_reads_no_more_than_its_response_needs(response: str, needed: set[Need]) -> None:
    assert set(observations.needs(response)) == needed
