"""Held sweeps, electricity and footprints in the store, on SQLite and PostgreSQL."""

from datetime import timedelta
from typing import Any

from farm.model import (
    CarbonFactor,
    CarbonSource,
    Domain,
    FailureKind,
    Hold,
    JobState,
    Measurement,
    Quality,
    Spent,
    Window,
    WindowKind,
)
from farm.store import Store
from tests.contract.store_records import (
    SWEEP,
    UTC_NOON,
    claim,
    counts,
    job_id,
    new_job,
    record,
    report,
    unpublished,
)

UNTIL = UTC_NOON + timedelta(days=1)
HELD = record().model_copy(update={"hold_below_g_per_kwh": 200.0, "hold_until": UNTIL})
NLD = CarbonFactor(250.0, 2.0, "given outright")
S = 10**9


def submit(store: Store, *, held: bool) -> None:
    store.submit(HELD if held else record(), [new_job(n) for n in range(3)])


def test_jobs_of_a_held_sweep_are_neither_published_nor_claimed(farm: Store) -> None:
    farm.mark_published(unpublished(farm, 1))
    submit(farm, held=True)
    assert not farm.outbox()
    assert not farm.stale_messages(older_than_s=-60.0, limit=9)
    assert claim(farm, job_id(0)) is None
    assert farm.progress(SWEEP).hold == Hold(200.0, UNTIL)
    assert counts(farm) == {JobState.QUEUED: 3}


def test_a_running_job_is_not_held(farm: Store) -> None:
    claim(farm, job_id(0))
    submit(farm, held=True)
    assert farm.complete(report(job_id(0), 1))
    assert counts(farm) == {JobState.DONE: 1, JobState.QUEUED: 2}


def test_an_ended_hold_lets_all_go_once(farm: Store) -> None:
    submit(farm, held=True)
    assert [sweep.id for sweep in farm.held()] == [SWEEP]
    assert not farm.held("another")
    assert not farm.end_hold(SWEEP, UNTIL + timedelta(seconds=1))
    assert farm.end_hold(SWEEP, UNTIL)
    assert not farm.end_hold(SWEEP, UNTIL)
    assert len(unpublished(farm, 9)) == 3
    assert claim(farm, job_id(0)) is not None
    assert farm.progress(SWEEP).hold is None


def test_a_note_is_of_one_hold(farm: Store) -> None:
    submit(farm, held=True)
    farm.note_hold(SWEEP, UNTIL, "carbon 310 g/kWh")
    farm.note_hold(SWEEP, UTC_NOON, "of an earlier hold")
    assert farm.progress(SWEEP).hold == Hold(200.0, UNTIL, "carbon 310 g/kWh")


def test_submitting_again_without_a_condition_lets_the_jobs_go(farm: Store) -> None:
    submit(farm, held=True)
    submit(farm, held=False)
    assert len(unpublished(farm, 9)) == 3


def test_a_held_sweep_is_cancelled_as_any_other(farm: Store) -> None:
    submit(farm, held=True)
    assert farm.cancel(SWEEP) == (3, 0)
    assert not farm.held()
    assert farm.progress(SWEEP).is_over


def test_the_electricity_is_that_of_the_last_submission(farm: Store) -> None:
    first = claim(farm, job_id(0))
    electricity = CarbonSource(file="/srv/hourly.csv", pue=1.2).looked_up()
    farm.submit(record().model_copy(update={"carbon": electricity}), [])
    second = claim(farm, job_id(1))
    assert first is not None
    assert second is not None
    assert (first.intensity_file, second.intensity_file) == (None, "/srv/hourly.csv")
    assert farm.find_sweep(SWEEP).carbon == electricity


def window(kind: WindowKind, begin_s: int, end_s: int) -> Window:
    return Window(
        kind=kind, begin_at_ns=begin_s * S, end_at_ns=end_s * S, started_at_utc=UTC_NOON + timedelta(seconds=begin_s)
    )


def measured(kind: WindowKind, gross_j: float | None, domain: Domain = Domain.CPU) -> Measurement:
    quality = None if gross_j is None else Quality.COUNTER
    return Measurement(window_kind=kind, window_index=0, domain=domain, quality=quality, source=None, gross_j=gross_j)


def complete(store: Store, ordinal: int, begin_s: int, failure: FailureKind | None = None) -> None:
    """One trial of three windows."""
    kinds = (WindowKind.IDLE_BEFORE, WindowKind.MEASURE, WindowKind.IDLE_AFTER)
    assert claim(store, job_id(ordinal))
    windows = tuple(window(kind, begin_s + 10 * n, begin_s + 10 * (n + 1)) for n, kind in enumerate(kinds))
    joules = tuple(measured(kind, own) for kind, own in zip(kinds, (1.0, 100.0, 1.0), strict=True))
    rest = (measured(WindowKind.MEASURE, None, Domain.DRAM),)
    assert store.complete(report(job_id(ordinal), 1, failure, windows=windows, measurements=joules + rest))


def test_a_footprint_counts_every_window_and_failed_work_as_a_cost(farm: Store) -> None:
    stated = CarbonSource(g_per_kwh=250.0, pue=2.0).looked_up()
    farm.submit(record().model_copy(update={"carbon": stated}), [])
    complete(farm, 0, 0)
    complete(farm, 1, 30)
    complete(farm, 2, 60, FailureKind.OOM)
    known: dict[str, Any] = {"domain": Domain.CPU, "quality": Quality.COUNTER, "carbon": NLD}
    unknown: dict[str, Any] = {"domain": Domain.DRAM, "quality": None, "carbon": NLD, "gross_j": None}
    assert sorted(farm.spent(SWEEP), key=lambda one: (one.domain, one.is_work)) == [
        Spent(**known, is_work=False, windows=7, gross_j=106.0),
        Spent(**known, is_work=True, windows=2, gross_j=200.0),
        Spent(**unknown, is_work=False, windows=1),
        Spent(**unknown, is_work=True, windows=2),
    ]
    assert not farm.spent("another")
