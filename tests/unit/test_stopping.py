"""When a point has been repeated often enough."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from farm.analysis.aggregate import UnitSample
from farm.analysis.stopping import PointStatus, statuses
from farm.kinds import get
from farm.model import Flag, Repetition, StoppingRule
from farm.scheduling.plan import plan_block
from tests.factories import job_spec
from tests.summaries import sample

RULE = StoppingRule(min=3, max=8, target=0.02)


def specs(count: int, **point: str | int) -> list[Repetition]:
    return [
        Repetition(f"{point}/{index}", "any", {"model": "alexnet", **point}, index, index) for index in range(count)
    ]


def measured(jobs: Sequence[Repetition], values: Sequence[float], flags: tuple[Flag, ...] = ()) -> list[UnitSample]:
    return [
        sample(labels={"job": job.job, **job.point}, net_j=value, net_u_j=0.0001, flags=flags)
        for job, value in zip(jobs, values, strict=False)
    ]


def status(values: Sequence[float], planned: int | None = None, flags: tuple[Flag, ...] = ()) -> PointStatus:
    jobs = specs(planned or len(values))
    (found,) = statuses(jobs, measured(jobs, values, flags), RULE)
    return found


def test_a_lone_point_is_closed_once_its_interval_is_narrow_and_rests_on_five_trials() -> None:
    assert status([1.0, 1.001, 0.999]).is_open
    assert status([1.0, 1.001, 0.999, 1.0]).is_open
    assert not status([1.0, 1.001, 0.999, 1.0, 1.001]).is_open


def test_nothing_ends_on_one_trial() -> None:
    jobs = [job for size in range(9) for job in specs(1, batch_size=size)]
    found = statuses(jobs, measured(jobs, [1.0] * 9), StoppingRule(min=1, max=2, target=0.5))
    assert [s.is_open for s in found] == [True] * 9


def test_a_point_that_spreads_stays_open_until_the_most_repetitions() -> None:
    assert status([1.0, 1.2, 0.8]).is_open
    assert status([1.0, 1.2, 0.8, 1.1, 0.9, 1.0, 1.2]).is_open
    assert not status([1.0, 1.2, 0.8, 1.1, 0.9, 1.0, 1.2, 0.9]).is_open


def sweep_of(values: Sequence[Sequence[float]], shared_u: float = 0.0) -> list[PointStatus]:
    """The status of points of one sweep by their trials' values."""
    jobs = [specs(len(own), batch_size=size) for size, own in enumerate(values)]
    samples = [
        sample(labels={"job": job.job, "batch_size": size}, net_j=value, net_u_j=shared_u, net_shared_u_j=shared_u)
        for size, (own, of) in enumerate(zip(jobs, values, strict=True))
        for job, value in zip(own, of, strict=True)
    ]
    return statuses([job for own in jobs for job in own], samples, RULE)


def test_points_end_together_once_their_common_spread_is_small_enough() -> None:
    """One of the points has a wide interval by bad luck: it does not go on alone, and its own is shown."""
    lucky, unlucky = [1.0, 1.008, 0.992], [1.0, 1.015, 0.985]
    found = sweep_of([lucky] * 8 + [unlucky])
    assert not any(s.is_open for s in found)


def test_a_point_that_plainly_spreads_more_goes_on_alone() -> None:
    found = sweep_of([[1.0, 1.008, 0.992]] * 8 + [[1.0, 1.1, 0.9]])
    assert [s.is_open for s in found] == [False] * 8 + [True]


def test_repetitions_end_where_the_error_that_trials_share_is_what_is_left() -> None:
    """A shared error of 3 % leaves an interval of 5.9 %, whatever the number of trials; the target is 2 %."""
    found = sweep_of([[1.0, 1.008, 0.992]] * 9, shared_u=0.03)
    assert not any(s.is_open for s in found)
    assert all(((s.interval and s.interval.relative) or 0) > 0.058 for s in found)


def test_flagged_and_failed_trials_do_not_count() -> None:
    contaminated = status([1.0] * 5, flags=(Flag.CONTAMINATED,))
    assert (contaminated.valid, contaminated.interval, contaminated.is_open) == (0, None, True)
    noted = status([1.0, 1.001, 0.999, 1.0, 1.001], flags=(Flag.POWER_CAPPED,))
    assert (noted.valid, noted.is_open) == (5, False)
    assert status([1.0, 1.001, 0.999, 1.0], planned=5).is_open
    assert not status([], planned=8).is_open


def test_each_target_and_point_stands_for_itself() -> None:
    sure, unsure = specs(5, batch_size=1), specs(5, batch_size=4)
    samples = measured(sure, [1, 1.001, 1, 1.001, 1]) + measured(unsure, [1, 2, 3, 2, 1])
    found = statuses([*sure, *unsure], samples, RULE)
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
