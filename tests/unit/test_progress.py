"""How sweeps stand, as people see it."""

import io
import sys
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farm.kinds.points import point
from farm.model import (
    Domain,
    EndedTrial,
    FailedTrial,
    Failure,
    FailureKind,
    Flag,
    JobState,
    LiveTrial,
    Machine,
    Point,
    Progress,
    Quality,
    RunningJob,
    SweepRecord,
    Waiting,
    WindowKind,
)
from farm.report.document import Document
from farm.report.terminal import text
from farm.scheduling import tuner
from farm.scheduling.status import ended, live, progress
from tests.contract.store_records import SWEEP, record
from tests.golden import assert_golden
from tests.searches import tuning_sweep
from tests.summaries import NOON, rendered, widest

DONE, FAILED, QUEUED, RUNNING = JobState.DONE, JobState.FAILED, JobState.QUEUED, JobState.RUNNING
LONG = "a-rather-long-name-of-a-sweep-as-people-write-them-2026-11"
BATCH: Point = {"model": "alexnet", "batch_size": 4, "precision": "fp32", "device": "auto", "compile": False}


def running(machine: str = "lab1", since: datetime = NOON) -> RunningJob:
    return RunningJob("job", 1, SWEEP, "batching", BATCH, 0, machine, machine, "cpu-2", since)


def hand(name: str = "lab1", hardware_class: str = "cpu-2") -> Machine:
    """A machine at hand, whose id is its name."""
    return Machine(id=name, name=name, hardware_class=hardware_class, hardware={})


def stand(counts: Mapping[JobState, int], *jobs: RunningJob, recent_s: tuple[float, ...] = ()) -> Progress:
    """Jobs for any machine; at hand are those that run one, and lab1."""
    waiting = (Waiting(SWEEP, "any", counts[QUEUED]),) if counts.get(QUEUED) else ()
    available = tuple(hand(name) for name in sorted({job.machine for job in jobs} or {"lab1"}))
    return Progress(counts, jobs, waiting, available, {"cpu-2": recent_s} if recent_s else {})


def failed(job: str, kind: FailureKind, state: JobState = FAILED, attempt: int = 1) -> FailedTrial:
    failure = Failure(kind=kind, message="said so", signal=None)
    return FailedTrial(job, BATCH, 0, attempt, failure, state)


