"""Moderated variances: common where points are alike, the point's own where they differ."""

import numpy as np
import pytest

from farm.analysis.moderation import IMPROBABLE, POINTS_NEEDED, Spread, moderated
from farm.analysis.quantiles import two_sided_t


def drawn(true_variances: np.ndarray, freedom: int, seed: int = 0) -> list[Spread]:
    chi = np.random.default_rng(seed).chisquare(freedom, len(true_variances))
    return [Spread(float(v), freedom) for v in true_variances * chi / freedom]


def test_few_points_keep_their_own() -> None:
    few = drawn(np.ones(POINTS_NEEDED - 1), 2)
    assert moderated(few) == few


def test_points_that_are_alike_get_the_common_variance() -> None:
    own = drawn(np.full(40, 4.0), 2, seed=1)
    found = moderated(own)
    kept = [s for s, before in zip(found, own, strict=True) if s == before]
    borrowed = [s for s, before in zip(found, own, strict=True) if s != before]
    assert len(kept) < IMPROBABLE * len(own)
    assert np.std([s.variance for s in borrowed]) < 0.2 * np.std([s.variance for s in own])
    assert np.mean([s.variance for s in borrowed]) == pytest.approx(4, rel=0.4)
    assert all(4 < s.freedom <= 80 for s in borrowed)


def test_a_point_that_plainly_spreads_more_keeps_its_own() -> None:
    wild = Spread(400.0, 2)
    assert moderated([*drawn(np.full(20, 4.0), 2, seed=2), wild])[-1] == wild


def test_a_point_whose_trials_agree_by_chance_does_not_keep_its_own() -> None:
    (*_, found) = moderated([*drawn(np.full(20, 4.0), 2, seed=2), Spread(0.004, 2)])
    assert found.variance > 100 * 0.004


@pytest.mark.parametrize("true_variances", [np.ones(9), np.repeat([1.0, 4.0], (7, 2)), np.repeat([1.0, 30.0], (8, 1))])
@pytest.mark.parametrize("freedom", [2, 4])
def test_intervals_hold_the_truth_where_points_are_alike_and_where_they_differ(
    true_variances: np.ndarray, freedom: int
) -> None:
    """Of 9 points: all alike; two with twice the spread of the others; one with 5.5 times their spread."""
    rng = np.random.default_rng(5)
    held = np.zeros((300, 9), dtype=bool)
    for sweep in held:
        found = moderated(drawn(true_variances, freedom, seed=int(rng.integers(2**31))))
        halves = [np.sqrt(s.variance) * two_sided_t(s.freedom) for s in found]
        sweep[:] = np.abs(rng.normal(0, np.sqrt(true_variances))) <= halves
    assert 0.92 < held.mean() < 0.99
    assert held[:, -2:].mean() > 0.86


def test_points_that_plainly_differ_keep_nearly_their_own() -> None:
    own = drawn(10.0 ** np.arange(-4, 4, 0.2), 20)
    assert max(s.freedom for s in moderated(own)) < 21


def test_a_point_without_spread_gets_the_variance_of_the_others() -> None:
    found = moderated([*drawn(np.full(20, 4.0), 2), Spread(0.0, 0.0)])
    assert found[-1].variance > 1
