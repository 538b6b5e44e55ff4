"""What was stored comes back as it was, on every database."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from farm.model import (
    Asked,
    CarbonFactor,
    Domain,
    Epoch,
    Failure,
    FailureKind,
    Flag,
    MachineState,
    Measurement,
    Quality,
    Requests,
    Stopped,
    TraceReport,
    TrialCarbon,
    WindowKind,
)
from farm.model.errors import InputError
from farm.store import Store
from farm.store.blobs import REQUEST_TIMES, pack, unpack
from tests.contract.store_records import (
    ANNE,
    BERT,
    MACHINE,
    NO_LEASE_S,
    SWEEP,
    UTC_NOON,
    claim,
    job_id,
    new_job,
    record,
    report,
)

# What was stored comes back


def test_a_measurement_comes_back_with_all_that_identifies_it(farm: Store) -> None:
    claim(farm, job_id(2))
    farm.complete(report(job_id(2), 1, flags=(Flag.NO_STEADY_STATE,), simulated=True))
    (row,) = farm.measurement_rows(SWEEP)
    assert (row.sweep, row.sweep_name, row.job, row.trial) == (SWEEP, "batching", job_id(2), f"{job_id(2)}.1")
    assert (row.machine, row.machine_id, row.hardware_class) == ("lab1", "m1", "cpu-2")
    assert row.factors == {"model": "alexnet", "batch_size": 2, "compile": False, "images": None}
    assert (row.window, row.window_index, row.duration_s, row.units) == (WindowKind.MEASURE, 0, 2.0, 64)
    assert (row.begin_at_ns, row.started_at_utc) == (10**15, UTC_NOON)
    assert (row.domain, row.quality, row.source, row.gross_j) == (Domain.CPU, Quality.COUNTER, "rapl", 20.125)
    assert row.flags == (Flag.NO_STEADY_STATE, Flag.TOO_SHORT)
    assert (row.simulated, row.imported, row.failure) == (True, False, None)


def test_the_unknown_stays_unknown(farm: Store) -> None:
    claim(farm, job_id(0))
    unmetered = Measurement(
        window_kind=WindowKind.MEASURE, window_index=0, domain=Domain.GPU, quality=None, source=None, gross_j=None
    )
    known = report(job_id(0), 1)
    farm.complete(known.model_copy(update={"measurements": (unmetered,), "environment": {}}))
    (row,) = farm.measurement_rows()
    assert (row.quality, row.source, row.gross_j, row.net_j, row.mean_w, row.baseline_w) == (None,) * 6
    assert row.environment is None
    (trial,) = farm.trial_rows()
    assert (trial.overhead_s, trial.carbon, trial.failure) == (None, CarbonFactor(), None)
    assert farm.latencies([SWEEP]) == {}


def test_a_lost_trial_knows_nothing_but_when_and_where(farm: Store) -> None:
    claim(farm, job_id(0), lease_s=NO_LEASE_S)
    farm.expire_leases()
    (trial,) = farm.trial_rows()
    assert (trial.duration_s, trial.overhead_s, trial.environment) == (None, None, None)
    assert trial.machine == "lab1"
    assert trial.failure is not None
    assert trial.failure.signal is None


def test_a_trial_comes_back_whole(farm: Store) -> None:
    claim(farm, job_id(0))
    sent = report(
        job_id(0),
        1,
        overhead_s=0.75,
        latencies_s=(0.1, 1 / 3, 2e-9),
        facts={"unit": "image", "accuracy": 0.56},
        carbon=TrialCarbon(268.48, 1.2, "given outright", is_own=True),
        flags=(Flag.METER_LOST,),
        notes=("no RAPL: install the udev rule",),
        log_tail="Größe\n",
    )
    farm.complete(sent)
    (trial,) = farm.trial_rows(SWEEP)
    assert (trial.facts, trial.notes) == (sent.facts, sent.notes)
    ((timed, times_s),) = farm.latencies([SWEEP]).items()
    assert (timed, tuple(times_s)) == (trial.trial, sent.latencies_s)
    assert (trial.started_at_utc, trial.finished_at_utc) == (sent.started_at_utc, sent.finished_at_utc)
    assert (trial.duration_s, trial.overhead_s) == (9.0, 0.75)
    assert trial.carbon == CarbonFactor(268.48, 1.2, "given outright")
    assert (trial.flags, trial.log_tail, trial.block, trial.target) == (sent.flags, "Größe\n", 0, "any")
    assert farm.progress(SWEEP).recent_s == {"cpu-2": (9.0,)}


def test_what_a_live_trial_served_comes_back_request_by_request(farm: Store) -> None:
    times_s = {name: (1 / 3, 0.5 + place) for place, name in enumerate(REQUEST_TIMES)}
    served = tuple(Requests(window=window, capacity_per_s=12.5, **times_s) for window in (0, 1))
    assert claim(farm, job_id(0))
    farm.complete(report(job_id(0), 1, requests=served))
    assert farm.requests(SWEEP) == farm.requests() == {f"{job_id(0)}.1": list(served)}
    assert farm.requests("another") == {}


def test_each_request_has_all_its_times() -> None:
    with pytest.raises(ValidationError, match="five times"):
        Requests(window=0, capacity_per_s=1, arrival_s=(1,), enqueue_s=(1,), dequeue_s=(1,), start_s=(1,), done_s=())


def test_a_training_comes_back_with_its_epochs_and_who_asked_for_it(farm: Store) -> None:
    asked = Asked(study="s", number=3, sampler_s=0.25, sampler_cpu_s=0.125)
    spec = new_job(7).spec
    farm.submit(record(), [new_job(7, spec=spec.model_copy(update={"kind": "training", "asked": asked}))])
    claim(farm, job_id(7))
    epochs = tuple(
        Epoch(index=i, window=i, train_loss=None, validation_loss=1.5 - i, validation_accuracy=i / 4, train_s=2.0)
        for i in range(2)
    )
    farm.complete(report(job_id(7), 1, epochs=epochs, stopped=Stopped.PRUNED))
    (trial,) = farm.trial_rows(SWEEP)
    assert (trial.epochs, trial.stopped, trial.asked) == (epochs, Stopped.PRUNED, asked)


def test_the_same_environment_is_stored_once(farm: Store) -> None:
    for ordinal, environment in enumerate(({"a": 1, "b": 2}, {"b": 2, "a": 1}, {"a": 2})):
        claim(farm, job_id(ordinal))
        farm.complete(report(job_id(ordinal), 1, environment=environment))
    first, second, third = (row.environment for row in farm.trial_rows())
    assert first == second != third


def test_rows_are_chosen_by_sweep_and_kind_of_window(farm: Store) -> None:
    farm.submit(record("other"), [new_job(0, "other")])
    for job in (job_id(0), "other-0"):
        claim(farm, job)
        farm.complete(report(job, 1))
    assert [row.sweep for row in farm.measurement_rows("other")] == ["other"]
    assert {row.sweep for row in farm.trial_rows()} == {SWEEP, "other"}
    assert len(list(farm.measurement_rows(kinds=[WindowKind.MEASURE]))) == 2
    assert list(farm.measurement_rows(kinds=[WindowKind.WARMUP])) == []


def test_traces_come_back_with_their_holes(farm: Store) -> None:
    claim(farm, job_id(0))
    sent = TraceReport(
        domain=Domain.GPU,
        source="nvml-power",
        quality=Quality.SAMPLED,
        t0_ns=10**15 + 1,
        offset_s=(0.0, 0.1, 0.2),
        power_w=(70.5, None, 71.25),
        energy_j=(123456789.123, 123456789.124, None),
        temperature_c=(None, None, None),
        clock_hz=(1.98e9, None, 345e6),
    )
    empty = sent.model_copy(
        update=dict.fromkeys(("offset_s", "power_w", "energy_j", "temperature_c", "clock_hz"), ())
        | {"domain": Domain.CPU}
    )
    farm.complete(report(job_id(0), 1, traces=(sent, empty)))
    assert farm.traces(f"{job_id(0)}.1") == [empty, sent]
    assert farm.traces("no-such-trial") == []


@given(st.lists(st.none() | st.floats(width=32, allow_nan=False, allow_infinity=False)))
def test_packed_readings_come_back(values: list[float | None]) -> None:
    assert unpack(pack(values, 4), 4) == tuple(values)


@given(st.lists(st.none() | st.floats(allow_nan=False, allow_infinity=False)))
def test_packed_counters_keep_every_digit(values: list[float | None]) -> None:
    assert unpack(pack(values, 8), 8) == tuple(values)


def test_text_that_a_database_refuses_is_kept_all_the_same(farm: Store) -> None:
    claim(farm, job_id(0))
    sent = report(job_id(0), 1, log_tail="a\0b\nc\ud800", notes=("c\0d\ud800\n",), facts={"a\x1b": ["\x9b", "µ"]})
    failure = Failure.model_construct(kind=FailureKind.CRASHED, message="died\0here\n", signal=None)
    farm.complete(sent.model_copy(update={"failure": failure}))
    (trial,) = farm.trial_rows()
    assert trial.log_tail == "a\\x00b\nc\\ud800"
    assert trial.failure is not None
    assert trial.failure.message == r"died\x00here\n"
    assert trial.notes == (r"c\x00d\ud800\n",)
    assert trial.facts[r"a\x1b"] == [r"\x9b", "µ"]


def test_a_name_is_found_by_what_was_stored(farm: Store) -> None:
    odd = MACHINE.model_copy(update={"id": "odd", "name": "a\x1b\ud800", "hardware": {"gpu": {"model": "x\0"}}})
    farm.register_machine(odd, ANNE, "0.1.0")
    assert farm.assign("a\x1b\ud800", MachineState.PAUSED) == 1
    (found,) = (one.machine for one in farm.machines() if one.machine.id == "odd")
    assert (found.name, found.hardware) == (r"a\x1b\ud800", {"gpu": {"model": r"x\x00"}})


# Machines


def test_a_machine_is_known_with_its_last_sign_of_life(store: Store) -> None:
    store.register_machine(MACHINE, ANNE, "0.1.0")
    (first,) = store.machines()
    assert (first.machine, first.version, first.owner, first.running_job) == (MACHINE, "0.1.0", str(ANNE), None)
    store.machine_beat(MACHINE.id, "some-job")
    (second,) = store.machines()
    assert second.running_job == "some-job"
    assert second.last_seen_at > first.last_seen_at
    assert second.last_seen_at.tzinfo is not None
    store.register_machine(MACHINE, BERT, "0.2.0")
    (third,) = store.machines()
    assert (third.version, third.owner, third.running_job) == ("0.2.0", str(BERT), None)


# Finding sweeps


@pytest.fixture
def sweeps(store: Store) -> Store:
    for hour, (sweep, name) in enumerate([("aaa1", "old"), ("aab1", "batching"), ("aaa1.2", "old"), ("ccc1", "tf")]):
        store.submit(record(sweep, name, UTC_NOON + timedelta(hours=hour)), [])
    return store


@pytest.mark.parametrize(
    ("wanted", "found"),
    [("aaa1", "aaa1"), ("aaa1.2", "aaa1.2"), ("old", "aaa1.2"), ("aaa", "aaa1.2"), ("c", "ccc1"), (None, "ccc1")],
)
def test_a_sweep_is_found_by_id_name_or_beginning(sweeps: Store, wanted: str | None, found: str) -> None:
    assert sweeps.find_sweep(wanted).id == found


@pytest.mark.parametrize(("wanted", "hint"), [("batchign", "batching"), ("aa", "aab1"), ("", "tf")])
def test_a_sweep_that_is_not_found_is_an_error_with_a_hint(sweeps: Store, wanted: str, hint: str) -> None:
    with pytest.raises(InputError, match=hint):
        sweeps.find_sweep(wanted)


def test_an_empty_store_shows_how_to_begin(store: Store) -> None:
    with pytest.raises(InputError, match="farm submit"):
        store.find_sweep()


def test_generations_are_counted(sweeps: Store) -> None:
    assert [sweeps.latest_generation(content) for content in ("aaa1", "aab1", "zzz1")] == [2, 1, 0]


def test_windows_and_environments_are_those_of_the_trials(farm: Store) -> None:
    for n in range(2):
        claim(farm, job_id(n))
    first, second = report(job_id(0), 1), report(job_id(1), 1, environment={"torch": "2.12"})
    idle = first.windows[0].model_copy(update={"kind": WindowKind.IDLE_BEFORE, "begin_at_ns": 5, "end_at_ns": 6})
    farm.complete(first.model_copy(update={"windows": (*first.windows, idle)}))
    farm.complete(second)
    assert farm.windows(f"{job_id(0)}.1") == [idle, first.windows[0]]
    assert list(farm.environments(SWEEP).values()) == [{"torch": "2.11"}, {"torch": "2.12"}]
    assert farm.environments("nobody") == {}
