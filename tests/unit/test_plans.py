"""What a dry run and a submission show; every ready-made sweep can be planned."""

from pathlib import Path

import pytest

import farm.sweeps
from farm.kinds import load_sweep, ready_made
from farm.kinds.inference.sweep import InferenceSweep
from farm.kinds.tuning.sweep import TuningSweep
from farm.model import Machine
from farm.report.document import Facts
from farm.scheduling import tuner
from farm.scheduling.plan import Plan, plan
from farm.scheduling.status import plans
from farm.scheduling.submission import Submission
from tests.searches import tuning_sweep

READY_MADE = Path(farm.sweeps.__file__).parent


def lines(sweep: InferenceSweep | TuningSweep, made: Plan) -> list[str]:
    """Each fact on one line."""
    (facts,) = (block for block in plans.described(sweep, made).blocks if isinstance(block, Facts))
    return [" ".join(row) for row in facts.rows]


def test_a_dry_run_shows_jobs_and_how_long_they_measure() -> None:
    written = {"name": "demo", "kind": "inference", "workload": {"model": ["alexnet", "vgg11"]}, "repetitions": 3}
    sweep = InferenceSweep.model_validate(written)
    made = plan(sweep, [])
    assert lines(sweep, made)[1:4] == [
        "jobs 6 = 2 points x 3 repetitions, shuffled in blocks",
        "target any: 6 jobs",
        "duration about 4 min 15 s of measuring, shared among the machines",
    ]
    facts = plans.record(sweep, made)
    assert (facts["jobs"], facts["points"], facts["blocks"], facts["targets"]) == (6, 2, 3, {"any": 6})
    assert "studies" not in facts


def test_a_dry_run_of_a_search_shows_studies_and_what_follows() -> None:
    grid = {"name": "grid", "levels": 2}
    sweep = tuning_sweep(repetitions=2, tuning={"strategies": [grid, "random"], "seeds": 3, "parallel": 2})
    made = tuner.plan(sweep, [])
    assert lines(sweep, made)[1:5] == [
        "studies 6 = 1 point x 2 strategies x 3 seeds",
        "trials of each study: grid 4, random 5; each trained 2 times",
        "jobs 54 in all, 24 of them at once, the others as results come in",
        "target any: 24 jobs at once",
    ]
    facts = plans.record(sweep, made)
    assert (facts["jobs"], facts["at_once"], facts["studies"], facts["blocks"]) == (54, 24, 6, 5)
    assert facts["configurations"] == {"grid": 4, "random": 5}


def test_a_submission_shows_what_is_still_to_come() -> None:
    sweep = tuning_sweep()
    assert plans.submitted(sweep, Submission("abc", jobs=4, total=20, added=4, measured=0, to_go=20, warnings=())) == (
        "submitted search (abc): 4 jobs queued, 16 more as results come in\n`farm watch abc` follows them"
    )
    assert plans.submitted(sweep, Submission("abc", jobs=20, total=20, added=0, measured=12, to_go=5, warnings=())) == (
        "submitted search (abc): 0 jobs queued: 12 of 20 measured, 3 failed, 5 to go"
    )


@pytest.mark.parametrize("name", ready_made.names())
def test_every_ready_made_sweep_can_be_planned(name: str) -> None:
    sweep = load_sweep(READY_MADE / f"{name}.yaml")
    machines = [Machine(id="m", name="lab1", hardware_class="small", hardware={})]
    made = tuner.plan(sweep, machines) if isinstance(sweep, TuningSweep) else plan(sweep, machines)
    assert sweep.name == name
    assert made.total >= len(made.jobs) > 0
    assert made.warnings == ()


def test_the_faithful_search_is_that_of_the_study() -> None:
    sweep = load_sweep(READY_MADE / "tuning-faithful.yaml")
    assert isinstance(sweep, TuningSweep)
    made = tuner.plan(sweep, [])
    studies = tuner.studies(sweep, made.sweep_id, ["any"])
    assert {study.study.strategy.name for study in studies} == {"grid", "random", "gp-pi"}
    assert {study.size for study in studies} == {64}
    assert made.total == 3 * 2 * 3 * 64 * 8
    points = [job.spec.point for job in made.jobs]
    assert {(p["batch_size"], p["epochs"], p["optimizer"]) for p in points} == {(512, 25, "adam")}
    in_grid = [0.1 + 0.18 * level for level in range(5)]
    assert all(any(p["beta1"] == pytest.approx(level) for level in in_grid) for p in points if p["strategy"] == "grid")


def test_the_quick_search_compares_four_strategies_over_enough_seeds() -> None:
    sweep = load_sweep(READY_MADE / "tuning-quick.yaml")
    assert isinstance(sweep, TuningSweep)
    assert (len(sweep.tuning.strategies), len(sweep.tuning.seeds)) == (4, 7)
    assert tuner.plan(sweep, []).total == 196
