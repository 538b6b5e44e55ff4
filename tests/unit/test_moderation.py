"""Moderated variances: common where points are alike, the point's own where they differ."""

import numpy as np
import pytest

from farm.analysis.moderation import POINTS_NEEDED, Spread, moderated


def drawn(true_variances: np.ndarray, freedom: int, seed: int = 0) -> list[Spread]:
    chi = np.random.default_rng(seed).chisquare(freedom, len(true_variances))
    return [Spread(float(v), freedom) for v in true_variances * chi / freedom]


def test_few_points_keep_their_own() -> None:
    few = drawn(np.ones(POINTS_NEEDED - 1), 2)
    assert moderated(few) == few


def test_points_that_are_alike_get_the_common_variance() -> None:
    own = drawn(np.full(40, 4.0), 2, seed=1)
    found = moderated(own)
    assert np.std([s.variance for s in found]) < 0.1 * np.std([s.variance for s in own])
    assert np.mean([s.variance for s in found]) == pytest.approx(4, rel=0.4)
    assert all(20 < s.freedom <= 80 for s in found)


def test_points_that_plainly_differ_keep_nearly_their_own() -> None:
    own = drawn(10.0 ** np.arange(-4, 4, 0.2), 20)
    assert max(s.freedom for s in moderated(own)) < 21


def test_a_point_without_spread_gets_the_variance_of_the_others() -> None:
    found = moderated([*drawn(np.full(20, 4.0), 2), Spread(0.0, 0.0)])
    assert found[-1].variance > 1
