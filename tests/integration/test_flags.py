"""Every reason to doubt a trial, raised on simulated hardware: real meters and supervisor, faults in chosen windows.

Not here: stolen time and pressure, which no user can bring about; `tests/unit/test_validity.py` judges glances of them.
"""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from farm.exchange.loading import load_results
from farm.kinds.inference.kind import COLUMNS
from farm.kinds.inference.results import results
from farm.model import Baseline, Domain, Flag, Measurement, Quality, TrialReport, Window, WindowKind
from farm.report.selection import Selection
from farm.store import Store
from tests.contract.store_records import ANNE, claim, new_job, record
from tests.integration.simulated_trials import MACHINE, OWN_PID, PROBE, Act, Bench, bench
from workers.simulator import (
    GPU_LOST,
    NO_COUNTER,
    SERVER,
    V100,
    Drift,
    Foreign,
    FreezeCounter,
    Reasons,
    Refuse,
    ResetDriver,
    Simulation,
    Slow,
    Square,
    simulated_gpu,
)
from workers.trial import protocol

#: A steady board that meters all of the time, is warm and cool again within seconds, and has a limit within reach.
BOARD = replace(
    V100,
    silicon=replace(V100.silicon, idle_w=20.0, flicker_w=0.1, limit_w=200.0),
    sensor=replace(V100.sensor, averaging_s=V100.sensor.update_s),
    cooling=replace(V100.cooling, time_constant_s=0.3),
)
FOREIGN_PID = 4242
HEALTHY = (
    Slow(),
    FreezeCounter(frozen=False),
    Drift(0.0),
    Foreign(FOREIGN_PID, load=None),
    Refuse(NO_COUNTER.function, error=0),
    Refuse(GPU_LOST.function, error=0),
)
#: Heats the board by some 18 °C, below its limit.
HOT = 0.7
DOUBT = protocol.Doubt(flag=Flag.NO_STEADY_STATE, note="no steady state within 60 s of warm-up")
MEASURED = (WindowKind.MEASURE, 0, Domain.GPU)


@pytest.fixture(scope="module")
def simulation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulation]:
    with simulated_gpu(tmp_path_factory.mktemp("machine"), BOARD, zones=SERVER) as simulated:
        yield simulated


@pytest.fixture(scope="module")
def one_bench(simulation: Simulation) -> Iterator[Bench]:
    with bench(simulation) as opened:
        yield opened


@pytest.fixture
def here(one_bench: Bench) -> Iterator[Bench]:
    """A healthy machine, also after a test that broke it."""
    yield one_bench
    one_bench.simulation.fault(*HEALTHY)


def flagged(report: TrialReport) -> dict[tuple[WindowKind, int, Domain], tuple[Flag, ...]]:
    """The measurements that carry flags."""
    return {(m.window_kind, m.window_index, m.domain): m.flags for m in report.measurements if m.flags}


def measurement(
    report: TrialReport, kind: WindowKind = WindowKind.MEASURE, index: int = 0, domain: Domain = Domain.GPU
) -> Measurement:
    (found,) = [m for m in report.measurements if (m.window_kind, m.window_index, m.domain) == (kind, index, domain)]
    return found


def window(report: TrialReport, kind: WindowKind) -> Window:
    return next(w for w in report.windows if w.kind == kind)


def true_j(here: Bench, report: TrialReport) -> float:
    """What the board really drew in the first measure window."""
    measured = window(report, WindowKind.MEASURE)
    return here.simulation.true_energy_j(measured.begin_at_ns, measured.end_at_ns)


def has_idle(report: TrialReport) -> bool:
    return any(w.kind is WindowKind.IDLE_BEFORE for w in report.windows)


def assert_power_was_integrated(here: Bench, report: TrialReport) -> None:
    """Gross and net come from the power sensor, and are about right: a short window, polled at 10 Hz."""
    found = measurement(report)
    assert (found.quality, found.source) == (Quality.SAMPLED, "nvml-power")
    assert found.gross_j == pytest.approx(true_j(here, report), rel=0.15)
    assert found.net_j is not None


# Nothing to doubt


def test_trials_with_one_idle_between_them_are_right_within_1_percent_and_carry_no_flag(here: Bench) -> None:
    first = here.run(Act(load=0.6, seconds=2.0), idle_s=1.0, baseline=Baseline.BARE, control_every=1)
    second = here.run(Act(load=0.6, seconds=2.0), baseline=Baseline.BARE)
    assert has_idle(first)
    assert not has_idle(second)
    for report in (first, second):
        assert (report.flags, flagged(report)) == ((), {})
        found = measurement(report)
        assert (found.quality, found.source) == (Quality.COUNTER, "nvml-counter")
        idle_j = BOARD.silicon.idle_w * window(report, WindowKind.MEASURE).duration_s
        assert found.net_j == pytest.approx(true_j(here, report) - idle_j, rel=0.01)


# The board


