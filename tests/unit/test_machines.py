"""What people see of the machines, of who waits for them, and of one trial."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from farm import __version__
from farm.kinds.trials import trial
from farm.model import (
    Condition,
    Domain,
    Failure,
    FailureKind,
    Flag,
    Live,
    LiveTrial,
    MachineState,
    MachineStatus,
    Point,
    Probe,
    RunningJob,
    Temperature,
    Waiting,
    WindowKind,
)
from farm.model.errors import InputError
from farm.report.document import Code, Document, Facts, Paragraph
from farm.report.layout import laid_out
from farm.report.terminal import text
from farm.scheduling.status import machines, queues
from farm.scheduling.status.machines import ObservedMachine
from tests.contract.store_records import MACHINE, SWEEP
from tests.documents import tables_of
from tests.golden import assert_golden
from tests.summaries import NOON, trial_row, widest

LONG = "a-rather-long-name-of-a-machine-as-people-write-them-2026-11"
BATCH: Point = {"model": "alexnet", "batch_size": 4, "precision": "fp32", "device": "auto", "compile": False}
IDLE = Condition(running=None, trials=0, failed=0, flagged=0, flags={}, temperature=None)
#: The heart beats each 5 s.
SILENT_S = 15.0


def after(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def machine(
    condition: Condition = IDLE, after_s: float = 0, status: dict[str, Any] | None = None, **changes: Any
) -> ObservedMachine:
    found = MachineStatus(
        MACHINE.model_copy(update=changes), "lab1/100/boot", __version__, NOON, None, MachineState.ACTIVE, 0, 0
    )
    return ObservedMachine(replace(found, **(status or {})), condition, after(after_s), SILENT_S)


BUSY = Condition(
    running=RunningJob("0123456789abcdef", 2, SWEEP, "batching", BATCH, 0, "m1", "lab1", "cpu-2", NOON),
    trials=50,
    failed=1,
    flagged=3,
    flags={Flag.CONTAMINATED: 2, Flag.THROTTLED: 1},
    temperature=Temperature(Domain.GPU, 61.4, NOON),
)


def cells(seen: ObservedMachine) -> list[str]:
    """The row of a machine in the table."""
    (table,) = tables_of(machines.overview([seen]))
    return list(laid_out(table).groups[0].cells[0])


def facts(seen: ObservedMachine) -> dict[str, str]:
    """The facts of one machine."""
    return dict(rows(seen))


def rows(seen: ObservedMachine) -> Sequence[tuple[str, str]]:
    (block,) = machines.details([seen]).blocks
    assert isinstance(block, Facts)
    return block.rows


# The table of machines


def test_machines_with_long_names_fit_80_columns() -> None:
    worst = machine(
        BUSY,
        90,
        {"wanted_state": MachineState.DRAINING, "spooled": 12, "rejected": 1234},
        name=f"{LONG}.example.org",
        hardware_class=f"nvidia-{LONG}",
        simulated=True,
    )
    shown = text(machines.overview([machine(), machine(BUSY, 7), worst]))
    assert widest(shown) <= 80
    assert "…" not in shown
    assert_golden("machines.txt", shown)


def test_the_table_shows_what_each_machine_does() -> None:
    assert cells(machine(BUSY, 7)) == ["lab1", "cpu-2", "7 s ago", "61", "6%", "alexnet batch 4, for 7 s"]
    assert cells(machine()) == ["lab1", "cpu-2", "0 s ago", "–", "–", "idle"]


@pytest.mark.parametrize(
    ("status", "after_s", "does"),
    [
        ({}, 15, "idle"),
        ({}, 16, "silent"),
        ({"wanted_state": MachineState.PAUSED}, 0, "paused"),
        ({"wanted_state": MachineState.DRAINING}, 0, "draining"),
        ({"wanted_state": MachineState.DRAINING}, 99, "silent; draining"),
        ({"spooled": 1}, 0, "idle; 1 report in its spool"),
        ({"rejected": 2}, 0, "idle; 2 messages refused"),
        ({"live": Live(unfit="no room")}, 0, "unfit, takes no job"),
        ({"live": Live(unfit="no room")}, 99, "silent"),
        ({"version": "0.0.9"}, 0, f"idle; version 0.0.9, here {__version__}"),
    ],
)
def test_the_table_marks_what_is_unusual(status: dict[str, Any], after_s: float, does: str) -> None:
    assert cells(machine(IDLE, after_s, status))[-1] == does


def test_why_a_machine_is_unfit_stands_below_the_table() -> None:
    unfit = machine(status={"live": Live(unfit="/home/anna/.local/share/wattfarm/spool: Read-only file system")})
    shown = text(machines.overview([machine(), unfit]))
    assert "lab1 is unfit: /home/anna/.local/share/wattfarm/spool: Read-only file system" in " ".join(shown.split())
    assert [line for line in shown.splitlines() if "unfit, takes no job" in line]
    assert "is unfit" not in text(machines.overview([machine(IDLE, 99, {"live": Live(unfit="no room")})]))


def test_a_machine_without_trials_has_no_temperature_and_no_rate() -> None:
    (found,) = machines.records([machine()])
    assert (found["temperature"], found["recent_trials"]["trials"], found["running"]) == (None, 0, None)
    assert facts(machine())["trials"] == "none yet"
    assert facts(machine())["temperature"].startswith("–")
    assert machine().flagged is None


# One machine


def test_one_machine_shows_all_of_it() -> None:
    status = {"wanted_state": MachineState.PAUSED, "spooled": 1, "rejected": 2, "version": "0.0.9"}
    gpu = {"power_limit_w": 400.0, "default_power_limit_w": None, "max_sm_clock_hz": 1.41e9, "memory_bytes": 80 * 2**30}
    hardware = {"cpu": {"model": "EPYC [9]", "smt": None}, "gpu": gpu, "ram_bytes": 3 * 2**29}
    probe = Probe(probed_at=NOON, counter_update_period_s=0.1, counter_trusted=False, notes=("no RAPL here",))
    shown = text(machines.details([machine(BUSY, 125, status, hardware=hardware, probe=probe)]))
    assert_golden("machine.txt", shown.replace(__version__, "VERSION"))


def test_an_unknown_machine_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InputError, match="no machine 'lab9': there are lab1"):
        machines.named([machine()], "lab9")
    assert machines.named([machine()], "lab1") == [machine()]
    assert "no machine has joined yet" in text(machines.overview([]))


def test_the_record_of_a_machine_is_json_and_complete() -> None:
    (found,) = json.loads(json.dumps(machines.records([machine(BUSY, 20, {"spooled": 1})])))
    assert (found["name"], found["silent"], found["wanted_state"], found["spooled"]) == ("lab1", True, "active", 1)
    assert (found["running"]["job"], found["running"]["since"]) == ("0123456789abcdef", NOON.isoformat())
    assert found["temperature"] == {"domain": "gpu", "celsius": 61.4, "at": NOON.isoformat(), "age_s": 20.0}
    flags = {"contaminated": 2, "throttled": 1}
    assert found["recent_trials"] == {"trials": 50, "failed": 1, "flagged": 3, "flags": flags}
    assert (found["version"], found["controller_version"]) == (__version__, __version__)


# Who waits for what

WAITING = [Waiting(SWEEP, "any", 12), Waiting("other", "any", 3)]


def waits(
    waiting: Sequence[Waiting], seen: Sequence[ObservedMachine], depths: dict[str, int] | None = None, note: str = ""
) -> str:
    found = queues.queues(waiting, seen, depths)
    shown = text(Document(queues.blocks(found, seen, seen[0].now if seen else NOON, note)))
    assert widest(shown) <= 80
    return " ".join(shown.split())


def test_the_jobs_of_all_sweeps_are_counted_and_their_messages() -> None:
    assert "wait for jobs messages served by ─" in waits(WAITING, [machine()], {"farm.any": 14})
    assert "any 15 14 lab1" in waits(WAITING, [machine()], {"farm.any": 14})
    assert "farm.machine.lab1 0 2 lab1" in waits([], [machine()], {"farm.machine.lab1": 2, "farm.any": 0})
    assert waits([], [machine()], {"farm.any": 0}) == ""


def test_every_queue_of_the_broker_is_asked_for() -> None:
    waiting = [*WAITING, Waiting(SWEEP, "machine:lab9", 1), Waiting(SWEEP, "gpu.memory_gib >= 40", 1)]
    assert queues.names(waiting, [machine()]) == [
        "farm.any", "farm.hw.cpu-2", "farm.machine.lab1", "farm.machine.lab9",
    ]  # fmt: skip


def test_a_broker_out_of_reach_is_a_note() -> None:
    shown = waits(WAITING, [machine()], None, "messages are not known: the broker is away")
    assert "wait for jobs served by" in shown
    assert shown.endswith("lab1 messages are not known: the broker is away")


GPU = {"gpu": {"memory_bytes": 80 * 2**30}}


@pytest.mark.parametrize(
    ("target", "seen", "shown"),
    [
        ("any", [machine(), machine(name="lab2")], "any 1 lab1, lab2"),
        (
            "any",
            [machine(IDLE, 99), machine(IDLE, 99, {"last_seen_at": after(98)}, name="lab2")],
            "lab2, lab1 (silent)",
        ),
        ("any", [machine(name=f"lab{n}") for n in range(9)], "lab0, lab1, lab2 and 6 more"),
        ("gpu.memory_gib >= 40", [machine(), machine(name="lab2", hardware=GPU)], "gpu.memory_gib >= 40 1 lab2"),
        ("machine:lab1", [machine(IDLE, 99)], "nobody: lab1 (silent) 1 job waits: lab1 was last seen"),
        (
            "machine:lab1",
            [machine(IDLE, 0, {"wanted_state": MachineState.PAUSED})],
            "nobody: lab1 (paused) 1 job waits: lab1 is paused",
        ),
        (
            "machine:lab1",
            [machine(IDLE, 99, {"wanted_state": MachineState.DRAINING})],
            "nobody: lab1 (silent, draining)",
        ),
        ("machine:lab9", [machine()], "machine:lab9 1 nobody 1 job waits: no machine 'lab9' is registered"),
        ("hw:h200", [machine()], "hw:h200 1 nobody 1 job waits: no machine of class 'h200' is registered"),
        ("gpu.memory_gib >= 40", [machine()], "1 job waits: no machine with gpu.memory_gib >= 40 is registered"),
    ],
)
def test_who_serves_and_what_waits_in_vain(target: str, seen: list[ObservedMachine], shown: str) -> None:
    assert shown in waits([Waiting(SWEEP, target, 1)], seen)


def test_what_points_need_is_named_beside_their_target() -> None:
    waiting = [Waiting(SWEEP, "any", 2), Waiting(SWEEP, "any", 6, "worker.gpus >= 1")]
    shown = waits(waiting, [machine(), machine(name="lab2")])
    assert "any 2 lab1, lab2 any, with a GPU 6 nobody" in shown
    assert shown.endswith("6 jobs wait for a machine with a GPU: none of 2 has one")
    found = queues.records(queues.queues(waiting, [machine()], None), waiting, SWEEP)
    assert [(one["jobs"], one["needs"], one["machines"]) for one in found] == [
        (2, [], ["lab1"]), (6, ["worker.gpus >= 1"], []),
    ]  # fmt: skip


def test_targets_with_long_names_fit_80_columns() -> None:
    waiting = [Waiting(SWEEP, f"machine:{LONG}.example.org", 99_999)]
    assert "99999" in waits(waiting, [machine(name=f"{LONG}.example.org")], {})


def test_each_sweep_has_a_record_of_what_it_waits_for() -> None:
    found = queues.queues(WAITING, [machine(), machine(IDLE, 99, name="lab2")], {"farm.any": 14})
    assert queues.records(found, WAITING, SWEEP) == [
        {"target": "any", "needs": [], "jobs": 12, "messages": 14, "machines": ["lab1"]}
    ]


# One trial


def test_a_failed_trial_is_shown_with_its_last_lines() -> None:
    failure = Failure(kind=FailureKind.CRASHED, message="it died", signal=11)
    row = trial_row(failure=failure, flags=(Flag.THROTTLED,), notes=("no RAPL here",), log_tail="one\n  two [3]\n")
    assert_golden("logs.txt", text(trial(row)))


def test_a_tail_commands_no_terminal() -> None:
    row = trial_row(log_tail="a\x1b[31mred\x1b[0m\x07 50 %\r100 %\n\x1b]0;title\x07\tend")
    assert trial(row).blocks[-1] == Code("ared\\x07 50 %\n100 %\n\\x1b]0;title\\x07\tend")


def test_a_lost_trial_has_no_start_and_printed_nothing() -> None:
    failure = Failure(kind=FailureKind.LOST, message="its worker fell silent")
    facts, last = trial(trial_row(started_at_utc=None, duration_s=None, machine=None, failure=failure)).blocks
    assert isinstance(facts, Facts)
    assert dict(facts.rows)["end"] == "lost: its worker fell silent"
    assert last == Paragraph("It printed nothing.")


def test_the_record_of_a_trial_is_json() -> None:
    found = json.loads(json.dumps(trial(trial_row(log_tail="last words")).record))
    assert (found["trial"], found["log_tail"], found["failure"]) == ("job.1", "last words", None)
    assert found["finished_at_utc"] == NOON.isoformat()


def test_the_phase_of_a_trial_stands_where_its_worker_tells_it() -> None:
    assert BUSY.running is not None
    live = LiveTrial(phase=WindowKind.MEASURE, of=3, since=after(5), domain=Domain.GPU, power_w=212.0)
    condition = replace(BUSY, running=replace(BUSY.running, live=live))
    told = machine(condition, after_s=9, status={"live": Live(notes=("process 7 is measuring: waiting",))})
    assert cells(told)[-1] == "alexnet batch 4: window 1 of 3 for 4 s, gpu 212 W"
    assert "window 1 of 3 for 4 s" in facts(told)["runs"]
    assert facts(told)["note"] == "process 7 is measuring: waiting"
    (record,) = machines.records([told])
    assert json.loads(json.dumps(record))["running"]["live"]["phase"] == "measure"
    silent = machine(condition, after_s=99, status={"live": Live(notes=("busy",))})
    assert "note" not in facts(silent)
