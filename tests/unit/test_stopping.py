"""When a point has been repeated often enough."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from farm.analysis.aggregate import UnitSample
from farm.analysis.stopping import PointStatus, statuses
from farm.kinds import get
from farm.model import Flag, JobSpec, StoppingRule
from farm.scheduling.plan import plan_block
from tests.factories import job_spec
from tests.summaries import sample

RULE = StoppingRule(min=3, max=6, target=0.02)


def specs(count: int, **point: str | int) -> list[JobSpec]:
    return [
        job_spec(job=f"{point}/{index}", repetition=index, point={"model": "alexnet", **point})
        for index in range(count)
    ]


def measured(jobs: Sequence[JobSpec], values: Sequence[float], flags: tuple[Flag, ...] = ()) -> list[UnitSample]:
    return [
        sample(labels={"job": job.job}, net_j=value, net_u_j=0.0001, flags=flags)
        for job, value in zip(jobs, values, strict=False)
    ]


def status(values: Sequence[float], planned: int | None = None, flags: tuple[Flag, ...] = ()) -> PointStatus:
    jobs = specs(planned or len(values))
    (found,) = statuses(jobs, measured(jobs, values, flags), RULE)
    return found


def test_a_point_is_closed_once_its_interval_is_narrow() -> None:
    assert not status([1.0, 1.001, 0.999]).is_open


def test_a_point_that_spreads_stays_open_until_the_most_repetitions() -> None:
    assert status([1.0, 1.2, 0.8]).is_open
    assert status([1.0, 1.2, 0.8, 1.1, 0.9]).is_open
    assert not status([1.0, 1.2, 0.8, 1.1, 0.9, 1.0]).is_open


def test_flagged_and_failed_trials_do_not_count() -> None:
    contaminated = status([1.0, 1.0, 1.0], flags=(Flag.CONTAMINATED,))
    assert (contaminated.valid, contaminated.interval, contaminated.is_open) == (0, None, True)
    noted = status([1.0, 1.001, 0.999], flags=(Flag.POWER_CAPPED,))
    assert (noted.valid, noted.is_open) == (3, False)
    assert status([1.0, 1.001], planned=3).is_open
    assert not status([], planned=6).is_open


def test_each_target_and_point_stands_for_itself() -> None:
    sure, unsure = specs(3, batch_size=1), specs(3, batch_size=4)
    found = statuses([*sure, *unsure], measured(sure, [1, 1.001, 1]) + measured(unsure, [1, 2, 3]), RULE)
    assert [(s.point["batch_size"], s.is_open) for s in found] == [(1, False), (4, True)]


@given(st.sets(st.integers(1, 50), min_size=1, max_size=8), st.integers(1, 9))
def test_the_next_block_has_every_open_point_once(sizes: set[int], block: int) -> None:
    open_specs = [job_spec(job=str(size), point={"model": "alexnet", "batch_size": size}) for size in sizes]
    made = plan_block(get("inference"), open_specs, block, 100)
    assert {job.spec.point["batch_size"] for job in made} == sizes
    assert len({job.id for job in made}) == len(sizes) == len(made)
    assert [job.ordinal for job in made] == list(range(100, 100 + len(sizes)))
    assert {job.spec.repetition for job in made} == {block}
    assert made == plan_block(get("inference"), list(reversed(open_specs)), block, 100)
