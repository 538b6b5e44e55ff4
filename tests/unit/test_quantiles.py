"""Quantiles agree with scipy's."""

from math import inf

import pytest
from scipy import special, stats

from farm.analysis.quantiles import digamma, most_heads, normal, normal_quantile, t_quantile, trigamma


@pytest.mark.parametrize("freedom", [1, 1.3, 2, 2.7, 3, 4, 5, 9.5, 46, 47, 1000, 37_599, inf])
def test_quantiles_of_students_t(freedom: float) -> None:
    assert t_quantile(0.975, freedom) == pytest.approx(stats.t.ppf(0.975, freedom), rel=1e-11)


@pytest.mark.parametrize("n", [0, 1, 5, 6, 7, 8, 47, 100, 101, 102, 1000, 37_600, 1_000_000])
def test_most_heads(n: int) -> None:
    fewer = int(stats.binom.ppf(0.025, n, 0.5)) - 1
    while stats.binom.cdf(fewer + 1, n, 0.5) <= 0.025:
        fewer += 1
    assert most_heads(n, 0.025) == (fewer if fewer >= 0 else None)


@pytest.mark.parametrize("z", [-8.0, -1.96, 0.0, 0.5, 3.0])
def test_the_normal_distribution(z: float) -> None:
    assert normal(z) == pytest.approx(stats.norm.cdf(z), rel=1e-12)
    assert normal_quantile(normal(z)) == pytest.approx(z, abs=1e-9)


def test_a_certain_event_has_no_finite_quantile() -> None:
    assert (normal_quantile(0.0), normal_quantile(1.0)) == (-inf, inf)


@pytest.mark.parametrize("x", [0.5, 1, 1.5, 7.2, 40])
def test_derivatives_of_the_gamma_function(x: float) -> None:
    assert digamma(x) == pytest.approx(special.digamma(x), rel=1e-10)
    assert trigamma(x) == pytest.approx(special.polygamma(1, x), rel=1e-10)
