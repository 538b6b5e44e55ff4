"""What the studies of a tuning sweep ask for, from what they know alone."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pytest

from farm.kinds.tuning.sweep import TuningSweep
from farm.model import SEARCH_FACTORS, Domain, JobState, Machine, Point, Rung, Stopped
from farm.model.errors import InputError
from farm.scheduling import tuner
from farm.scheduling.plan import UNKNOWN_LIMIT_S, PlannedJob
from farm.scheduling.tuner import Known, finished_trials, plan, plan_next_jobs, studies, studies_with_room
from farm.scheduling.tuning import Finished
from farm.spec import sweep_id
from farm.store import Trained
from tests.searches import EPOCHS, accuracies, asked, trained, tuning_sweep, uninterrupted

QUEUED, RUNNING, DONE, FAILED = JobState.QUEUED, JobState.RUNNING, JobState.DONE, JobState.FAILED
State = Callable[[PlannedJob], JobState]


def known(jobs: Iterable[PlannedJob], state: State = lambda _: DONE, **changes: Any) -> Known:
    """What a store would know of these jobs."""
    jobs = list(jobs)
    return Known([asked(j, state(j)) for j in jobs], [trained(j, **changes) for j in jobs if state(j) == DONE])


def key(job: PlannedJob) -> tuple[str, int]:
    assert job.spec.asked is not None
    return job.spec.asked.study, job.spec.asked.number


def told(jobs: Iterable[PlannedJob], sweep: TuningSweep, trainings: Iterable[Trained], state: State) -> list[Finished]:
    """What the first study is told of jobs."""
    study = studies(sweep, sweep_id(sweep), ["any"])[0]
    own = [asked(job, state(job)) for job in jobs if key(job)[0] == study.id]
    return list(finished_trials(study.study, own, [t for t in trainings if t.study == study.id]))


def first_study(sweep: TuningSweep) -> list[PlannedJob]:
    study = studies(sweep, sweep_id(sweep), ["any"])[0]
    return [job for job in plan(sweep, []).jobs if key(job)[0] == study.id]


# Studies and their jobs


def test_a_study_for_each_point_target_strategy_and_seed() -> None:
    sweep = tuning_sweep(workload={"model": ["simple_cnn", "simple_cnn2"]}, targets=["a", "b"])
    found = studies(sweep, "sweep", ["machine:a", "machine:b"])
    assert len(found) == len({study.id for study in found}) == 2 * 2 * 2 * 2
    assert {(s.spec.point["strategy"], s.spec.point["tuning_seed"]) for s in found} == {
        (name, seed) for name in ("random", "tpe") for seed in (1, 2)
    }
    assert {study.id for study in found}.isdisjoint(study.id for study in studies(sweep, "other", ["machine:a"]))


def test_the_first_plan_has_the_first_configuration_of_every_study() -> None:
    planned = plan(tuning_sweep(), [])
    assert sorted(map(key, planned.jobs)) == sorted({(study, 0) for study, _ in map(key, planned.jobs)})
    assert (len(planned.jobs), planned.total) == (4, 20)
    assert {(job.spec.kind, job.spec.time_limit_s) for job in planned.jobs} == {("training", UNKNOWN_LIMIT_S)}


def test_a_point_is_that_of_the_workload_with_what_was_chosen_and_the_factors_of_the_search() -> None:
    sweep = tuning_sweep()
    spec = plan(sweep, []).jobs[0].spec
    base = tuner.studies(sweep, "sweep", ["any"])[0].spec.point
    assert set(spec.point) == set(base) | set(SEARCH_FACTORS)
    assert spec.point["configuration"] == 0
    differ = {name for name in base if spec.point[name] != base[name]} - set(SEARCH_FACTORS)
    assert differ == {"lr", "beta1"}


def test_a_parameter_that_is_absent_keeps_the_workloads_value() -> None:
    space = {"optimizer": ["adam", "sgd"], "momentum": {"low": 0.5, "high": 0.9, "when": {"optimizer": "sgd"}}}
    points = [job.spec.point for job in uninterrupted(tuning_sweep(tuning={"space": space, "trials": 12}))]
    momenta = {name: {p["momentum"] for p in points if p["optimizer"] == name} for name in ("adam", "sgd")}
    assert momenta["adam"] == {0.0}
    assert momenta["sgd"]
    assert all(isinstance(value, float) and 0.5 <= value <= 0.9 for value in momenta["sgd"])


def test_repetitions_differ_in_their_seed_and_configurations_in_their_hyperparameters_alone() -> None:
    jobs = uninterrupted(tuning_sweep(repetitions=3, seed=7, tuning={"strategies": "random", "trials": 3}))
    assert len(jobs) == 2 * 3 * 3
    assert {(job.spec.repetition, job.spec.seed) for job in jobs} == {(0, 7), (1, 8), (2, 9)}
    points = {k: {repr(job.spec.point) for job in jobs if key(job) == k} for k in map(key, jobs)}
    assert all(len(of_configuration) == 1 for of_configuration in points.values())


def test_a_block_has_every_study_once_in_an_order_of_its_own() -> None:
    jobs = sorted(uninterrupted(tuning_sweep(tuning={"seeds": 5})), key=lambda job: job.ordinal)
    assert [job.ordinal for job in jobs] == list(range(50))
    assert [job.block for job in jobs] == [number for number in range(5) for _ in range(10)]
    orders = [tuple(key(job)[0] for job in jobs[start : start + 10]) for start in range(0, 50, 10)]
    assert len(set(orders)) == 5
    assert len({frozenset(order) for order in orders}) == 1


def test_a_grid_ends_with_its_points() -> None:
    sweep = tuning_sweep(tuning={"strategies": [{"name": "grid", "levels": 2}], "trials": 50, "seeds": 1})
    jobs = uninterrupted(sweep)
    assert len(jobs) == plan(sweep, []).total == 4
    assert len({(job.spec.point["lr"], job.spec.point["beta1"]) for job in jobs}) == 4


def test_what_cannot_be_searched_is_refused_before_anything_is_planned(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="gp-pi takes ranges"):
        plan(tuning_sweep(tuning={"space": {"optimizer": ["adam", "sgd"]}, "strategies": "gp-pi"}), [])
    with pytest.raises(InputError, match="start `farm worker` first"):
        plan(tuning_sweep(targets="each-hardware"), [])
    with pytest.raises(InputError, match="makes 2000000 jobs"):
        plan(tuning_sweep(tuning={"trials": 1000, "seeds": 1000}), [])
    monkeypatch.setattr("farm.scheduling.tuning.strategies.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"strategy random needs optuna: pip install 'wattfarm\[tuning\]'"):
        plan(tuning_sweep(), [])


def test_each_hardware_class_searches_for_itself() -> None:
    machines = [Machine(id=name, name=name, hardware_class=name, hardware={}) for name in ("big", "small")]
    planned = plan(tuning_sweep(targets="each-hardware"), machines)
    assert {job.queue for job in planned.jobs} == {"farm.hw.big", "farm.hw.small"}
    assert len({key(job)[0] for job in planned.jobs}) == 8


# The loop


@pytest.mark.parametrize("strategy", ["random", "sobol", "tpe", "gp-pi"])
def test_a_search_asks_for_each_number_once_and_the_same_whenever_it_is_begun_anew(strategy: str) -> None:
    sweep = tuning_sweep(tuning={"strategies": strategy, "trials": 6})
    jobs, again = uninterrupted(sweep), uninterrupted(sweep)
    assert sorted(key(job)[1] for job in jobs) == sorted(list(range(6)) * 2)
    assert [(job.id, job.spec.point) for job in jobs] == [(job.id, job.spec.point) for job in again]


def test_nothing_follows_while_enough_is_open() -> None:
    sweep, first = tuning_sweep(), plan(tuning_sweep(), []).jobs
    over = first[0]
    for state in (QUEUED, RUNNING, JobState.CANCELLED):
        new = plan(sweep, [], known=known(first, lambda job, state=state: DONE if job == over else state)).jobs  # type: ignore[misc]
        assert [key(job) for job in new] == [(key(over)[0], 1)]


def test_a_configuration_waits_for_all_its_repetitions() -> None:
    sweep = tuning_sweep(repetitions=2)
    first = plan(sweep, []).jobs
    assert plan(sweep, [], known=known(first, lambda job: RUNNING if job.spec.repetition else DONE)).jobs == ()
    assert len(plan(sweep, [], known=known(first)).jobs) == 8


def test_parallel_configurations_know_of_each_other() -> None:
    """TPE with a constant liar: the second of two does not go where the first is under way."""
    tuning = {"strategies": [{"name": "tpe", "startup": 1}], "seeds": 1, "trials": 6, "parallel": 2}
    sweep = tuning_sweep(tuning=tuning)
    first = plan(sweep, []).jobs
    assert [key(job)[1] for job in first] == [0, 1]
    second = plan(sweep, [], known=known(first)).jobs
    assert [key(job)[1] for job in second] == [2, 3]
    alone = [asked(first[0]), asked(first[1]), asked(second[0], FAILED)]
    (unaware,) = [
        job
        for job in plan_next_jobs(
            sweep, studies(sweep, sweep_id(sweep), ["any"]), Known(alone, list(map(trained, first)))
        )
        if key(job)[1] == 3
    ]
    assert unaware.spec.point["lr"] != second[1].spec.point["lr"]
    one_open = known([*first, *second], lambda job: RUNNING if job == second[0] else DONE)
    assert [key(job)[1] for job in plan(sweep, [], known=one_open).jobs] == [4]


def test_studies_that_are_full_want_nothing() -> None:
    sweep = tuning_sweep(tuning={"trials": 1})
    found = studies(sweep, sweep_id(sweep), ["any"])
    assert len(list(studies_with_room(sweep, found, []))) == 4
    assert list(studies_with_room(sweep, found, map(asked, plan(sweep, []).jobs))) == []


def test_a_strategy_that_breaks_down_reports_it_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> Point:
        raise np.linalg.LinAlgError("4-th leading minor\nnot positive definite")

    monkeypatch.setattr("farm.scheduling.tuner.ask", broken)
    with pytest.raises(InputError) as told:
        plan(tuning_sweep(tuning={"strategies": "tpe"}), [])
    assert str(told.value) == (
        "strategy tpe could not choose configuration 0 (4-th leading minor not positive definite)"
    )


def test_how_long_asking_took_is_stored_with_the_job() -> None:
    times = [job.spec.asked for job in plan(tuning_sweep(), []).jobs]
    assert all(t is not None and t.sampler_s > 0 and t.sampler_cpu_s >= 0 for t in times)


# What a strategy is told


def test_a_configuration_is_worth_the_mean_accuracy_after_the_last_epoch() -> None:
    sweep = tuning_sweep(repetitions=2)
    jobs = first_study(sweep)
    (only,) = told(jobs, sweep, map(trained, jobs), lambda _: DONE)
    last = [accuracies(job.spec)[-1] for job in jobs]
    assert only.values == pytest.approx((sum(last) / 2,))
    assert len(only.accuracies) == EPOCHS
    assert only.params == {name: jobs[0].spec.point[name] for name in ("lr", "beta1")}


def test_a_failed_repetition_is_left_out_and_a_configuration_without_any_has_failed() -> None:
    sweep = tuning_sweep(repetitions=2)
    jobs = first_study(sweep)
    one_failed = told(jobs, sweep, [trained(jobs[0])], lambda job: FAILED if job.spec.repetition else DONE)
    assert [trial.values for trial in one_failed] == [pytest.approx((accuracies(jobs[0].spec)[-1],))]
    (both,) = told(jobs, sweep, [], lambda _: FAILED)
    assert (both.values, both.accuracies, both.number) == (None, (), 0)


def test_a_training_without_an_epoch_has_failed() -> None:
    sweep = tuning_sweep()
    jobs = first_study(sweep)
    (only,) = told(jobs, sweep, [trained(jobs[0], accuracies=(), stopped=Stopped.DIVERGED)], lambda _: DONE)
    assert only.values is None


def test_a_pruned_training_has_the_values_that_it_had_reached() -> None:
    sweep = tuning_sweep()
    jobs = first_study(sweep)
    (only,) = told(jobs, sweep, [trained(jobs[0], accuracies=(0.1, 0.2), stopped=Stopped.PRUNED)], lambda _: DONE)
    assert (only.is_pruned, only.accuracies, only.values) == (True, (0.1, 0.2), (0.2,))


@pytest.mark.parametrize(("device", "energy_j"), [("cpu", 5.0), ("cuda:0", 50.0), (None, 5.0)])
def test_energy_is_that_of_the_device(device: str | None, energy_j: float) -> None:
    sweep = tuning_sweep(tuning={"objectives": ["accuracy", "energy"]})
    jobs = first_study(sweep)
    (only,) = told(jobs, sweep, [trained(jobs[0], device=device)], lambda _: DONE)
    assert only.values == (accuracies(jobs[0].spec)[-1], energy_j)


def test_without_joules_the_objective_energy_fails() -> None:
    sweep = tuning_sweep(tuning={"objectives": ["accuracy", "energy"]})
    jobs = first_study(sweep)
    for energies_j in ({}, {Domain.CPU: None, Domain.GPU: 3.0}):
        (only,) = told(jobs, sweep, [trained(jobs[0], energies_j=energies_j)], lambda _: DONE)
        assert only.values is None


def test_pruning_gives_a_job_what_it_must_reach() -> None:
    tuning = {"strategies": "random", "seeds": 1, "pruning": {"rule": "halving", "factor": 2, "first": 1}}
    sweep = tuning_sweep(tuning=tuning)
    first = plan(sweep, []).jobs
    assert first[0].spec.rungs == ()
    (second,) = plan(sweep, [], known=known(first)).jobs
    reached = accuracies(first[0].spec)
    assert second.spec.rungs == tuple(
        Rung(epoch=epoch, least_accuracy=reached[epoch - 1], judges="last") for epoch in (1, 2)
    )
