"""Means over trials whose points tell each other's spread."""

import numpy as np
import pytest

from farm.analysis.intervals import mean_interval
from farm.analysis.means import TRIALS_NEEDED, Trials, means, together
from farm.analysis.moderation import POINTS_NEEDED

ORDERS = ((0.99, 1.0, 1.012), (1.012, 0.99, 1.0), (1.0, 1.012, 0.99))
VALUES = [[10 * size * share for share in ORDERS[size % 3]] for size in range(1, POINTS_NEEDED + 1)]


def points(values: list[list[float]], place: object = "lab1") -> list[Trials]:
    return [Trials(own, place=place, blocks=range(len(own))) for own in values]


def test_points_of_one_place_borrow_and_say_so() -> None:
    found = means(points(VALUES))
    assert {mean.points for mean in found if mean} == {POINTS_NEEDED}
    for mean, own in zip(found, VALUES, strict=True):
        alone = mean_interval(own)
        assert mean is not None
        assert mean.mean == alone.mean
        assert (mean.half_width or 0) < 0.8 * (alone.half_width or 0)


@pytest.mark.parametrize(
    "groups",
    [
        points(VALUES[1:]),
        points(VALUES, place=None),
        [*points(VALUES[:4], "lab1"), *points(VALUES[4:], "lab2")],
        points([own[: TRIALS_NEEDED - 1] for own in VALUES]),
        points([*VALUES[1:], [1.0, -1.0, 2.0]]),
    ],
    ids=["too few points", "several places", "two machines", "two trials", "one within its noise"],
)
def test_intervals_are_their_own_where_nothing_can_be_borrowed(groups: list[Trials]) -> None:
    assert means(groups) == [mean_interval(own.values) for own in groups]


def test_a_point_without_values_has_no_mean() -> None:
    assert means([Trials([]), Trials([2.0], us=[0.1])]) == [None, mean_interval([2.0], us=[0.1])]


def test_blocks_that_move_all_points_are_noticed() -> None:
    rng = np.random.default_rng(3)
    own, block = rng.normal(0, 0.01, (9, 4)), rng.normal(0, 0.03, 4)
    assert together(points((1 + own).tolist())) < 0.4
    assert together(points((1 + own + block).tolist())) > 0.7
    assert together([Trials(values) for values in (1 + own + block).tolist()]) == 0, "no blocks are known"


def test_intervals_hold_the_truth_though_blocks_move_all_points() -> None:
    """Of 9 points over 3 blocks: a block moves all its trials by 2 %, and each trial differs by 0.5 % more."""
    rng = np.random.default_rng(4)
    held = []
    for _ in range(300):
        values = 1 + rng.normal(0, 0.02, 3) + rng.normal(0, 0.005, (9, 3))
        held += [
            mean.low <= 1 <= mean.high for mean in means(points(values.tolist())) if mean and mean.low and mean.high
        ]
    assert len(held) == 9 * 300
    assert np.mean(held) > 0.9