def test_each_window_carries_the_doubts_of_its_own(here: Bench) -> None:
    reasons = (Reasons.HW_SLOWDOWN, Reasons.SW_THERMAL, Reasons.HW_THERMAL, Reasons.POWER_BRAKE)
    slowed = [Act((Slow(reason, 0.5),), undo=(Slow(),)) for reason in reasons]
    report = here.run(Act(), *slowed, Act(load=1.0), Act(load=HOT), Act(seconds=0.3))
    flags = [(), *[(Flag.THROTTLED,)] * 4, (Flag.POWER_CAPPED,), (), (Flag.TOO_SHORT,)]
    expected = {(WindowKind.MEASURE, index, Domain.GPU): found for index, found in enumerate(flags) if found}
    assert (report.flags, flagged(report)) == ((), expected)


# Others on the machine


def test_a_foreign_process_on_the_gpu_contaminates_the_trial(here: Bench) -> None:
    report = here.run(Act((Foreign(FOREIGN_PID, load=0.1),), undo=(Foreign(FOREIGN_PID, load=None),)), Act())
    assert Flag.CONTAMINATED in report.flags
    assert f"process {FOREIGN_PID} used the GPU too" in report.notes
    assert not any(str(OWN_PID) in note for note in report.notes)


def test_programs_that_were_there_before_contaminate_it_too(here: Bench) -> None:
    here.simulation.fault(Foreign(FOREIGN_PID))
    with (
        bench(here.simulation, watches_cpu=True) as watchful,
        subprocess.Popen([sys.executable, "-c", "while True: pass"]) as burner,
    ):
        try:
            report = watchful.run(Act())
        finally:
            burner.kill()
    assert Flag.CONTAMINATED in report.flags
    assert f"process {FOREIGN_PID} used the GPU too" in report.notes
    for kind in (WindowKind.IDLE_BEFORE, WindowKind.MEASURE):
        assert any(note.startswith(f"{kind}: other programs used ") for note in report.notes)


# The baseline


def test_an_idle_that_drew_less_afterwards_flags_what_rests_on_it(here: Bench) -> None:
    report = here.run(Act(), at_end=(Drift(-10.0),), control_every=1)
    assert (report.flags, flagged(report)) == ((), {MEASURED: (Flag.BASELINE_DRIFT,)})


def test_the_idle_of_a_warm_board_is_corrected_to_its_rest(tmp_path: Path) -> None:
    slow = replace(BOARD, cooling=replace(BOARD.cooling, time_constant_s=3.0))
    with simulated_gpu(tmp_path, slow) as simulation, bench(simulation) as here:
        report = here.run(Act(load=HOT, seconds=2.0), control_every=1)
    warm, found = measurement(report, WindowKind.IDLE_AFTER), measurement(report)
    assert (report.flags, found.flags) == ((), ())
    assert warm.temperature_c is not None
    assert warm.temperature_c > slow.rest_c + 2
    assert warm.mean_w is not None
    assert warm.mean_w > slow.silicon.idle_w + 1
    assert found.baseline_bare_w == pytest.approx(slow.silicon.idle_w, abs=0.6)


def test_a_board_that_stays_above_its_idle_after_work_is_waited_for(here: Bench) -> None:
    """It draws 10 W more from the end of the work on, and never rests: the wait is bounded, noted, and metered."""
    here.run(Act(), control_every=1)
    report = here.run(Act(), at_end=(Drift(10.0),), control_every=1, cool_down_max_s=0.5)
    (tail,) = [w for w in report.windows if w.kind is WindowKind.TAIL]
    assert tail.duration_s >= 0.5
    assert tail.end_at_ns <= window(report, WindowKind.IDLE_AFTER).begin_at_ns
    assert measurement(report, WindowKind.TAIL).gross_j is not None
    assert "the GPU still drew more than at rest after 0.5 s: raise cool_down_max_s" in report.notes


# The meters


def test_a_driver_reset_in_a_window_falls_back_to_power(here: Bench) -> None:
    report = here.run(Act((ResetDriver(),), seconds=0.8), Act())
    assert (report.flags, flagged(report)) == ((), {MEASURED: (Flag.COUNTER_RESET,)})
    assert_power_was_integrated(here, report)
    assert measurement(report, index=1).quality == Quality.COUNTER


def test_a_driver_reset_in_the_context_idle_leaves_the_counter_without_a_baseline(here: Bench) -> None:
    report = here.run(Act(seconds=0.8), in_context=(ResetDriver(),))
    assert flagged(report) == {(WindowKind.CONTEXT_IDLE, 0, Domain.GPU): (Flag.COUNTER_RESET,)}
    assert_power_was_integrated(here, report)


def test_a_counter_that_stops_in_the_last_window_is_not_used(here: Bench) -> None:
    report = here.run(Act((FreezeCounter(),), seconds=0.8))
    assert set(flagged(report).values()) == {(Flag.COUNTER_UNTRUSTED,)}
    assert {domain for _, _, domain in flagged(report)} == {Domain.GPU}
    assert "nvml-counter: the gpu energy counter stood still, it is not used" in report.notes
    assert_power_was_integrated(here, report)