def after(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


# Time left


@pytest.mark.parametrize(
    ("counts", "machines", "elapsed_s", "left_s"),
    [
        ({QUEUED: 4, RUNNING: 1}, 1, 0, 50),
        ({QUEUED: 4, RUNNING: 1}, 1, 7, 43),
        ({QUEUED: 4, RUNNING: 1}, 1, 700, 40),
        ({QUEUED: 4, RUNNING: 1}, 1, -700, 50),
        ({QUEUED: 4, RUNNING: 2}, 2, 5, 25),
        ({RUNNING: 5}, 5, 2, 8),
        ({QUEUED: 1, RUNNING: 5}, 5, 9, 10),  # no machine is faster for it than one alone
        ({QUEUED: 4}, 0, 0, 40),
    ],
)
def test_time_left_is_that_of_the_open_jobs_shared_among_machines(
    counts: dict[JobState, int], machines: int, elapsed_s: float, left_s: float
) -> None:
    stands = stand(counts, *(running(str(n)) for n in range(machines)), recent_s=(8.0, 10.0, 12.0))
    assert progress.time_left_s(stands, after(elapsed_s)) == pytest.approx(left_s)


def lab(**jobs_by_target: int) -> Progress:
    """Two fast machines, of 10 s a trial, and a slow one of 40 s; all idle."""
    waiting = tuple(Waiting(SWEEP, target.replace("_", ":"), jobs) for target, jobs in jobs_by_target.items())
    available = (hand("a1", "fast"), hand("a2", "fast"), hand("b1", "slow"))
    return Progress(
        {QUEUED: sum(jobs_by_target.values())}, (), waiting, available, {"fast": (9.0, 11.0), "slow": (40.0,)}
    )


@pytest.mark.parametrize(
    ("jobs", "left_s"),
    [
        ({"any": 90}, 400),  # 0.225 trials a second
        ({"hw_fast": 40}, 200),
        ({"hw_fast": 40, "hw_slow": 10}, 400),
        ({"any": 45, "hw_slow": 10}, 400),  # any helps where it is free: the slow one decides
        ({"any": 72, "hw_slow": 9}, 360),
        ({"hw_fast": 2, "machine_a2": 30}, 300),
        ({"any": 1}, 10),
    ],
)
def test_the_most_loaded_group_of_machines_decides(jobs: dict[str, int], left_s: float) -> None:
    assert progress.time_left_s(lab(**jobs), NOON) == pytest.approx(left_s)


@pytest.mark.parametrize("target", ["hw_none", "machine_lab9", "gpu.memory_gib >= 40"])
def test_time_left_is_unknown_where_jobs_wait_for_nobody(target: str) -> None:
    assert progress.time_left_s(lab(any=5, **{target: 1}), NOON) is None


def test_a_machine_whose_class_measured_nothing_counts_for_nothing() -> None:
    stands = replace(lab(any=10), recent_s={"slow": (40.0,)})
    assert progress.time_left_s(stands, NOON) == pytest.approx(400)
    assert progress.time_left_s(replace(lab(hw_fast=10), recent_s={"slow": (40.0,)}), NOON) is None


@given(
    jobs=st.dictionaries(st.sampled_from(["any", "hw_fast", "hw_slow", "machine_a1"]), st.integers(1, 500), min_size=1)
)
def test_more_work_never_takes_less_and_never_less_than_its_share(jobs: dict[str, int]) -> None:
    left_s = progress.time_left_s(lab(**jobs), NOON)
    more_s = progress.time_left_s(lab(**{target: count + 1 for target, count in jobs.items()}), NOON)
    assert left_s is not None
    assert more_s is not None
    assert sum(jobs.values()) / (2 / 10 + 1 / 40) - 1e-6 <= left_s <= more_s


def test_time_left_is_unknown_before_the_first_trial_and_after_the_last() -> None:
    assert progress.time_left_s(stand({QUEUED: 4}), NOON) is None
    assert progress.time_left_s(stand({DONE: 4}, recent_s=(10.0,)), NOON) is None


# Lines


def test_a_summary_counts_what_is_over() -> None:
    counts = {DONE: 3, FAILED: 1, JobState.CANCELLED: 2, QUEUED: 4}
    assert progress.summary(stand(counts, recent_s=(10.0,)), NOON) == (
        "3/10 done, 1 failed, 2 cancelled, about 40 s left"
    )
    assert progress.summary(stand({DONE: 2}), NOON) == "2/2 done"


def test_a_point_leaves_out_what_goes_without_saying() -> None:
    assert point(BATCH) == "alexnet batch 4"
    assert point({"model": "alexnet", "policy": "greedy:8"}) == "alexnet, policy greedy:8"
    assert point({**BATCH, "precision": "bf16", "compile": True}) == ("alexnet batch 4, precision bf16, compile true")


def test_a_training_is_known_by_what_was_searched() -> None:
    values = tuner.plan(tuning_sweep(tuning={"strategies": "tpe"}), []).jobs[0].spec.point
    named = point({**values, "lr": 0.012345678, "beta1": 0.5, "configuration": 7, "tuning_seed": 2})
    assert (
        named == "simple_cnn batch 128, epochs 4, lr 0.0123, beta1 0.500, strategy tpe, tuning_seed 2, configuration 7"
    )


def test_a_search_counts_what_it_has_yet_to_ask_for() -> None:
    stands = replace(stand({DONE: 3, RUNNING: 1}, running(), recent_s=(10.0,)), settled=False, planned=20)
    assert progress.summary(stands, NOON) == "3/20 done, about 2 min 50 s left"
    assert "3 done, 16 to come" in " ".join(status((record(), stands)).split())
    assert progress.records([(record(), stands)], NOON)[0]["to_come"] == 16
    settled = replace(stands, settled=True)
    assert progress.summary(settled, NOON) == "3/4 done, about 10 s left"
    assert progress.records([(record(), settled)], NOON)[0]["to_come"] == 0


def test_each_failed_job_is_one_line_and_the_last_says_how_to_go_on() -> None:
    lines = progress.failure_lines([failed("a", FailureKind.OOM), failed("b", FailureKind.INVALID)], "abc")
    assert lines == [
        "failed: alexnet batch 4, repetition 1: oom: said so: `farm logs a.1`",
        "failed: alexnet batch 4, repetition 1: invalid: said so: `farm logs b.1`",
        "`farm retry abc` queues these 2 again",
    ]


def test_a_job_that_failed_again_and_again_tells_why_each_time() -> None:
    kinds = (FailureKind.LOST, FailureKind.OOM, FailureKind.OOM)
    thrice = [failed("a", kind, attempt=number) for number, kind in enumerate(kinds, 1)]
    assert progress.failure_lines(thrice, "abc") == [
        "failed: alexnet batch 4, repetition 1: lost: said so, then oom: said so (2 times): `farm logs a.3`",
        "`farm retry abc` queues it again",
    ]


def test_attempts_that_another_one_made_good_are_only_counted() -> None:
    made_good = [failed("a", FailureKind.LOST, DONE), failed("b", FailureKind.INTERRUPTED, QUEUED)]
    assert progress.failure_lines(made_good[:1], "abc") == ["attempts that failed: 1 made good by a later one"]
    assert progress.failure_lines(made_good, "abc") == [
        "attempts that failed: 1 made good by a later one, 1 to be made again"
    ]
    assert progress.failure_lines([failed("a", FailureKind.CANCELLED, JobState.CANCELLED)], "abc") == []


# The live display


def panel(stands: Progress, name: str = "batching", note: str = "", notice: str = "", width: int = 80) -> list[str]:
    return [line.rstrip() for line in rendered(live.panel(name, stands, note, notice, NOON), width).splitlines()]


def test_the_panel_shows_how_far_it_is_and_what_runs() -> None:
    first, second = panel(stand({DONE: 1, RUNNING: 1}, running(), recent_s=(10.0,)))
    assert first.startswith("batching ")
    assert first.endswith("1/2 done, about 10 s left")
    assert second == "  lab1: alexnet batch 4, repetition 1"


def test_the_panel_says_what_it_waits_for() -> None:
    assert panel(stand({QUEUED: 1}))[1] == "  waiting for a worker"
    assert panel(stand({QUEUED: 1}), note="the worker starts")[1] == "  the worker starts"
    assert len(panel(stand({DONE: 1}), note="start one")) == 1


def test_the_panel_says_what_ctrl_c_does() -> None:
    assert live.stopping(0, is_running=True) == ""
    assert panel(stand({RUNNING: 1}, running()), notice=live.stopping(1, is_running=True))[2] == (
        "  finishing the running trial; Ctrl-C again stops now"
    )
    assert live.stopping(1, is_running=False) == "stopping"
    assert live.stopping(2, is_running=True) == live.stopping(5, is_running=False) == "stopping now"


@given(
    counts=st.dictionaries(st.sampled_from(JobState), st.integers(1, 99_999), min_size=1),
    width=st.integers(40, 120),
    machines=st.integers(0, 9),
)
def test_the_panel_never_wraps(counts: dict[JobState, int], width: int, machines: int) -> None:
    stands = stand(counts, *(running(LONG) for _ in range(machines)), recent_s=(100.0,))
    lines = panel(stands, LONG, "a note " * 30, "a notice " * 20, width)
    assert max(map(len, lines)) <= width
    assert len(lines) <= 1 + max(min(machines, live.NAMED) + (machines > live.NAMED), 1) + 1


def test_without_a_terminal_each_end_of_a_job_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", err := io.StringIO())
    with live.live(LONG) as show:
        for done in (0, 0, 1, 1, 2):
            show(stand({DONE: done, QUEUED: 2 - done}), "")
    assert err.getvalue().splitlines() == [f"{LONG}: {done}/2 done" for done in range(3)]


def test_a_quiet_display_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with live.live("batching", enabled=False) as show:
        show(stand({DONE: 1}), "note")
    assert capsys.readouterr() == ("", "")


# Tables


def status(*states: tuple[SweepRecord, Progress], failures: tuple[FailedTrial, ...] = ()) -> str:
    return text(Document(progress.blocks(states, failures, NOON)))


def test_the_status_of_sweeps_fits_80_columns() -> None:
    everything = stand(dict.fromkeys(JobState, 99_999), running(), recent_s=(10.0,))
    shown = status((record(name=LONG, sweep="abcdef012345.12"), everything), (record(), stand({DONE: 3})))
    assert widest(shown) <= 80
    assert "…" not in shown
    assert_golden("status.txt", shown)


def test_the_status_of_one_sweep_tells_what_failed() -> None:
    shown = status((record(), stand({FAILED: 1})), failures=(failed("a", FailureKind.OOM),))
    assert_golden("status-failed.txt", shown)


def test_who_submitted_and_how_urgently_is_shown_where_that_differs() -> None:
    alone = (record(), replace(stand({DONE: 3}), priority=5))
    assert "submitted by anne, priority 5" in status(alone)
    assert "anne" not in status(alone, alone)
    bert = (record().model_copy(update={"submitter": "bert", "name": LONG}), replace(stand({DONE: 3}), priority=0))
    shown = status(alone, bert)
    assert widest(shown) <= 80
    assert all(word in shown for word in ("by", "anne", "bert", "priority"))
    found = progress.records([alone, bert], NOON)
    assert [(r["submitter"], r["priority"]) for r in found] == [("anne", 5), ("bert", 0)]


def test_the_status_of_nothing_says_how_to_begin() -> None:
    assert "no sweep was submitted yet" in status()


def test_status_records_hold_every_state() -> None:
    stands = stand({DONE: 1, RUNNING: 1}, running(), recent_s=(10.0,))
    (found,) = progress.records([(record(), stands)], NOON)
    assert {state: found[state] for state in ("queued", "running", "done", "failed", "cancelled")} == {
        "queued": 0, "running": 1, "done": 1, "failed": 0, "cancelled": 0,
    }  # fmt: skip
    assert found["running_now"] == [
        {"job": "job", "attempt": 1, "machine": "lab1", "point": BATCH, "since": NOON.isoformat(), "live": None}
    ]
    assert found["time_left_s"] == 10.0


def test_what_a_search_chose_is_always_named() -> None:
    values: Point = {"model": "simple_cnn", "batch_size": 128, "lr": 0.001, "strategy": "random", "configuration": 0}
    assert point(values) == "simple_cnn batch 128, strategy random, configuration 0"


# What a trial does, and the figures so far

LIVE = LiveTrial(phase=WindowKind.MEASURE, index=1, of=3, since=NOON, domain=Domain.GPU)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, "window 2 of 3 for 4 s"),
        ({"of": None}, "window 2 for 4 s"),
        ({"phase": WindowKind.WARMUP}, "warm-up for 4 s"),
        ({"phase": WindowKind.TRAINING}, "training, window 2 of 3 for 4 s"),
        ({"power_w": 212.4, "quality": Quality.SAMPLED}, "window 2 of 3 for 4 s, gpu 212 W"),
        (
            {"power_w": 7.9, "quality": Quality.MODELLED, "domain": Domain.CPU, "units_per_s": 46.12, "unit": "image"},
            "window 2 of 3 for 4 s, cpu 7.90 W (modelled), 46.1 image/s",
        ),
    ],
)
def test_what_a_trial_does_is_told_as_far_as_it_is_known(changes: dict[str, object], told: str) -> None:
    assert progress.doing(LIVE.model_copy(update=changes), after(4)) == told


