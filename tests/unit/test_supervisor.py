"""From a claim to a report, with meters and trials that do as they are told."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest

from farm.energy.validity import Glance
from farm.model import (
    Domain,
    Failure,
    FailureKind,
    Flag,
    Machine,
    Measurement,
    Probe,
    TrialCarbon,
    TrialReport,
    WindowKind,
)
from farm.model.errors import FarmError
from farm.settings import Settings
from tests.factories import FACTS, KINDS, POWER_W, TINY, ConstantMeter, Script, ScriptedTrial, TrialEnd, claim, measured
from workers.meters import Meter
from workers.meters.codecarbon import Codecarbon
from workers.supervisor import supervisor
from workers.supervisor.output import Output
from workers.supervisor.stop import Stop
from workers.supervisor.supervisor import Supervisor
from workers.supervisor.zygote import ExitStatus
from workers.trial import protocol


class FakeZygote:
    """Starts scripted trials, one after the other; the last script serves again and again."""

    def __init__(self) -> None:
        self.scripts: list[Script] = [measured]
        self.spawned = 0
        self.is_started = False

    def launch(self) -> None: ...

    def start(self) -> None:
        self.is_started = True

    def spawn(self, output: Output) -> ScriptedTrial:
        self.spawned += 1
        os.write(output.fileno(), b"the trial was here\n")
        return ScriptedTrial(self.scripts.pop(0) if len(self.scripts) > 1 else self.scripts[0])

    def close(self) -> None:
        self.is_started = False


class NobodyElse:
    """A machine of our own, whatever runs beside the tests."""

    def __init__(self, _gpu: str, _simulator: Path | None) -> None:
        self.glances: list[Glance] = []

    def look(self) -> None: ...

    def close(self) -> None: ...


class Bench:
    """A supervisor with what it works on."""

    def __init__(self, settings: Settings) -> None:
        self.zygote = FakeZygote()
        self.meters: list[ConstantMeter] = []
        self.new_meter: Callable[[], ConstantMeter] = ConstantMeter
        self.models: list[Codecarbon] = []
        self.supervisor = Supervisor(settings, Machine(id="m1", name="lab1", hardware_class="cpu", hardware={}))

    def open_meters(self, _: Settings, stack: ExitStack) -> tuple[list[Meter], list[str]]:
        self.meters.append(self.new_meter())
        meters: list[Meter] = [self.meters[-1], *self.models]
        return [stack.enter_context(meter) for meter in meters], ["no GPU here: plug one in"]

    def run(self, stop: Stop | None = None, attempt: int = 1, **spec: object) -> TrialReport:
        own = stop or Stop()
        try:
            return self.supervisor.run(claim(attempt, **spec), own)
        finally:
            own.close()


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Bench]:
    monkeypatch.setattr(supervisor, "SETTLE_S", 0.01)
    made = Bench(Settings(home=tmp_path))
    monkeypatch.setattr(made.supervisor, "_zygote", made.zygote)
    monkeypatch.setattr(supervisor, "open_meters", made.open_meters)
    monkeypatch.setattr(supervisor, "Watch", NobodyElse)
    with made.supervisor:
        assert made.zygote.is_started
        yield made
    assert not made.zygote.is_started
    assert not any(meter.is_open for meter in made.meters)


def kinds(report: TrialReport) -> list[WindowKind]:
    return [window.kind for window in report.windows]


def measurement(report: TrialReport, kind: WindowKind) -> Measurement:
    (found,) = [m for m in report.measurements if m.window_kind == kind]
    return found


def crashes(end: TrialEnd) -> ExitStatus:
    end.receive()
    end.windows([WindowKind.SETUP])
    return ExitStatus(signal=11)


def test_a_report_has_all_that_the_trial_brought(bench: Bench) -> None:
    report = bench.run(attempt=2)
    assert (report.job, report.attempt, report.machine, report.failure) == ("job", 2, "m1", None)
    assert kinds(report) == [WindowKind.IDLE_BEFORE, *KINDS, WindowKind.IDLE_AFTER]
    assert report.latencies_s == (0.01, 0.02)
    assert report.environment == {"torch": "2.14"}
    assert report.facts == {
        "parameters": 7, "device": "cpu", "unit": "image",
        "control_idle": "no idle of this machine is known", "idles_of_model": 2,
    }  # fmt: skip
    assert report.notes == ("no GPU here: plug one in",)
    assert report.log_tail == "the trial was here\n"
    assert report.carbon == TrialCarbon(), "the machine states nothing"
    assert report.started_at_utc < report.finished_at_utc
    assert not report.simulated


def test_a_report_has_the_rated_power_from_which_joules_are_modelled(bench: Bench) -> None:
    bench.models = [Codecarbon(Settings(cpu_tdp_w=65))]
    bench.meters[0].lost_at = 1
    bench.run()  # the meters are opened again, since one is lost
    assert bench.run().facts["cpu_rating"] == "65 W, set by FARM_CPU_TDP_W"
    assert str(bench.supervisor.rating) == "65 W, set by FARM_CPU_TDP_W"


def test_a_report_survives_the_way_to_the_disk_and_back(bench: Bench) -> None:
    report = bench.run()
    assert TrialReport.model_validate_json(report.model_dump_json()) == report


def test_every_window_is_metered_and_the_idle_power_taken_off(bench: Bench) -> None:
    """A machine that draws the same, idle or not: gross is power x time, net is nothing."""
    report = bench.run()
    by_kind = {window.kind: window for window in report.windows}
    assert [m.window_kind for m in report.measurements] == kinds(report)
    for m in report.measurements:
        assert (m.domain, m.source) == (Domain.CPU, "constant")
        assert m.gross_j == pytest.approx(POWER_W * by_kind[m.window_kind].duration_s, rel=1e-6)
    assert measurement(report, WindowKind.MEASURE).net_j == pytest.approx(0, abs=1e-6)
    assert measurement(report, WindowKind.MEASURE).baseline_context_w == pytest.approx(POWER_W)
    assert measurement(report, WindowKind.MEASURE).baseline_bare_w == pytest.approx(POWER_W)
    (trace,) = report.traces
    assert len(trace.offset_s) == bench.meters[0].reads


def test_the_overhead_is_what_lies_outside_the_windows(bench: Bench) -> None:
    report = bench.run()
    assert report.overhead_s is not None
    inside_s = sum(w.duration_s for w in report.windows if w.kind != WindowKind.SETUP)
    assert report.overhead_s == pytest.approx(report.duration_s - inside_s)


def test_one_idle_serves_many_trials(bench: Bench) -> None:
    """The first trial idles before and after, later ones are compared with what these idles predict."""
    first, second, third = bench.run(), bench.run(), bench.run()
    assert kinds(first) == [WindowKind.IDLE_BEFORE, *KINDS, WindowKind.IDLE_AFTER]
    assert kinds(second) == kinds(third) == list(KINDS)
    assert (first.facts["control_idle"], first.facts["idles_of_model"]) == ("no idle of this machine is known", 2)
    for report in (second, third):
        assert (report.facts["control_idle"], report.facts["idles_of_model"]) == (None, 2)
        assert measurement(report, WindowKind.MEASURE).baseline_bare_w == pytest.approx(POWER_W)
        assert measurement(report, WindowKind.MEASURE).baseline_context_w == pytest.approx(POWER_W)
        assert report.overhead_s is not None
        assert 0 < report.overhead_s < report.duration_s


def test_a_control_idle_comes_every_so_many_trials(bench: Bench) -> None:
    every_3 = TINY.model_copy(update={"control_every": 3})
    reports = [bench.run(measure=every_3) for _ in range(7)]
    had_control = [WindowKind.IDLE_BEFORE in kinds(report) for report in reports]
    assert had_control == [True, False, False, True, False, False, True]
    assert reports[3].facts["control_idle"] == "3 trials have passed since the last one"


def test_every_trial_has_idles_of_its_own_for_who_asks_for_them(bench: Bench) -> None:
    own = TINY.model_copy(update={"control_every": 1})
    for _ in range(3):
        assert kinds(bench.run(measure=own)) == [WindowKind.IDLE_BEFORE, *KINDS, WindowKind.IDLE_AFTER]


def test_all_trials_of_a_point_pause_at_random_or_none_does(bench: Bench) -> None:
    told: list[bool | None] = []

    def script(end: TrialEnd) -> ExitStatus:
        start = end.receive()
        assert isinstance(start, protocol.Start)
        told.append(start.jitter)
        if start.spec.point["batch_size"] == 1:
            end.send(protocol.Doubt(flag=Flag.ALIAS_RISK, note="in step"))
        end.send(FACTS, protocol.Done())
        return ExitStatus(code=0)

    bench.zygote.scripts = [script]
    one, eight = {"model": "alexnet", "batch_size": 1}, {"model": "alexnet", "batch_size": 8}
    for point in (one, eight, dict(reversed(one.items())), eight):
        bench.run(point=point)
    assert told == [None, None, True, False]


@pytest.mark.parametrize(("trusted", "period_s"), [(True, 0.02), (None, 0.02), (False, 0.1)])
def test_a_trial_gets_the_periods_of_the_meters(bench: Bench, trusted: bool | None, period_s: float) -> None:
    told: list[protocol.Order] = []

    def script(end: TrialEnd) -> ExitStatus:
        told.append(end.receive())
        end.send(FACTS, protocol.Done())
        return ExitStatus(code=0)

    bench.zygote.scripts = [script]
    bench.supervisor.probe = Probe(
        probed_at=datetime(2026, 1, 1, tzinfo=UTC),
        sensor_update_period_s=0.1,
        averaging_window_s=0.025,
        counter_update_period_s=0.02,
        counter_trusted=trusted,
    )
    bench.run()
    (start,) = told
    assert isinstance(start, protocol.Start)
    assert (start.meter_period_s, start.sensor_period_s, start.sensor_window_s) == (period_s, 0.1, 0.025)


def test_a_checkpoint_stays_until_its_job_is_done(bench: Bench) -> None:
    told: list[str | None] = []

    def script(end: TrialEnd) -> ExitStatus:
        start = end.receive()
        assert isinstance(start, protocol.Start)
        told.append(start.checkpoint)
        if start.checkpoint is None:
            end.send(FACTS, protocol.Done())
            return ExitStatus(code=0)
        checkpoint = Path(start.checkpoint)
        if checkpoint.exists():
            end.send(FACTS, protocol.Done())
            return ExitStatus(code=0)
        checkpoint.parent.mkdir(parents=True)
        checkpoint.write_text("half way")
        return ExitStatus(signal=9)

    bench.zygote.scripts = [script]
    assert bench.run(resumable=True).failure is not None
    assert told[0] is not None
    assert Path(told[0]).exists()
    assert bench.run(resumable=True).failure is None
    assert told == [told[0], told[0]]
    assert not Path(told[0]).exists()
    bench.run(kind="inference")
    assert told[-1] is None


def test_after_others_used_the_machine_the_next_trial_idles_anew(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    class Neighbour(NobodyElse):
        """Uses a whole core."""

        def look(self) -> None:
            now_ns = time.monotonic_ns()
            self.glances.append(Glance(now_ns, cores=2, busy_s=now_ns / 1e9, own_s=0.0, stolen_s=0.0, waited_s=None))

    longer = TINY.model_copy(update={"idle_s": 0.1})
    bench.run(measure=longer)
    monkeypatch.setattr(supervisor, "Watch", Neighbour)
    disturbed = bench.run(measure=longer.model_copy(update={"control_every": 1}))
    monkeypatch.setattr(supervisor, "Watch", NobodyElse)
    assert Flag.CONTAMINATED in disturbed.flags
    assert disturbed.facts["idles_of_model"] == 2  # its own are not learnt
    report = bench.run(measure=longer)
    assert kinds(report)[0] is WindowKind.IDLE_BEFORE
    assert report.facts["control_idle"] == "other programs used the machine in the last trial"


def test_a_failed_trial_leaves_the_model_as_it_was(bench: Bench) -> None:
    bench.zygote.scripts = [measured, crashes, measured]
    bench.run()
    failed = bench.run()
    assert failed.failure is not None
    assert (failed.failure.kind, failed.failure.signal) == (FailureKind.CRASHED, 11)
    assert kinds(failed) == [WindowKind.SETUP]
    report = bench.run()
    assert report.failure is None
    assert report.facts["idles_of_model"] == 2


def test_a_failed_trial_reports_what_it_was_and_where_it_ran(bench: Bench) -> None:
    failure = Failure(kind=FailureKind.OOM, message="out of memory with batch_size 512: use smaller levels")

    def script(end: TrialEnd) -> ExitStatus:
        end.receive()
        end.send(protocol.Failed(failure=failure))
        return ExitStatus(code=1)

    bench.zygote.scripts = [script]
    report = bench.run()
    assert report.failure == failure
    assert report.log_tail == "the trial was here\n"
    assert report.facts == {}
    assert report.environment == {}


@pytest.mark.parametrize("kind", [FailureKind.CANCELLED, FailureKind.INTERRUPTED, FailureKind.LOST])
def test_a_stop_before_the_trial_spares_it(bench: Bench, kind: FailureKind) -> None:
    stop = Stop()
    stop.request(kind)
    report = bench.run(stop, measure=TINY.model_copy(update={"idle_s": 60}))
    assert report.failure is not None
    assert report.failure.kind == kind
    assert bench.zygote.spawned == 0
    assert report.windows == ()


def test_a_stop_after_the_trial_spares_the_idle_only(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    stop = Stop()
    monkeypatch.setattr(supervisor, "SETTLE_S", 60)

    class Left(ScriptedTrial):
        def wait(self, timeout_s: float | None = None) -> ExitStatus | None:
            status = super().wait(timeout_s)
            stop.request(FailureKind.CANCELLED)
            return status

    monkeypatch.setattr(bench.zygote, "spawn", lambda _: Left(measured))
    report = bench.run(stop)
    assert report.failure is None
    assert WindowKind.IDLE_AFTER not in kinds(report)
    assert WindowKind.MEASURE in kinds(report)


@pytest.mark.parametrize("lost_at", [1, 9])
def test_a_lost_meter_is_noted_and_its_windows_are_unknown(bench: Bench, lost_at: int) -> None:
    bench.meters[0].lost_at = lost_at
    report = bench.run()
    assert report.failure is None
    assert any("constant: it fell off the bus" in note for note in report.notes)
    last = measurement(report, WindowKind.LATENCY)
    assert (last.gross_j, last.net_j, last.quality) == (None, None, None)
    assert Flag.METER_LOST in last.flags


def test_meters_are_entered_anew_after_a_trial_that_lost_one(bench: Bench) -> None:
    bench.meters[0].lost_at = 5
    bench.run()
    report = bench.run()
    first, second = bench.meters
    assert not first.is_open
    assert second.is_open
    assert measurement(report, WindowKind.MEASURE).gross_j is not None
    assert Flag.METER_LOST not in report.flags
    assert kinds(report)[0] is WindowKind.IDLE_BEFORE
    bench.run()
    assert len(bench.meters) == 2


def test_what_is_not_the_trials_fault_is_no_report(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def spawn(_: Output) -> ScriptedTrial:
        raise FarmError("no helper can be started")

    monkeypatch.setattr(bench.zygote, "spawn", spawn)
    with pytest.raises(FarmError, match="no helper"):
        bench.run()


def test_a_long_log_keeps_its_beginning_and_its_end(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def spawn(output: Output) -> ScriptedTrial:
        for text in (b"the beginning", b"x" * 2_000_000, b"\xff the end"):
            os.write(output.fileno(), text)
        return ScriptedTrial(measured)

    monkeypatch.setattr(bench.zygote, "spawn", spawn)
    report = bench.run()
    assert report.log_tail.startswith("the beginningx")
    assert report.log_tail.endswith("x\ufffd the end")
    assert "[1,995,022 bytes of output are left out here]" in report.log_tail
    assert [note for note in report.notes if note.startswith("the trial printed 2 MB")]


@pytest.mark.parametrize(
    ("kind", "is_kept"), [(FailureKind.CRASHED, True), (FailureKind.INTERRUPTED, True), (FailureKind.ERROR, False)]
)
def test_a_checkpoint_is_kept_where_the_job_may_be_attempted_again(
    kind: FailureKind, is_kept: bool, bench: Bench, tmp_path: Path
) -> None:
    checkpoint = tmp_path / "checkpoints" / "job.pt"
    checkpoint.parent.mkdir()
    checkpoint.write_text("half way")

    def script(end: TrialEnd) -> ExitStatus:
        end.receive()
        end.send(protocol.Failed(failure=Failure(kind=kind, message="so it ended")))
        return ExitStatus(code=1)

    bench.zygote.scripts = [script]
    assert bench.run(resumable=True).failure is not None
    assert checkpoint.exists() is is_kept


def test_a_simulated_machine_makes_simulated_reports(monkeypatch: pytest.MonkeyPatch) -> None:
    made = Bench(Settings(simulator=Path("/simulation")))
    monkeypatch.setattr(made.supervisor, "_zygote", made.zygote)
    monkeypatch.setattr(supervisor, "open_meters", made.open_meters)
    with made.supervisor:
        assert made.run().simulated