def test_a_counter_that_the_probe_found_wrong_is_not_used(simulation: Simulation) -> None:
    with bench(simulation, PROBE.model_copy(update={"counter_trusted": False})) as wary:
        report = wary.run(Act(seconds=0.8))
        assert (report.flags, flagged(report)) == ((Flag.COUNTER_UNTRUSTED,), {})
        assert_power_was_integrated(wary, report)


def test_a_counter_that_is_lost_leaves_the_power(here: Bench) -> None:
    report = here.run(Act((NO_COUNTER,), seconds=0.8))
    assert (report.flags, flagged(report)) == ((), {})
    assert any(note.startswith("lost in this trial: meter nvml-counter: ") for note in report.notes)
    assert_power_was_integrated(here, report)


def test_a_lost_gpu_leaves_nulls_and_the_cpu(here: Bench) -> None:
    report = here.run(Act(), Act((GPU_LOST,)))
    waited_in_vain = (WindowKind.TAIL, 0, Domain.GPU)
    lost = [(WindowKind.MEASURE, 1, Domain.GPU), waited_in_vain, (WindowKind.IDLE_AFTER, 0, Domain.GPU)]
    assert (report.flags, flagged(report)) == ((), dict.fromkeys(lost, (Flag.METER_LOST,)))
    assert "lost in this trial: meter nvml-counter: NVML lost the GPU: GPU is lost" in report.notes
    null = measurement(report, index=1)
    assert (null.quality, null.source, null.gross_j, null.net_j, null.baseline_w) == (None,) * 5
    before, beside = measurement(report), measurement(report, index=1, domain=Domain.CPU)
    assert None not in {before.gross_j, before.net_j, beside.gross_j, beside.net_j}


def test_windows_that_run_in_step_with_a_sensor_that_sees_a_quarter_are_a_risk(tmp_path: Path) -> None:
    """The same work in each window, begun a third of a batch later: the sensor sees another part of it."""
    period_s = 0.04
    blind = replace(BOARD, sensor=replace(BOARD.sensor, update_s=period_s, averaging_s=period_s / 4))
    known = {"sensor_update_period_s": period_s, "counter_update_period_s": period_s}
    probe = PROBE.model_copy(update={**known, "averaging_window_s": period_s / 4})
    begins_ns = (round(third / 3 * period_s * 1e9) for third in range(3))
    waves = [Square(period_s, high=0.6, low=0.2, origin_ns=begin_ns, pids=(OWN_PID,)) for begin_ns in begins_ns]
    in_step = [Act(load=wave, seconds=1.0) for wave in waves]
    with simulated_gpu(tmp_path, blind) as simulation:
        with bench(simulation, probe) as here:
            report, after = here.run(*in_step), here.run(Act(seconds=1.0))
            assert report.flags == (Flag.ALIAS_RISK,)
            assert any("may have run in step with the power sensor" in note for note in report.notes)
            assert after.flags == ()
            assert [start.jitter for start in here.started] == [None, False]
        with bench(simulation, probe.model_copy(update={"averaging_window_s": period_s})) as trusting:
            assert trusting.run(*in_step).flags == ()


# The trial


def test_a_load_of_nothing_is_below_the_noise(here: Bench) -> None:
    report = here.run(Act(load=0.0))
    domains = (Domain.CPU, Domain.DRAM, Domain.GPU)
    noise = {(WindowKind.MEASURE, 0, domain): (Flag.BELOW_NOISE,) for domain in domains}
    assert (report.flags, flagged(report)) == ((), noise)
    found = measurement(report)
    assert found.net_j == pytest.approx(0, abs=3)
    assert found.net_j_high is not None


@pytest.fixture(scope="module")
def doubtful(one_bench: Bench) -> TrialReport:
    """Of a trial that doubts itself."""
    return one_bench.run(Act(), says=(DOUBT,))


def test_the_trials_own_doubt_arrives_with_its_note(doubtful: TrialReport) -> None:
    assert (doubtful.flags, flagged(doubtful)) == ((DOUBT.flag,), {})
    assert DOUBT.note in doubtful.notes


# What becomes of it


def test_simulated_joules_are_stored_so_and_never_averaged_with_real_ones(
    doubtful: TrialReport, tmp_path: Path
) -> None:
    assert doubtful.simulated
    simulated = doubtful.model_copy(update={"flags": ()})
    reports = [simulated, simulated.model_copy(update={"simulated": False})]
    point = {"model": "alexnet", "batch_size": 4}
    jobs = [new_job(0), new_job(1)]
    repeated = [
        replace(job, spec=job.spec.model_copy(update={"point": point, "repetition": job.ordinal})) for job in jobs
    ]
    with Store.open(f"sqlite:///{tmp_path / 'farm.db'}", create=True) as store:
        store.register_machine(MACHINE, ANNE, "0.1.0")
        store.submit(record(), repeated)
        for job, report in zip(jobs, reports, strict=True):
            assert claim(store, job.id) is not None
            store.complete(report.model_copy(update={"job": job.id}))
        shown = results(load_results(store, record()), Selection(), COLUMNS)
    assert [(s.labels["batch_size"], s.simulated, s.trials) for s in shown.summaries] == [(4, False, 1), (4, True, 1)]
    assert all(s.net_j is not None for s in shown.summaries)