def test_every_phase_has_a_word() -> None:
    for kind in WindowKind:
        assert progress.doing(LIVE.model_copy(update={"phase": kind}), NOON).endswith("for 0 s")


def test_a_clock_that_is_ahead_makes_no_negative_time() -> None:
    assert progress.doing(LIVE, after(-9)) == "window 2 of 3 for 0 s"


def trial(number: int, batch_size: int = 4, machine: str = "lab1", **changes: Any) -> EndedTrial:
    plain = EndedTrial(
        trial=f"{number}.1",
        point={**BATCH, "batch_size": batch_size},
        repetition=0,
        machine=machine,
        finished_at=after(number),
        failure=None,
        flags=(),
        notes=(),
        unit="image",
        units=100,
        duration_s=2.0,
        gross_j=50.0,
        quality=Quality.COUNTER,
    )
    return replace(plain, **changes)


DISTURBED: dict[str, Any] = {
    "flags": (Flag.CONTAMINATED, Flag.POWER_CAPPED),
    "notes": (
        "no RAPL here",
        "idle_before: other programs used 9% of a core",
        "measure: other programs used 150% of a core",
    ),
}


def test_the_table_that_fills_takes_totals_over_totals() -> None:
    (four, eight) = ended.rows([trial(1), trial(2, 8), trial(3, units=300, duration_s=8.0, gross_j=70.0)])
    assert (four.name, four.units_per_s, four.gross_j_per_unit) == ("alexnet batch 4", 40.0, 0.3)
    assert (eight.name, eight.units_per_s, eight.flagged) == ("alexnet batch 8", 50.0, 0)


