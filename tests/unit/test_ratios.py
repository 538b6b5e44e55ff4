"""Ratios within blocks: by hand, and how often their intervals hold the truth in simulations."""

import tracemalloc
from collections.abc import Iterator
from itertools import combinations, pairwise
from math import exp, log, sqrt
from random import Random
from statistics import fmean, stdev, variance

import pytest
from scipy import stats

from farm.analysis import ratios
from farm.analysis.intervals import Interval
from farm.analysis.ratios import Blocked, Ratio, blocked, over_machines, ranks, sure

#: Trials of a configuration spread by so much, blocks by ten times as much.
SPREAD = 0.02
SPREADS = {"equal": (1.0,) * 8, "unequal": (0.5, 1, 1, 1, 1, 1, 1, 4), "mild": (0.4, 0.6, 0.8, 1, 1, 1.25, 1.6, 2.5)}


def drawn(random: Random, configurations: int, blocks: int, spreads: str = "equal", gaps: float = 0.0) -> Blocked[int]:
    """Configurations of which each takes 1."""
    days = [random.gauss(0, 10 * SPREAD) for _ in range(blocks)]
    return blocked(
        (key, block, exp(day + random.gauss(0, SPREAD * SPREADS[spreads][key % 8])))
        for key in range(configurations)
        for block, day in enumerate(days)
        if random.random() >= gaps
    )


def covered(found: Interval, truth: float = 1.0) -> bool:
    assert found.low is not None
    assert found.high is not None
    return found.low <= truth <= found.high


def share(hits: list[bool]) -> float:
    return sum(hits) / len(hits)


# By hand


def test_two_configurations_are_compared_as_by_a_paired_t_test() -> None:
    a, b = (1.0, 1.5, 1.2, 1.3), (2.1, 2.9, 2.5, 2.4)
    ratio = blocked((key, n, x) for key, own in (("a", a), ("b", b)) for n, x in enumerate(own)).ratio("b", "a")
    paired = stats.ttest_rel([log(x) for x in b], [log(x) for x in a])
    assert ratio is not None
    assert ratio.value == pytest.approx(exp(fmean(log(y / x) for x, y in zip(a, b, strict=True))))
    assert (ratio.freedom, ratio.blocks) == (3, 4)
    assert ratio.p == pytest.approx(paired.pvalue)
    low, high = paired.confidence_interval()
    assert [ratio.interval.low, ratio.interval.high] == pytest.approx([exp(low), exp(high)])


def test_equal_spreads_give_the_interval_of_an_analysis_of_variance() -> None:
    """Residuals of 1, -1, 0 per cent in turn: all spreads are equal, so the common variance is that of each."""
    turns = (0.01, -0.01, 0.0)
    found = blocked((key, block, exp(key + block + turns[(key + block) % 3])) for key in range(3) for block in range(3))
    ratio = found.ratio(2, 0)
    assert ratio is not None
    squares = 6 * 0.01**2
    assert [ratio.log, found.freedom] == pytest.approx([2.0, 4.0])
    assert ratio.u == pytest.approx(sqrt(2 * squares / 4 / 3))
    assert ratio.freedom == pytest.approx(4), "never more than the data hold"


def test_a_block_that_lacks_one_side_adds_nothing_to_that_pair() -> None:
    values = [("a", 0, 1.0), ("b", 0, 2.0), ("a", 1, 1.1), ("b", 1, 2.1), ("a", 2, 50.0), ("c", 1, 3.0), ("c", 2, 99.0)]
    ratio = blocked(values).ratio("b", "a")
    assert ratio is not None
    assert ratio.blocks == 2
    assert ratio.value == pytest.approx(sqrt(2.0 * 2.1 / 1.1))


def test_sides_without_a_common_block_are_compared_by_welch() -> None:
    a, b = (1.0, 1.5, 1.2), (2.1, 2.9, 2.5, 2.4)
    values = [(key, (key, n), x) for key, own in (("a", a), ("b", b)) for n, x in enumerate(own)]
    ratio = blocked(values).ratio("b", "a")
    welch = stats.ttest_ind([log(x) for x in b], [log(x) for x in a], equal_var=False)
    assert ratio is not None
    assert not ratio.is_paired
    assert ratio.freedom == pytest.approx(welch.df, abs=0.1)
    assert ratio.p == pytest.approx(welch.pvalue, rel=0.1)


