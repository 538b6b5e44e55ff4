"""Why jobs wait where no machine takes them, in words."""

from datetime import UTC, datetime, timedelta

import pytest
from pydantic import JsonValue

from farm.model import Machine, MachineState, MachineStatus
from farm.scheduling import routing
from farm.scheduling.routing import Route
from farm.spec.capability import queue_of

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
LONG = timedelta(hours=3)
BIG = "gpu.memory_gib >= 40"


def status(
    name: str,
    gib: int | None = None,
    wanted_state: MachineState = MachineState.ACTIVE,
    ago: timedelta = timedelta(0),
    **abilities: JsonValue,
) -> MachineStatus:
    gpu: JsonValue = None if gib is None else {"memory_bytes": gib * 2**30}
    machine = Machine(
        id=f"{name}-{gib}",
        name=name,
        hardware_class="gpu" if gib else "cpu",
        hardware={"gpu": gpu},
        abilities={"gpus": 1 if gib else 0, **abilities},
    )
    return MachineStatus(machine, "owner", "0.1.0", NOW - ago, None, wanted_state, 0, 0)


def notes(target: str, *known: MachineStatus) -> list[str]:
    return list(routing.notes({Route(target): 6}, known, NOW))


def needing(target: str, *requirements: str) -> Route:
    """Jobs for a target whose points need more of a machine."""
    return Route.of(target, queue_of(target, requirements))


def lacks(route: Route, *known: MachineStatus) -> list[str]:
    """What is said of six such jobs when they are submitted; the same must be said while they wait."""
    said = list(routing.notes({route: 6}, known, NOW))
    assert list(routing.waiting({route: 6}, known, NOW)) == said
    return said


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
    jobs = {Route(BIG): 6, Route("machine:lab1"): 1, Route("machine:lab2"): 4}
    assert list(routing.waiting(jobs, [status("lab1", wanted_state=MachineState.DRAINING), status("lab2")], NOW)) == [
        f"6 jobs wait: no machine with {BIG} is registered",
        "1 job waits: lab1 is drained",
    ]


# What points need

GPU = "worker.gpus >= 1"
OWN = "worker.models = my_nets.small:TinyNet"


@pytest.mark.parametrize("target", ["any", "machine:lab1", "hw:gpu", BIG])
def test_nothing_is_said_where_a_machine_has_what_points_need(target: str) -> None:
    route = needing(target, GPU, OWN)
    fits = status("lab1", 80, models=["other.*", "my_nets.*"])
    assert lacks(route, fits, status("lab2")) == []
    assert [route.fits(one.machine) for one in (fits, status("lab1", 80), status("lab2"))] == [True, False, False]


def test_a_gpu_that_no_machine_has() -> None:
    lab = [status("lab1"), status("lab2"), status("lab3", wanted_state=MachineState.PAUSED)]
    assert lacks(needing("any", GPU), *lab) == ["6 jobs wait for a machine with a GPU: none of 3 has one"]
    assert lacks(needing("any", "worker.gpus >= 3"), status("lab1", 80)) == [
        "6 jobs wait for a machine with 3 GPUs: lab1 does not fit"
    ]
    assert lacks(needing("machine:lab1", GPU), *lab) == ["6 jobs wait for lab1 with a GPU: lab1 has none"]
    assert lacks(needing("hw:cpu", GPU), *lab) == [
        "6 jobs wait for a machine of class 'cpu' with a GPU: none of 3 has one"
    ]


def test_a_permission_that_no_machine_gives() -> None:
    assert lacks(needing("any", OWN), status("lab1"), status("lab2", models=["nets.*"])) == [
        "6 jobs wait for a machine that may load my_nets.small:TinyNet: none of 2 fits: "
        "`farm worker --allow-models 'my_nets.*'` allows it"
    ]


def test_a_workload_or_memory_that_the_machine_of_the_target_lacks() -> None:
    needs = ("worker.workloads = sorting", "gpu.memory_gib >= 80")
    assert lacks(needing("machine:lab1", *needs), status("lab1", 40), status("lab2", 80, workloads=["sorting"])) == [
        "6 jobs wait for lab1 with gpu.memory_gib >= 80 and with the workload sorting: lab1 does not fit: "
        "install the package that brings it"
    ]


def test_a_target_that_nobody_is_comes_before_what_its_points_need() -> None:
    assert list(routing.notes({needing("machine:other", GPU): 2}, [status("lab1", 80)], NOW)) == [
        "no machine 'other' is registered: its jobs wait until a `farm worker` of that name starts"
    ]
    assert lacks(needing("any", GPU)) == []  # any worker may join a new farm


def test_machines_with_a_gpu_that_are_away() -> None:
    away = status("lab1", 80, MachineState.PAUSED)
    assert list(routing.notes({needing("any", GPU): 2}, [away, status("lab2")], NOW)) == [
        "no machine with a GPU is at work (lab1 is paused): its jobs wait until one is"
    ]