def test_unknown_figures_are_unknown_and_failed_trials_have_no_row() -> None:
    (row,) = ended.rows([trial(1, gross_j=None), trial(2), trial(3, failure=FailureKind.OOM)])
    assert (row.gross_j_per_unit, row.units_per_s) == (None, 50.0)
    assert ended.line(trial(3, failure=FailureKind.OOM)) == "alexnet batch 4, repetition 1: oom"


def test_machines_that_differ_have_rows_of_their_own() -> None:
    assert [row.name for row in ended.rows([trial(1), trial(2, machine="lab2")])] == [
        "lab1: alexnet batch 4", "lab2: alexnet batch 4",
    ]  # fmt: skip


def test_flags_are_counted_with_their_reason() -> None:
    disturbed = [trial(n, **DISTURBED) for n in (1, 2)]
    assert ended.flag_lines([*disturbed, trial(3)]) == ["2 of 3 contaminated: other programs used 150% of a core"]
    assert ended.rows(disturbed)[0].flagged == 2
    assert ended.flag_lines([trial(1, flags=(Flag.CONTAMINATED,))]) == ["1 of 1 contaminated"]
    assert ended.line(disturbed[0]) == (
        "alexnet batch 4, repetition 1: 50.0 image/s, 0.500 J/image gross, contaminated"
    )


