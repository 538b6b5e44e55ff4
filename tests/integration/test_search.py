"""A tuning sweep at work: real trainings, and a controller that is killed in the middle."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from farm.model import FailureKind, JobState
from farm.scheduling import submission
from farm.settings import Settings
from tests.integration.farms import QUICK, Farm, kill, running_farm, wait_for
from tests.searches import tuning_sweep, uninterrupted

#: Pooled four times, 8 x 8 pixels are none: these trainings fail.
TOO_DEEP = 4
SWEEP = tuning_sweep(
    workload={"model": "simple_cnn", "dataset": "digits", "epochs": 2, "device": "cpu", "threads": 1, "train_size": 64},
    measure=QUICK.model_dump(exclude={"baseline"}),
    tuning={
        "space": {"lr": {"low": 1e-4, "high": 0.1, "log": True}, "conv_layers": [1, TOO_DEEP]},
        "strategies": [{"name": "grid", "levels": 2}, "random", {"name": "tpe", "startup": 1}],
        "trials": 3,
        "seeds": 2,
    },
)
PLANNED = 3 * 2 * 3


@pytest.fixture
def farm(tmp_path: Path) -> Iterator[Farm]:
    with running_farm(tmp_path, "filesystem://", f"sqlite:///{tmp_path / 'farm.db'}") as farm:
        yield farm


def test_a_controller_killed_in_the_middle_goes_on_where_it_was(farm: Farm) -> None:
    sweep = submission.enqueue(SWEEP, "", farm.store, Settings()).sweep_id
    controller = farm.start("serve")
    farm.start_worker()
    wait_for("a second configuration is over", lambda: farm.progress(sweep).closed > 7)
    kill(psutil.Process(controller.pid))
    controller.wait()
    wait_for("the worker has done what was asked for", lambda: farm.progress(sweep).open == 0)
    assert not farm.progress(sweep).is_over
    before = {job.id: job.spec for job in farm.store.jobs(sweep)}

    farm.start("serve")
    trials = farm.wait_until_over(sweep)
    after = {job.id: job.spec for job in farm.store.jobs(sweep)}
    assert len(trials) == len(after) == PLANNED, "no training twice"
    assert {job: after[job] for job in before} == before
    asked = Counter((job.study, job.number) for job in farm.store.asked_jobs(sweep))
    assert set(asked.values()) == {1}
    assert {number for _, number in asked} == {0, 1, 2}

    blind = {job.id: job.spec.point for job in uninterrupted(SWEEP) if job.spec.point["strategy"] != "tpe"}
    assert {job: after[job].point for job in blind} == blind, "as if nothing had happened"

    deep = {job for job, spec in after.items() if spec.point["conv_layers"] == TOO_DEEP}
    failed = {trial.job for trial in trials if trial.failure is not None}
    assert failed == deep != set(after)
    assert farm.progress(sweep).counts == {JobState.FAILED: len(deep), JobState.DONE: PLANNED - len(deep)}
    assert all(row.epochs or row.failure for row in farm.store.trial_rows(sweep))
    assert FailureKind.LOST not in {trial.failure for trial in trials}
