"""Why jobs wait where no machine takes them, in words."""

from datetime import UTC, datetime, timedelta

import pytest
from pydantic import JsonValue

from farm.model import Machine, MachineState, MachineStatus
from farm.scheduling import routing

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
LONG = timedelta(hours=3)
BIG = "gpu.memory_gib >= 40"


def status(
    name: str, gib: int | None = None, wanted_state: MachineState = MachineState.ACTIVE, ago: timedelta = timedelta(0)
) -> MachineStatus:
    gpu: JsonValue = None if gib is None else {"memory_bytes": gib * 2**30}
    machine = Machine(id=f"{name}-{gib}", name=name, hardware_class="gpu" if gib else "cpu", hardware={"gpu": gpu})
    return MachineStatus(machine, "owner", "0.1.0", NOW - ago, None, wanted_state, 0, 0)


def notes(target: str, *known: MachineStatus) -> list[str]:
    return list(routing.notes([target], known, NOW))


@pytest.mark.parametrize("target", ["any", "hw:gpu", "machine:lab1", BIG])
def test_there_is_no_note_where_one_machine_takes_the_jobs(target: str) -> None:
    assert (
        notes(target, status("lab1", 80), status("lab2", 80, MachineState.PAUSED), status("lab3", 80, ago=LONG)) == []
    )


def test_a_name_that_nobody_has() -> None:
    wait = "its jobs wait until a `farm worker` of that name starts"
    assert notes("machine:gpu-one", status("lab2")) == [f"no machine 'gpu-one' is registered: {wait}"]
    assert notes("machine:labb2", status("lab2")) == [
        f"no machine 'labb2' is registered (did you mean 'lab2'?): {wait}"
    ]


def test_a_machine_that_takes_nothing_now() -> None:
    assert notes("machine:lab1", status("lab1", wanted_state=MachineState.PAUSED)) == [
        "lab1 is paused: its jobs wait until `farm resume lab1`"
    ]
    assert notes("machine:lab1", status("lab1", ago=LONG)) == [
        "lab1 was last seen 2026-11-21 09:00 UTC: its jobs wait until its `farm worker` starts again"
    ]


def test_a_capability_that_no_machine_has() -> None:
    expected = [f"no machine with {BIG} is registered: its jobs wait until one joins"]
    assert notes(BIG) == expected
    assert notes(BIG, status("lab1", 24), status("lab2")) == expected


def test_a_machine_that_changed_its_hardware_has_what_it_has_now() -> None:
    assert notes(BIG, status("lab1", 80, ago=LONG), status("lab1", 24)) == [
        f"no machine with {BIG} is registered: its jobs wait until one joins"
    ]


def test_all_that_fit_are_away() -> None:
    away = [
        status("lab1", 80, MachineState.PAUSED),
        status("lab2", 80, ago=LONG),
        status("lab3", 40, MachineState.DRAINING),
    ]
    assert notes(BIG, *away, status("lab9", 24)) == [
        f"no machine with {BIG} is at work (lab1 is paused, lab2 was last seen 2026-11-21 09:00 UTC, "
        "lab3 is drained): its jobs wait until one is"
    ]
    assert "1 more)" in notes(BIG, *away, status("lab4", 80, ago=LONG))[0]
    assert notes("hw:gpu", away[0]) == [
        "no machine of class 'gpu' is at work (lab1 is paused): its jobs wait until one is"
    ]


def test_any_machine_will_do_also_one_that_has_not_joined_yet() -> None:
    """`farm run` starts its own."""
    assert notes("any") == notes("any", status("lab1", ago=LONG)) == []
    assert notes("any", status("lab1", wanted_state=MachineState.PAUSED)) == [
        "no machine is at work (lab1 is paused): its jobs wait until one is"
    ]


def test_what_waits_is_counted() -> None:
    jobs = {BIG: 6, "machine:lab1": 1, "machine:lab2": 4}
    assert list(routing.waiting(jobs, [status("lab1", wanted_state=MachineState.DRAINING), status("lab2")], NOW)) == [
        f"6 jobs wait: no machine with {BIG} is registered",
        "1 job waits: lab1 is drained",
    ]