def test_one_block_has_a_ratio_without_ends() -> None:
    ratio = blocked([("a", 0, 1.0), ("b", 0, 2.0)]).ratio("b", "a")
    assert ratio is not None
    assert (ratio.interval, ratio.p) == (Interval(2.0, None, None), None)
    apart = blocked([("a", 0, 1.0), ("b", 1, 2.0)]).ratio("b", "a")
    assert apart is not None
    assert (apart.interval, apart.is_paired) == (Interval(2.0, None, None), False)


def test_blocks_that_never_differ_show_no_spread() -> None:
    found = blocked((key, block, key + 1.0) for key in (0, 1) for block in range(3))
    assert (found.ratio(1, 0), found.ranks()) == (Ratio(log(2), None, 0.0, 3), {0: None, 1: None})


def test_what_is_not_above_zero_or_unknown_has_no_ratio() -> None:
    found = blocked([("a", 0, 1.0), ("b", 0, 2.0), ("b", 1, 0.0)])
    assert (found.ratio("b", "a"), found.ratio("a", "c")) == (None, None)
    same = found.ratio("a", "a")
    assert same is not None
    assert same.interval == Interval(1.0, 1.0, 1.0)


def test_trials_of_one_block_count_as_one() -> None:
    found = blocked([("a", 0, 1.0), ("a", 0, 4.0), ("b", 0, 3.0)])
    ratio = found.ratio("b", "a")
    assert ratio is not None
    assert ratio.blocks == 1
    assert ratio.value == pytest.approx(1.5)


def test_blocks_with_gaps_are_fitted_by_least_squares() -> None:
    api, pandas = pytest.importorskip("statsmodels.formula.api"), pytest.importorskip("pandas")
    random = Random(4)
    rows = [
        (f"c{key}", f"b{block}", exp(0.1 * key + block + random.gauss(0, 0.02)))
        for key in range(4)
        for block in range(5)
        if (key + 2 * block) % 5
    ]
    found = blocked(rows)
    keys, blocks, values = zip(*rows, strict=True)
    data = pandas.DataFrame({"y": [log(x) for x in values], "k": keys, "b": blocks})
    fit = api.ols("y ~ C(k) + C(b)", data).fit()
    for key in ("c1", "c2", "c3"):
        assert found.effects[key] - found.effects["c0"] == pytest.approx(fit.params[f"C(k)[T.{key}]"], abs=1e-6)
    assert found.freedom == pytest.approx(fit.df_resid, rel=0.15)


def test_only_sure_differences_count_for_a_rank() -> None:
    small, large, vague = Ratio(-0.1, 0.01, 10, 5), Ratio(0.5, 0.01, 10, 5), Ratio(0.5, 0.4, 10, 5)
    found = {("a", "b"): small, ("c", "a"): vague, ("c", "b"): large}
    assert ranks(found.items()) == {"a": 1, "b": 2, "c": 2}


def test_the_correction_is_that_of_holm() -> None:
    multiple = pytest.importorskip("statsmodels.stats.multitest")
    random = Random(6)
    ratios = [Ratio(random.gauss(0, 1), 0.3, random.choice((3.0, 5.5, 20.0)), 5) for _ in range(40)]
    expected = multiple.multipletests([ratio.p for ratio in ratios], method="holm")[0]
    assert sure(ratios) == list(expected)
    assert 0 < sum(sure(ratios)) < len(ratios)


def test_ranks_keep_a_few_numbers_of_each_pair() -> None:
    many = drawn(Random(1), configurations=100, blocks=3)
    pairs = 100 * 99 // 2
    many.ranks()  # what is cached is there before
    tracemalloc.start()
    try:
        assert set(many.ranks()) == set(range(100))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak / pairs < 100


# How often intervals hold the truth


def pairs_of(blocks: int, spreads: str, configurations: int = 9, repeats: int = 60) -> Iterator[Ratio]:
    random = Random(blocks)
    for _ in range(repeats):
        found = drawn(random, configurations, blocks, spreads)
        yield from (ratio for other in range(1, configurations) if (ratio := found.ratio(other, 0)) is not None)


@pytest.mark.parametrize("blocks", [2, 3, 5, 10])
@pytest.mark.parametrize("spreads", list(SPREADS))
def test_intervals_of_ratios_hold_the_truth(blocks: int, spreads: str) -> None:
    assert 0.92 <= share([covered(ratio.interval) for ratio in pairs_of(blocks, spreads)]) <= 0.99


