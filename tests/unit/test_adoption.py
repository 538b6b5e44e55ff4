"""What a new revision of a sweep counts of what was measured before, and what it measures again."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import JsonValue

from farm.exchange.loading import count_once, load
from farm.kinds.inference.sweep import InferenceSweep
from farm.model import FailureKind, JobState, Machine
from farm.model.software import LIBRARIES, difference, driver, software
from farm.report.document import Facts
from farm.scheduling import submission
from farm.scheduling.controller import Controller
from farm.scheduling.plan import Plan
from farm.scheduling.status import plans, revisions
from farm.scheduling.submission import Submission
from farm.settings import Settings
from farm.spec import Sweep, sweep_id
from farm.store import Store
from tests.contract.store_records import ANNE, LEASE_S, report
from tests.controllers import FakePublisher, controller
from tests.searches import tuning_sweep

NOW = software()
LAB1 = Machine(id="m1", name="lab1", hardware_class="small", hardware={"ram_bytes": 2**34}, software=NOW)
LAB2 = Machine(id="m2", name="lab2", hardware_class="small", hardware={"ram_bytes": 2**36}, software=NOW)
MEASURE = {"profile": "quick", "window_s": 0.2}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(f"sqlite:///{tmp_path / 'farm.db'}", create=True) as opened:
        opened.register_machine(LAB1, ANNE, "0.1.0")
        yield opened


def sweep(**changes: Any) -> Sweep:
    """Two batch sizes, twice, unless changed."""
    written = {"name": "mine", "kind": "inference", "workload": {"model": "alexnet", "batch_size": [1, 2]}}
    return InferenceSweep.model_validate(written | {"measure": MEASURE, "repetitions": 2} | changes)


def batches(*sizes: int) -> dict[str, Any]:
    return {"model": "alexnet", "batch_size": list(sizes)}


def submit(store: Store, one: Sweep, fresh: bool = False, **changes: Any) -> Submission:
    return submission.enqueue(one, "", store, Settings(**changes), fresh)


def measure(
    store: Store,
    sweep_id: str,
    most: int = 99,
    failure: FailureKind | None = None,
    environment: Mapping[str, JsonValue] = NOW,
) -> list[str]:
    """Have the machines of the store measure jobs of a sweep that wait; returns their ids."""
    ids = {status.machine.name: status.machine.id for status in store.machines()}
    done: list[str] = []
    for part in store.outbox(sweep_id):
        for message in store.unpublished(sweep_id, part.queue, most - len(done)):
            machine = ids.get(message.queue.removeprefix("farm.machine."), next(iter(ids.values())))
            claim = store.claim(message.job, message.attempt, ANNE, machine, LEASE_S)
            assert claim is not None
            own = report(message.job, claim.attempt, failure, machine=machine, environment=environment)
            assert store.complete(own)
            done.append(message.job)
    return done


def counted(store: Store, sweep_id: str) -> int:
    """The trials that results of a sweep rest on."""
    return len(load(store, store.find_sweep(sweep_id)).samples)


def test_more_repetitions_measure_only_these(store: Store) -> None:
    first = submit(store, sweep())
    measure(store, first.sweep_id)
    second = submit(store, sweep(repetitions=3))
    assert second.sweep_id != first.sweep_id
    assert (second.jobs, second.added, second.measured, second.to_go, second.warnings) == (6, 2, 4, 2, ())
    assert counted(store, second.sweep_id) == 4
    assert {store.known_jobs(second.sweep_id)[job].adopts for job in measure(store, second.sweep_id)} == {None}
    assert (counted(store, second.sweep_id), counted(store, first.sweep_id)) == (6, 4)
    samples = load(store, store.find_sweep(second.sweep_id)).samples
    works = sorted((s.factors["batch_size"], s.repetition) for s in samples)
    assert works == [(size, repetition) for size in (1, 2) for repetition in range(3)]
    assert store.find_sweep("mine").id == second.sweep_id


def test_fewer_repetitions_measure_nothing(store: Store) -> None:
    measure(store, submit(store, sweep()).sweep_id)
    second = submit(store, sweep(repetitions=1))
    assert (second.jobs, second.added, second.to_go) == (2, 0, 0)
    assert store.progress(second.sweep_id).is_over


def test_common_points_are_adopted_where_the_levels_change(store: Store) -> None:
    measure(store, submit(store, sweep()).sweep_id)
    second = submit(store, sweep(workload=batches(2, 4)))
    assert (second.measured, second.to_go) == (2, 2)
    assert {s.factors["batch_size"] for s in store.samples([second.sweep_id])} == {2}


@pytest.mark.parametrize(
    "change",
    [{"priority": 1}, {"time_limit": 600}, {"targets": ["lab1"]}, {"targets": "each-hardware"}, {"exclude": []}],
)
def test_what_changes_no_measurement_changes_nothing(store: Store, change: dict[str, Any]) -> None:
    measure(store, submit(store, sweep()).sweep_id)
    second = submit(store, sweep(**change), submitter="bert")
    assert (second.measured, second.added, second.to_go, second.warnings) == (4, 0, 0, ())


def test_carbon_is_no_revision(store: Store) -> None:
    assert sweep_id(sweep(carbon={"country": "NLD"})) == sweep_id(sweep(carbon={"country": "DEU"}))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"measure": MEASURE | {"window_s": 0.5}}, "measure.window_s was 0.2, now 0.5"),
        ({"measure": {"profile": "full"}}, "measure.profile was quick, now full, and 8 more settings"),
        ({"seed": 7}, "the seed was 1, now 7"),
    ],
)
def test_what_changes_a_measurement_is_measured_again_and_named(store: Store, change: dict[str, Any], why: str) -> None:
    first = submit(store, sweep()).sweep_id
    measure(store, first)
    second = submit(store, sweep(**change))
    assert (second.measured, second.added) == (0, 4)
    assert second.warnings == (f"4 earlier trials of this name do not count: {why}",)
    assert revisions.note(store.other_revisions("mine", second.sweep_id)) == [
        f"note: also measured under this name: {first} (4 trials, {store.find_sweep(first).submitted_at:%Y-%m-%d}); "
        "`farm results ID` shows one"
    ]


# Machines and their software


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"libraries": NOW["libraries"] | {"torch": "1.0"}}, "lab1: torch 1.0, now "),  # type: ignore[operator]
        ({"driver": "535.104"}, "lab1: NVIDIA driver 535.104, now absent"),
        ({"python": "3.9.1"}, "lab1: python 3.9, now "),
        ({"wattfarm": "0.0.9"}, "lab1: wattfarm 0.0.9, now "),
        ({"cpus_allowed": 1000}, "lab1: cpus allowed 1000, now "),
        ({"variables": {"MKL_NUM_THREADS": "77"}}, "lab1: MKL_NUM_THREADS 77, now absent"),
    ],
)
def test_other_software_is_measured_again(store: Store, changed: dict[str, JsonValue], why: str) -> None:
    measure(store, submit(store, sweep()).sweep_id, environment={**NOW, "driver": None, **changed})
    second = submit(store, sweep(repetitions=3))
    assert second.measured == 0
    (note,) = second.warnings
    assert note.startswith(f"4 earlier trials of this name do not count: {why}")


def test_what_does_not_matter_of_software() -> None:
    python = ".".join(str(NOW["python"]).split(".")[:2])
    gpu = {"CUDA_VISIBLE_DEVICES": "GPU-1"}
    same = {**NOW, "python": f"{python}.99", "platform": "another kernel", "variables": {**NOW["variables"], **gpu}}  # type: ignore[dict-item]
    assert difference(same, NOW) is None
    assert set(LIBRARIES) <= {*NOW["libraries"]}  # type: ignore[misc]


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.104.05  Sat Aug 19 01:15:15 UTC 2023\n", "535.104.05"),
        ("NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  550.54.15  Release Build  (a@b)\n", "550.54.15"),
        ("something else 1.2\n", None),
    ],
)
def test_the_driver_is_known_from_its_kernel_module(tmp_path: Path, text: str, version: str | None) -> None:
    assert driver(tmp_path / "none") is None
    (tmp_path / "version").write_text(text)
    assert driver(tmp_path / "version") == version


@pytest.mark.parametrize(("measured", "now"), [({}, NOW), (NOW, {}), ({}, {})])
def test_unknown_software_is_never_the_same(measured: dict[str, JsonValue], now: dict[str, JsonValue]) -> None:
    assert difference(measured, now) == "software is not known"


def test_a_machine_with_other_hardware_or_another_name_measures_again(store: Store) -> None:
    measure(store, submit(store, sweep()).sweep_id)
    store.register_machine(LAB1.model_copy(update={"id": "m3"}), ANNE, "0.1.0")
    second = submit(store, sweep(repetitions=3))
    assert (second.measured, second.added) == (0, 6)
    assert second.warnings == ("4 earlier trials of this name do not count: lab1 has other hardware now",)
    assert submit(store, sweep(targets=["lab2"])).measured == 0


def test_each_machine_counts_its_own_trials_only(store: Store) -> None:
    measure(store, submit(store, sweep()).sweep_id)
    store.register_machine(LAB2, ANNE, "0.1.0")
    both = submit(store, sweep(targets="each-machine"))
    assert (both.jobs, both.measured, both.warnings) == (8, 4, ())
    measure(store, both.sweep_id)
    third = submit(store, sweep(targets="each-machine", repetitions=3))
    assert (third.jobs, third.measured) == (12, 8)
    assert {(s.machine, s.factors["batch_size"]) for s in store.samples([third.sweep_id])} == {
        (machine, size) for machine in ("lab1", "lab2") for size in (1, 2)
    }


def test_a_capability_counts_what_a_machine_that_has_it_measured(store: Store) -> None:
    store.register_machine(LAB2, ANNE, "0.1.0")
    measure(store, submit(store, sweep(targets=["lab1", "lab2"])).sweep_id)
    assert submit(store, sweep(targets=["ram_gib >= 32"])).measured == 4
    assert submit(store, sweep(targets=["ram_gib >= 128"])).measured == 0
    two = submit(store, sweep(targets=["ram_gib >= 8", "ram_gib >= 16"]))
    assert two.measured == 8, "no trial counts twice"


def test_on_this_machine_alone_only_its_own_trials_count(store: Store) -> None:
    measure(store, submit(store, sweep()).sweep_id)
    for name, measured in (("lab1", 4), ("lab2", 0)):
        own = Settings(machine_name=name)
        assert submission.planned(sweep(repetitions=3), store, this_machine=own).measured == measured
    simulated = LAB1.model_copy(update={"id": "m4", "simulated": True})
    store.register_machine(simulated, ANNE, "0.1.0")
    assert submission.planned(sweep(repetitions=3), store, this_machine=Settings(machine_name="lab1")).measured == 4


def test_this_machines_software_is_asked_and_not_looked_up(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    measure(store, submit(store, sweep()).sweep_id)
    own = Settings(machine_name="lab1")
    monkeypatch.setenv("OMP_NUM_THREADS", "77")
    made = submission.planned(sweep(repetitions=3), store, this_machine=own)
    assert made.measured == 0
    assert "OMP_NUM_THREADS" in made.warnings[0]
    assert submission.planned(sweep(repetitions=3), store).measured == 4, "the worker has not started anew"


# Jobs that did not end well, and sweeps in progress


def test_what_failed_is_measured_again(store: Store) -> None:
    first = submit(store, sweep())
    measure(store, first.sweep_id, most=1, failure=FailureKind.OOM)
    measure(store, first.sweep_id)
    again = submission.planned(sweep(), store)
    assert (again.measured, again.failed, again.to_go) == (3, 1, 0)
    assert (submit(store, sweep(priority=1)).measured, counted(store, "mine")) == (3, 3)


def test_back_and_forth_measures_nothing_twice(store: Store) -> None:
    first = submit(store, sweep())
    ours = measure(store, first.sweep_id, most=1)
    second = submit(store, sweep(repetitions=3))
    assert (second.measured, second.to_go) == (1, 5)
    assert second.warnings == (
        f"sweep {first.sweep_id}, of the same name, still has 3 open jobs: `farm cancel {first.sweep_id}` cancels them",
    )
    store.cancel(first.sweep_id)
    theirs = measure(store, second.sweep_id, most=4)
    third = submit(store, sweep())
    assert third.sweep_id == first.sweep_id
    adopted = {job: own.adopts for job, own in store.known_jobs(first.sweep_id).items()}
    assert set(filter(None, adopted.values())) <= set(theirs)
    assert third.measured == 1 + len([one for one in adopted.values() if one])
    assert third.to_go == 4 - third.measured == third.added
    measure(store, first.sweep_id)
    assert counted(store, first.sweep_id) == 4
    assert ours[0] in {s.job for s in store.samples([first.sweep_id])}
    works = {(s.factors["batch_size"], s.repetition) for s in store.samples([first.sweep_id, second.sweep_id])}
    assert submit(store, sweep(repetitions=3)).to_go == 6 - len(works), "what the first measured since counts, too"


def test_a_third_revision_counts_what_the_first_measured(store: Store) -> None:
    measure(store, submit(store, sweep()).sweep_id)
    submit(store, sweep(repetitions=3))
    third = submit(store, sweep(repetitions=4))
    assert (third.measured, third.to_go) == (4, 4)


def test_trials_that_two_revisions_share_count_once_across_them(store: Store) -> None:
    first = submit(store, sweep()).sweep_id
    measure(store, first)
    second = submit(store, sweep(repetitions=3)).sweep_id
    measure(store, second)
    data = [load(store, store.find_sweep(one)) for one in (first, second)]
    assert [len(one.samples) for one in data] == [4, 6]
    assert [len(one.samples) for one in count_once(data)] == [4, 2]


def test_another_name_is_another_sweep(store: Store) -> None:
    measure(store, submit(store, sweep()).sweep_id)
    other = submit(store, sweep(name="other"))
    assert (other.measured, other.warnings) == (0, ())


def test_fresh_counts_nothing_from_before_also_when_it_goes_on(store: Store) -> None:
    measure(store, submit(store, sweep()).sweep_id)
    for again in (sweep(), sweep(repetitions=3)):
        fresh = submit(store, again, fresh=True)
        assert (fresh.measured, fresh.added) == (0, fresh.jobs)
        goes_on = submit(store, again)
        assert (goes_on.sweep_id, goes_on.measured, goes_on.added) == (fresh.sweep_id, 0, 0)


def test_a_search_adopts_nothing(store: Store) -> None:
    search = tuning_sweep(tuning={"strategies": ["random"], "seeds": 1})
    measure(store, submit(store, search).sweep_id)
    assert submit(store, search).measured == 1
    assert submit(store, search.model_copy(update={"priority": 1})).measured == 0


# Repetitions that follow from results


ADAPTIVE: dict[str, Any] = {"min": 2, "max": 6, "target": "1%"}


def test_repetitions_beyond_the_fewest_are_adopted_up_to_the_most(store: Store) -> None:
    measure(store, submit(store, sweep(repetitions=8)).sweep_id)
    second = submit(store, sweep(repetitions=ADAPTIVE))
    assert (second.measured, second.to_go, second.total) == (12, 0, 12)
    assert counted(store, second.sweep_id) == 12
    assert [sweep.id for sweep in store.undecided()] == [second.sweep_id], "the stopping rule has not decided yet"


def test_later_blocks_go_on_after_what_was_adopted(store: Store) -> None:
    measure(store, submit(store, sweep(repetitions=4)).sweep_id)
    second = submit(store, sweep(workload=batches(1, 2, 4), repetitions=ADAPTIVE))
    assert (second.measured, second.to_go) == (8, 2)
    measure(store, second.sweep_id)
    planning: Controller = controller(store, FakePublisher(), second.sweep_id)
    while planning.repeat():
        measure(store, second.sweep_id)
    found = [(s.factors["batch_size"], s.repetition) for s in store.samples([second.sweep_id])]
    assert len(found) == len(set(found))
    assert {size: sum(own == size for own, _ in found) for size in (1, 2, 4)} == {1: 6, 2: 6, 4: 6}
    assert sum(own.adopts is not None for own in store.known_jobs(second.sweep_id).values()) == 8


# What a user sees


def rows(one: Sweep, made: Plan) -> dict[str, str]:
    """The facts that a dry run shows."""
    (facts,) = (block for block in plans.described(one, made).blocks if isinstance(block, Facts))
    return dict(facts.rows)


def test_a_dry_run_tells_what_is_measured_and_stores_nothing(store: Store) -> None:
    measure(store, submit(store, sweep()).sweep_id)
    edited = sweep(repetitions=3)
    made = submission.planned(edited, store)
    record = plans.record(edited, made)
    assert (record["jobs"], record["measured"], record["to_go"], record["blocks"]) == (6, 4, 2, 3)
    whole = plans.record(edited, submission.planned(edited, store, fresh=True))
    assert record["expected_duration_s"] == pytest.approx(whole["expected_duration_s"] / 3)
    assert rows(edited, made)["progress"] == "4 of 6 measured, 2 to go"
    assert [one.id for one in store.sweeps()] == [sweep_id(sweep())]
    measure(store, submit(store, edited).sweep_id)
    beyond = sweep(repetitions=ADAPTIVE)
    assert rows(beyond, submission.planned(beyond, store))["jobs"] == (
        "6 = 2 points x 2 repetitions, shuffled in blocks, and 2 that were measured beyond these"
    )


def test_a_submission_tells_how_far_the_sweep_is(store: Store) -> None:
    measure(store, submit(store, sweep()).sweep_id)
    edited = sweep(repetitions=3)
    second = submit(store, edited)
    assert plans.submitted(edited, second).splitlines()[0] == (
        f"submitted mine ({second.sweep_id}): 2 jobs queued: 4 of 6 measured, 2 to go"
    )
    record = plans.submitted_record(second)
    assert (record["measured"], record["to_go"]) == (4, 2)


def test_the_note_on_other_revisions_names_three(store: Store) -> None:
    for window_s in (1, 2, 3, 4):
        measure(store, submit(store, sweep(measure=MEASURE | {"window_s": window_s})).sweep_id)
    last = submit(store, sweep(measure=MEASURE | {"window_s": 4}, repetitions=3)).sweep_id
    (note,) = revisions.note(store.other_revisions("mine", last))
    assert note.count("4 trials") == 3
    assert ", 4 counted here)" in note
    assert " and 1 more; `farm results ID` shows one" in note
    assert revisions.note([]) == []
    assert store.progress(last).counts == {JobState.DONE: 4, JobState.QUEUED: 2}