def test_the_panel_shows_the_running_trial_the_figures_and_the_flags() -> None:
    job = replace(running(), live=LIVE.model_copy(update={"doubt": "idle_before: other programs used 9% of a core"}))
    stands = replace(stand({DONE: 1, RUNNING: 1}, job), notes=(("lab1", "no energy meter"),))
    shown = live.panel("batching", stands, "", "stopping", after(4), [trial(1, **DISTURBED)])
    assert [line.rstrip() for line in rendered(shown, 80).splitlines()][1:] == [
        "  lab1: alexnet batch 4, repetition 1",
        "    window 2 of 3 for 4 s",
        "    idle_before: other programs used 9% of a core",
        "             gross",
        "  image/s  J/image  trials",
        "     50.0    0.500      1!  alexnet batch 4",
        "  1 of 1 contaminated: other programs used 150% of a core",
        "  note: lab1: no energy meter",
        "  stopping",
    ]
    narrow = [line.rstrip() for line in rendered(shown, 60).splitlines()]
    assert max(map(len, narrow)) <= 60
    assert narrow[0].endswith("1/2 done")


def test_several_trials_have_a_line_each() -> None:
    jobs = (replace(running("lab1"), live=LIVE), running("lab2"))
    shown = live.panel("batching", stand({RUNNING: 2}, *jobs), "", "", after(4))
    assert [line.rstrip() for line in rendered(shown).splitlines()][1:] == [
        "  lab1: window 2 of 3 for 4 s: alexnet batch 4, repetition 1",
        "  lab2: alexnet batch 4, repetition 1",
    ]


def test_without_a_terminal_a_job_that_ends_shows_its_figure_and_a_note_stands_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    trials = [trial(0)]
    noted = replace(stand({DONE: 1, QUEUED: 1}), notes=(("lab1", "process 7 is measuring: waiting"),))
    with live.live("batching", read_ended=lambda: trials) as show:
        show(noted, "")  # the first trial ended in an earlier run
        trials.append(trial(1, 8))
        show(replace(noted, counts={DONE: 2}), "")
    assert capsys.readouterr().err.splitlines() == [
        "batching: 1/2 done",
        "batching: note: lab1: process 7 is measuring: waiting",
        "batching: 2/2 done; alexnet batch 8, repetition 1: 50.0 image/s, 0.500 J/image gross",
    ]


def test_results_of_a_sweep_in_progress_say_how_far_it_is() -> None:
    stands = stand({DONE: 6, RUNNING: 2, QUEUED: 10}, running(), recent_s=(10.0,))
    assert progress.in_progress(stands, NOON) == ["6 of 18 jobs measured so far, 2 running; about 1 min 50 s left"]
    assert progress.in_progress(stand({DONE: 6}), NOON) == []