@pytest.mark.parametrize("spreads", ["mild", "unequal"])
@pytest.mark.parametrize(("blocks", "at_least"), [(2, 0.85), (3, 0.87), (5, 0.87), (10, 0.87)])
def test_the_noisiest_quarter_is_not_lost_in_the_common_spread(blocks: int, at_least: float, spreads: str) -> None:
    random = Random(blocks)
    found = [drawn(random, 8, blocks, spreads) for _ in range(300)]
    ratios = [ratio for one in found for noisy in (6, 7) if (ratio := one.ratio(noisy, 0)) is not None]
    assert share([covered(ratio.interval) for ratio in ratios]) >= at_least


@pytest.mark.parametrize(("blocks", "at_most"), [(2, 0.052), (3, 0.038), (5, 0.028)])
def test_intervals_are_narrow_enough_to_say_something(blocks: int, at_most: float) -> None:
    """2 % of spread and 9 points."""
    halves = sorted(ratio.interval.half_width or 1.0 for ratio in pairs_of(blocks, "equal"))
    assert halves[len(halves) // 2] <= at_most


def test_gaps_and_a_second_sweep_do_not_hurt() -> None:
    random = Random(9)
    found = [drawn(random, 6, 4, "mild", gaps=0.3) for _ in range(200)]
    ratios = [ratio for one in found for a, b in pairwise(range(6)) if (ratio := one.ratio(a, b)) is not None]
    known = [ratio.interval for ratio in ratios if ratio.u is not None and ratio.is_paired]
    assert len(known) > 500
    assert share([covered(interval) for interval in known]) >= 0.92


def test_of_equal_configurations_few_sets_have_even_one_false_rank() -> None:
    random = Random(8)
    false = [max(rank or 1 for rank in drawn(random, 12, 3).ranks().values()) > 1 for _ in range(300)]
    assert share(false) <= 0.05


@pytest.mark.parametrize("machines", [3, 5, 8])
@pytest.mark.parametrize("spread", [0.0, 0.05, 0.10])
def test_intervals_over_machines_hold_the_truth(machines: int, spread: float) -> None:
    random = Random(machines)
    hits = []
    for _ in range(600):
        own = [Ratio(random.gauss(0, spread) + random.gauss(0, 0.015), 0.015, 8, 3) for _ in range(machines)]
        hits.append(covered(over_machines(own).interval))
    assert 0.92 <= share(hits) <= 0.98


def test_machines_are_a_sample_by_t_and_two_are_none() -> None:
    logs = (0.1, 0.3, 0.2)
    found = over_machines([Ratio(value, 0.01, 8, 3) for value in logs])
    assert (found.freedom, found.blocks) == (2, 3)
    assert found.log == pytest.approx(0.2)
    assert found.u == pytest.approx(stdev(logs) / sqrt(3))
    two = over_machines([Ratio(value, 0.01, 8, 3) for value in logs[:2]])
    assert two.interval == Interval(pytest.approx(exp(0.2)), None, None)  # type: ignore[arg-type]


def test_the_mean_ratio_of_points_has_at_most_the_freedom_of_all() -> None:
    random = Random(5)
    found = drawn(random, 6, 3)
    ratios = [ratio for a, b in ((0, 1), (2, 3), (4, 5)) if (ratio := found.ratio(a, b)) is not None]
    mean = found.mean_ratio(ratios)
    assert mean.log == pytest.approx(fmean(ratio.log for ratio in ratios))
    assert mean.u == pytest.approx(sqrt(sum((ratio.u or 0) ** 2 for ratio in ratios)) / 3)
    assert mean.freedom <= found.freedom == pytest.approx(10)
    apart = found.divide(ratios[1], ratios[0])
    assert apart.log == pytest.approx(ratios[1].log - ratios[0].log)
    assert apart.u == pytest.approx(sqrt((ratios[0].u or 0) ** 2 + (ratios[1].u or 0) ** 2))


def test_a_pair_that_plainly_differs_in_spread_keeps_much_of_its_own() -> None:
    random = Random(2)
    found = drawn(random, 9, 10, "unequal")
    noisy, calm = (found.spreads[key].variance for key in (7, 0))
    own = {key: variance(found.logs[key][n] - found.logs[1][n] for n in range(10)) for key in (7, 0)}
    assert noisy / calm > 0.4 * own[7] / own[0]
    assert all(found.spreads[a].freedom <= found.freedom for a, _ in combinations(range(9), 2))


def test_too_many_configurations_have_no_ranks_instead_of_hours(monkeypatch: pytest.MonkeyPatch) -> None:
    few = blocked((key, block, 1.0 + key + block / 100) for key in range(3) for block in range(3))
    assert set(few.ranks().values()) == {1, 2, 3}
    monkeypatch.setattr(ratios, "MOST_RANKED", 2)
    assert few.ranks() == {0: None, 1: None, 2: None}
