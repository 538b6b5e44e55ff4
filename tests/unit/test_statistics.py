"""Statistics against textbook data with known answers, and against each other."""

import tracemalloc
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import pairwise
from math import exp, isclose, log, sqrt
from random import Random
from statistics import fmean, stdev
from typing import Any, Literal

import pandas
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import t as t_distribution
from scipy.stats import ttest_ind, ttest_rel
from statsmodels.formula.api import ols
from statsmodels.stats.anova import anova_lm
from statsmodels.stats.meta_analysis import effectsize_smd
from statsmodels.stats.multitest import multipletests

from farm.analysis.statistics.anova import Anova, Term, anova
from farm.analysis.statistics.assumptions import MOST, equal_variances, normality, of_cells
from farm.analysis.statistics.data import Cell, Data
from farm.analysis.statistics.equivalence import equivalence, tost
from farm.analysis.statistics.mixed import mixed
from farm.analysis.statistics.multiplicity import Correction, adjusted, benjamini_hochberg, holm
from farm.analysis.statistics.pairs import Z, cliff, hedges, of_logs, overall, pairs
from farm.analysis.statistics.posthoc import dunn, kruskal, tukey
from farm.model import Scalar
from farm.model.errors import InputError

Columns = dict[str, tuple[Scalar, ...]]
#: Dried weight of plants: Dobson (1983), An Introduction to Statistical Modelling; R's PlantGrowth.
PLANTS = {
    "ctrl": (4.17, 5.58, 5.18, 6.11, 4.50, 4.61, 5.17, 4.53, 5.33, 5.14),
    "trt1": (4.81, 4.17, 4.41, 3.59, 5.87, 3.83, 6.03, 4.89, 4.32, 4.69),
    "trt2": (6.31, 5.12, 5.54, 5.50, 5.37, 5.29, 4.92, 6.15, 5.80, 5.26),
}
#: Length of teeth by supplement and dose: Bliss (1952), The Statistics of Bioassay; R's ToothGrowth.
TEETH = {
    ("VC", 0.5): (4.2, 11.5, 7.3, 5.8, 6.4, 10, 11.2, 11.2, 5.2, 7),
    ("VC", 1): (16.5, 16.5, 15.2, 17.3, 22.5, 17.3, 13.6, 14.5, 18.8, 15.5),
    ("VC", 2): (23.6, 18.5, 33.9, 25.5, 26.4, 32.5, 26.7, 21.5, 23.3, 29.5),
    ("OJ", 0.5): (15.2, 21.5, 17.6, 9.7, 14.5, 10, 8.2, 9.4, 16.5, 9.7),
    ("OJ", 1): (19.7, 23.3, 23.6, 26.4, 20, 25.2, 25.8, 21.2, 14.5, 27.3),
    ("OJ", 2): (25.5, 26.4, 22.4, 24.5, 24.8, 30.9, 26.4, 27.3, 29.4, 23),
}
#: Days in hospital by duration of treatment and gain of weight: Neter et al. (1996), Applied Linear Statistical Models,
#: kidney failure; without its first three rows, hence unbalanced.
KIDNEY = {
    (1, 1): (3, 0, 2, 0, 5, 6, 8),
    (1, 2): (2, 4, 7, 12, 15, 4, 3, 1, 5, 20),
    (1, 3): (15, 10, 8, 5, 25, 16, 7, 30, 3, 27),
    (2, 1): (0, 1, 1, 0, 4, 2, 7, 4, 0, 3),
    (2, 2): (5, 3, 2, 0, 1, 1, 3, 6, 7, 9),
    (2, 3): (10, 8, 12, 3, 7, 15, 4, 9, 6, 1),
}
#: Extra hours of sleep by drug: Student (1908); R's sleep.
SLEEP = (
    (0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0),
    (1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4),
)
#: Score of six workers on three machines: Pinheiro and Bates (2000), Mixed-Effects Models in S and S-PLUS; Machines.
MACHINES = """
52.0 52.8 53.1 62.1 62.6 64.0 67.5 67.2 66.9
51.8 52.8 53.1 59.7 60.0 59.0 61.5 61.7 62.3
60.0 60.2 58.4 68.6 65.8 69.7 70.8 70.6 71.0
51.1 52.3 50.3 63.2 62.8 62.2 64.1 66.2 64.0
50.9 51.8 51.4 64.8 65.0 65.4 72.1 72.0 71.1
46.4 44.8 49.2 43.7 44.2 43.0 62.0 61.4 60.5
"""


def data(cells: Mapping[tuple[Any, ...], tuple[float, ...]], *factors: str) -> Data:
    """From the values of each cell."""
    rows = [(cell, value) for cell, values in cells.items() for value in values]
    columns = {name: tuple(cell[place] for cell, _ in rows) for place, name in enumerate(factors)}
    return Data("energy", tuple(float(value) for _, value in rows), columns)


PLANT_DATA = data({(group,): values for group, values in PLANTS.items()}, "group")
TOOTH_DATA = data(TEETH, "supp", "dose")
KIDNEY_DATA = data({cell: tuple(log(day + 1) for day in days) for cell, days in KIDNEY.items()}, "duration", "weight")


def noisy(effects: dict[Cell, float], spread: float, count: int, seed: int = 1) -> dict[Cell, tuple[float, ...]]:
    random = Random(seed)
    return {cell: tuple(random.gauss(mean, spread) for _ in range(count)) for cell, mean in effects.items()}


def term(found: Anova, name: str) -> Term:
    return next(term for term in found.terms if term.term == name)


# Analysis of variance


def test_a_one_way_anova_is_that_of_the_book() -> None:
    found = anova(PLANT_DATA, ["group"])
    group, residual = found.terms
    assert (group.df, residual.df, found.n) == (2, 27, 30)
    assert (group.sum_sq, residual.sum_sq) == pytest.approx((3.76634, 10.49209), abs=1e-5)
    assert (group.f, group.p) == pytest.approx((4.8461, 0.01591), abs=1e-4)
    assert (group.eta_sq, group.partial_eta_sq) == pytest.approx((0.2641, 0.2641), abs=1e-4)
    assert group.omega_sq == pytest.approx(0.2041, abs=1e-4)  # (3.76634 - 2 * 0.3886) / (14.25843 + 0.3886)
    assert (residual.f, residual.p, residual.eta_sq) == (None, None, None)
    assert found.residuals is not None
    assert (found.residuals.w, found.residuals.p) == pytest.approx((0.96607, 0.4379), abs=1e-4)
    assert found.equal_variances_p == pytest.approx(0.3412, abs=1e-4)


def test_a_two_way_anova_is_that_of_the_book_and_its_types_agree_where_it_is_balanced() -> None:
    second, third = anova(TOOTH_DATA, ["supp", "dose"], 2), anova(TOOTH_DATA, ["supp", "dose"], 3)
    assert [(t.term, t.df) for t in second.terms] == [("supp", 1), ("dose", 2), ("supp:dose", 2), ("Residual", 54)]
    assert [t.sum_sq for t in second.terms] == pytest.approx([205.35, 2426.434, 108.319, 712.106], abs=1e-3)
    assert [t.f for t in second.effects] == pytest.approx([15.572, 92.0, 4.107], abs=1e-3)
    assert [t.p for t in second.effects] == pytest.approx([2.3118e-4, 4.0463e-18, 0.02186], rel=1e-4)
    for one, other in zip(second.terms, third.terms, strict=True):
        assert one.sum_sq == pytest.approx(other.sum_sq)
    assert (second.type, third.type) == (2, 3)


@pytest.mark.parametrize("type_", [2, 3])
def test_an_anova_of_three_unbalanced_factors_is_that_of_statsmodels(type_: Literal[2, 3]) -> None:
    random = Random(1)
    cells = [(a, b, c) for a in range(3) for b in range(2) for c in range(4)]
    effects = {cell: (cell[0] + cell[1] * cell[2] + random.random(), random.randint(2, 6)) for cell in cells}
    own = data({c: tuple(random.gauss(mean, 0.5) for _ in range(n)) for c, (mean, n) in effects.items()}, *"abc")
    frame = pandas.DataFrame({"y": own.values, **own.columns})
    fit = ols("y ~ C(a, Sum) * C(b, Sum) * C(c, Sum)", frame).fit()
    book = {str(name): row for name, row in anova_lm(fit, typ=type_).iterrows() if name != "Intercept"}
    found = anova(own, "abc", type_)
    names = [":".join(f"C({factor}, Sum)" for factor in t.term.split(":")) for t in found.effects]
    assert names == list(book)[:-1]
    for name, one in zip([*names, "Residual"], found.terms, strict=True):
        assert one.df == book[name]["df"]
        assert one.sum_sq == pytest.approx(book[name]["sum_sq"], rel=1e-9)
        assert one.f is None or one.f == pytest.approx(book[name]["F"], rel=1e-9)


def test_the_memory_of_an_anova_grows_with_its_cells_not_with_the_square_of_trials() -> None:
    own = data(noisy({(a, b): 1.0 + a for a in range(10) for b in range(8)}, 0.1, 250), "a", "b")
    anova(own, "ab")  # imports
    tracemalloc.start()
    anova(own, "ab")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * len(own.values) * 80 / 2, "a design with a row for each value has 80 columns of 8 bytes"


@pytest.mark.parametrize("test", [anova, pairs, equivalence, tukey])
def test_a_comparison_that_would_take_hours_is_refused_in_one_line(test: Callable[..., object]) -> None:
    many = data({(n,): (1.0 + n, 1.1 + n) for n in range(2001)}, "n")
    with pytest.raises(InputError, match=r"n have 2,001 combinations of levels, and at most [\d,]+ are compared: drop"):
        test(many, ["n"])


def test_hedges_g_is_that_of_statsmodels() -> None:
    random = Random(1)
    for m, n in ((2, 2), (3, 7), (40, 9)):
        a, b = ([random.gauss(mean, 1) for _ in range(count)] for mean, count in ((0, m), (0.5, n)))
        g, squared = effectsize_smd(fmean(b), stdev(b), n, fmean(a), stdev(a), m)
        found = hedges(a, b)
        assert found is not None
        assert found.mean == pytest.approx(g)
        assert found.half_width == pytest.approx(Z * sqrt(squared))


@pytest.mark.parametrize(
    ("type_", "sums", "f_values"),
    [
        (2, (3.067066, 13.27205, 0.1905093, 27.60181), (5.667033, 12.26141, 0.1760025)),
        (3, (2.904723, 13.45718, 0.1905093, 27.60181), (5.367071, 12.43245, 0.1760025)),
    ],
)
def test_types_ii_and_iii_of_an_unbalanced_design_are_those_of_r(
    type_: int, sums: tuple[float, ...], f_values: tuple[float, ...]
) -> None:
    """By car::Anova with sum-to-zero contrasts, as in statsmodels' own tests."""
    found = anova(KIDNEY_DATA, ["duration", "weight"], 3 if type_ == 3 else 2)
    assert [t.sum_sq for t in found.terms] == pytest.approx(sums, rel=1e-5)
    assert [t.f for t in found.effects] == pytest.approx(f_values, rel=1e-5)
    assert (found.smallest_cell, found.largest_cell) == (7, 10)


@settings(max_examples=15)
@given(st.integers(0, 10_000), st.floats(1e-6, 1e6))
def test_shares_of_the_variance_add_up_and_hang_on_no_unit(seed: int, unit: float) -> None:
    cells = noisy({(a, b, c): a + b * c for a in (0, 1) for b in (0, 1) for c in (0, 1)}, 1.0, 3, seed)
    found = anova(data(cells, "a", "b", "c"), ["a", "b", "c"], 3)
    scaled = anova(data({k: tuple(unit * v for v in own) for k, own in cells.items()}, "a", "b", "c"), ["a", "b", "c"])
    assert len(found.effects) == 7
    total = sum(t.sum_sq for t in found.terms)
    assert sum(t.eta_sq or 0 for t in found.effects) + found.terms[-1].sum_sq / total == pytest.approx(1)
    for one, other in zip(found.effects, scaled.effects, strict=True):
        assert one.term == other.term
        assert (one.eta_sq, one.omega_sq) == pytest.approx((other.eta_sq, other.omega_sq), rel=1e-4, abs=1e-7)
        assert one.omega_sq is not None
        assert one.eta_sq is not None
        assert one.partial_eta_sq is not None
        assert one.omega_sq <= one.eta_sq <= one.partial_eta_sq + 1e-12


def test_two_levels_give_the_square_of_t() -> None:
    a, b = PLANTS["ctrl"], PLANTS["trt2"]
    found = anova(data({("a",): a, ("b",): b}, "x"), ["x"])
    pooled = ((stdev(a) ** 2 + stdev(b) ** 2) / 2) ** 0.5
    t = (fmean(b) - fmean(a)) / (pooled * (2 / 10) ** 0.5)
    assert term(found, "x").f == pytest.approx(t**2)


@pytest.mark.parametrize(
    ("cells", "complaint"),
    [
        ({(1, 1): (1, 2), (1, 2): (2, 3)}, "a has one level only, a=1"),
        ({(1, 1): (1, 2), (1, 2): (2, 3), (2, 1): (3, 4)}, "the cell a=2,b=2 is empty"),
        ({(1, 1): (1, 2), (1, 2): (2, 3), (2, 1): (3, 4), (2, 2): (5,)}, "the cell a=2,b=2 has 1 value, needs 2"),
        ({(1, 1): (1, 1), (1, 2): (2, 2), (2, 1): (3, 3), (2, 2): (5, 5)}, "of each cell are all the same"),
    ],
)
def test_cells_that_allow_no_anova_are_reported(cells: dict[Cell, tuple[float, ...]], complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        anova(data(cells, "a", "b"), ["a", "b"])


# Post hoc


def test_tukey_is_that_of_the_book() -> None:
    """R: TukeyHSD(aov(weight ~ group))."""
    found = tukey(PLANT_DATA, ["group"])
    assert [(d.a, d.b) for d in found] == [("ctrl", "trt1"), ("ctrl", "trt2"), ("trt1", "trt2")]
    assert [d.difference.mean for d in found] == pytest.approx([-0.371, 0.494, 0.865])
    assert [d.difference.low for d in found] == pytest.approx([-1.0622161, -0.1972161, 0.1737839], abs=1e-4)
    assert [d.p for d in found] == pytest.approx([0.3908711, 0.1979960, 0.0120064], abs=1e-5)
    assert found[0].relative == pytest.approx(-0.371 / fmean(PLANTS["ctrl"]))


def test_tukey_of_two_factors_has_the_error_of_both() -> None:
    """R: TukeyHSD(aov(len ~ supp * dose)); supplement VC - OJ."""
    supp, *doses = tukey(TOOTH_DATA, ["supp", "dose"])
    assert (supp.a, supp.b) == ("OJ", "VC")
    assert supp.difference.mean == pytest.approx(-3.7)
    assert (supp.difference.low, supp.difference.high) == pytest.approx((-5.579828, -1.820172), abs=1e-4)
    assert [d.difference.mean for d in doses] == pytest.approx([9.13, 15.495, 6.365])


def test_kruskal_wallis_and_dunn_are_those_of_the_book() -> None:
    """R: kruskal.test(weight ~ group), rstatix::dunn_test."""
    (found,) = kruskal(PLANT_DATA, ["group"])
    assert (found.h, found.df, found.p) == pytest.approx((7.9882, 2, 0.01842), abs=1e-4)
    assert found.epsilon_sq == pytest.approx(7.9882 / 29, abs=1e-5)
    assert [d.p_adjusted for d in dunn(PLANT_DATA, ["group"])] == pytest.approx([0.26368, 0.18233, 0.01500], abs=1e-4)


# Pairs


def test_welch_mann_whitney_and_hedges_are_those_of_students_drugs() -> None:
    """R: t.test(extra ~ group), wilcox.test; g = 0.8321 (1 - 3 / 71)."""
    found = of_logs(*SLEEP)
    assert (found.df, found.p) == pytest.approx((17.776, 0.07939), abs=1e-3)
    assert found.ratio.low is not None
    assert found.ratio.high is not None
    assert (log(found.ratio.low), log(found.ratio.high)) == pytest.approx((-0.2054832, 3.3654832), abs=1e-5)
    assert found.p_rank == pytest.approx(0.06933, abs=1e-5)
    assert found.hedges_g is not None
    assert found.hedges_g.mean == pytest.approx(0.8321811 * (1 - 3 / 71), abs=1e-4)
    assert found.cliff_delta.mean == pytest.approx(1 - 2 * 25.5 / 100)


positive = st.lists(st.floats(0.01, 100.0), min_size=2, max_size=8).filter(lambda xs: stdev(xs) / fmean(xs) > 1e-3)


@settings(max_examples=40)
@given(positive, positive)
def test_the_other_way_round_a_pair_has_the_same_result(a: list[float], b: list[float]) -> None:
    there, back = of_logs(list(map(log, a)), list(map(log, b))), of_logs(list(map(log, b)), list(map(log, a)))
    assert there.p is not None
    assert there.p == pytest.approx(back.p)
    assert there.ratio.mean == pytest.approx(1 / back.ratio.mean)
    assert there.ratio.low == pytest.approx(1 / (back.ratio.high or 0))
    assert there.cliff_delta.mean == pytest.approx(-back.cliff_delta.mean)
    assert there.cliff_delta.low == pytest.approx(-(back.cliff_delta.high or 0), abs=1e-6)
    assert (there.ratio.low or 0) <= there.ratio.mean <= (there.ratio.high or 0)
    assert (there.p < 0.05) == (not (there.ratio.low or 0) <= 1 <= (there.ratio.high or 0))


def test_groups_that_do_not_overlap_leave_delta_open_on_one_side() -> None:
    few, many = cliff(9, 3, 3), cliff(400, 20, 20)
    assert (few.mean, few.high) == (1, 1)
    assert few.low is not None
    assert many.low is not None
    assert -1 < few.low < 0.5 < many.low < 1
    none = cliff(0, 3, 3)
    assert (none.mean, none.low, none.high) == pytest.approx((-1, -1, -few.low))


def test_newcombes_interval_covers_the_truth() -> None:
    """Normal groups a standard deviation apart: delta = 2 Phi(1 / sqrt 2) - 1 = 0.5205."""
    random, covered = Random(7), 0
    for _ in range(200):
        a, b = ([random.gauss(mean, 1) for _ in range(10)] for mean in (0, 1))
        u = sum(y > x for x in a for y in b)
        found = cliff(u, 10, 10)
        covered += (found.low or -1) <= 0.5205 <= (found.high or 1)
    assert covered >= 182  # 91 %: what chance leaves of 95 %


def test_a_value_alone_has_a_ratio_and_nothing_else() -> None:
    found = of_logs([0.0], [log(2), log(2.1)])
    assert found.ratio.mean == pytest.approx(exp((log(2) + log(2.1)) / 2))
    assert (found.ratio.low, found.ratio.high) == (None, None)
    assert (found.p, found.hedges_g, found.p_rank) == (None, None, None)


def test_values_that_never_differ_have_no_test() -> None:
    found = of_logs([1.0, 1.0], [2.0, 2.0])
    assert (found.p, found.hedges_g, found.ratio.low) == (None, None, None)


def test_pairs_are_corrected_over_all_of_them_and_need_positive_values() -> None:
    found = pairs(PLANT_DATA, ["group"])
    plain = [pair.p or 0 for pair in found.values()]
    assert [pair.p_adjusted for pair in found.values()] == pytest.approx(holm(plain))
    assert [pair.p_adjusted for pair in found.values()] != plain
    with pytest.raises(InputError, match="energy: 4 of 20 values are 0 or less"):
        pairs(data({("a",): (-1.0, 0.0, -0.1, *SLEEP[0][6:9]), ("b",): (1.0,) * 14}, "drug"), ["drug"])


def test_overall_is_the_pair_itself_where_there_is_but_one() -> None:
    pair = of_logs(*SLEEP)
    ratio, p = overall([pair])
    assert p == pytest.approx(pair.p)
    assert (ratio.mean, ratio.low, ratio.high) == pytest.approx((pair.ratio.mean, pair.ratio.low, pair.ratio.high))


def test_overall_gets_surer_with_points_and_is_unknown_where_one_of_them_is() -> None:
    pair = of_logs(*SLEEP)
    ratio, p = overall([pair] * 4)
    assert ratio.mean == pytest.approx(pair.ratio.mean)
    assert p is not None
    assert p < (pair.p or 0)
    assert log(ratio.high or 0) - log(ratio.low or 0) < (log(pair.ratio.high or 0) - log(pair.ratio.low or 0)) * 0.52
    assert overall([pair, of_logs([1.0], [2.0])])[1] is None


# Corrections


def test_benjamini_and_hochberg_reject_what_they_did_in_1995() -> None:
    p = [
        0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344,
        0.0459, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1.0,
    ]  # fmt: skip
    assert sum((value or 0) < 0.05 for value in adjusted(p, Correction.BH)) == 4
    assert sum((value or 0) < 0.05 for value in adjusted(p, Correction.HOLM)) == 3


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_corrections_keep_the_order_and_only_raise(p: list[float]) -> None:
    by_holm, by_bh = holm(p), benjamini_hochberg(p)
    assert all(before <= after <= 1 for before, after in zip(p, by_holm, strict=True))
    assert all(a <= b for a, b in pairwise(value for _, value in sorted(zip(p, by_holm, strict=True))))
    assert all(bh <= strict + 1e-12 for bh, strict in zip(by_bh, by_holm, strict=True))


def test_corrections_are_those_of_statsmodels() -> None:
    p = [0.04, 0.001, 0.2, 0.03, 0.03, 0.9]
    assert holm(p) == pytest.approx(multipletests(p, method="holm")[1])
    assert benjamini_hochberg(p) == pytest.approx(multipletests(p, method="fdr_bh")[1])
    assert holm([]) == []


def test_what_was_not_tested_is_not_counted() -> None:
    assert adjusted([0.01, None, 0.04]) == pytest.approx([0.02, None, 0.04])
    assert adjusted([None]) == [None]


# Repetitions that depend on results

#: Student's t for 95 %, by degrees of freedom less 1.
T_975 = [float(t_distribution.ppf(0.975, df)) for df in range(1, 30)]


def repeated(random: Random, fewest: int, cells: int, most: int = 20, spread: float = 0.03) -> Data:
    """Cells that do not differ; each ends once the 95 % interval of its mean is within 2 %."""
    rows: list[tuple[float, int, bool]] = []
    for cell in range(cells):
        logs = [random.gauss(0, spread) for _ in range(fewest)]
        while len(logs) < most and T_975[len(logs) - 2] * stdev(logs) / len(logs) ** 0.5 > 0.02:
            logs.append(random.gauss(0, spread))
        rows += [(exp(value), cell, n < fewest) for n, value in enumerate(logs)]
    values, column, planned = zip(*rows, strict=True)
    return Data("energy", values, {"x": column}, planned=planned)


@pytest.mark.parametrize("fewest", [2, 3, 5])
@pytest.mark.slow
def test_repetitions_that_end_early_by_chance_make_no_differences(fewest: int) -> None:
    """Of 5 %; without the correction Welch's test errs in 9 to 15 %."""
    random, plain, wrong = Random(fewest), 0, 0
    for _ in range(400):
        seen = repeated(random, fewest, 2)
        (pair,) = pairs(seen, ["x"]).values()
        wrong += (pair.p or 1) < 0.05
        plain += ttest_ind(*seen.logs().cells(["x"]).values(), equal_var=False).pvalue < 0.05
    assert wrong <= 24  # 6 %
    assert plain > 28  # 7 %


@pytest.mark.parametrize("fewest", [2, 5])
@pytest.mark.slow
def test_an_anova_allows_for_repetitions_that_end_early(fewest: int) -> None:
    random = Random(fewest)
    wrong = sum((anova(repeated(random, fewest, 4), ["x"]).terms[0].p or 1) < 0.05 for _ in range(150))
    assert wrong <= 13  # what chance adds to 5 % of 150


def test_further_repetitions_make_a_mean_surer_but_not_its_spread() -> None:
    values = (1.0, 1.1, 1.05, 1.06, 2.0, 2.2, 2.1, 2.12)
    planned = (True, True, False, False) * 2
    seen = Data("energy", values, {"x": tuple("aaaabbbb")}, planned=planned)
    (own,), (fixed,), (every,) = (pairs(d, ["x"]).values() for d in (seen, seen.fixed(), replace(seen, planned=())))
    assert own.ratio.mean == every.ratio.mean
    assert own.df == fixed.df == pytest.approx(2)
    assert own.log_u == pytest.approx((fixed.log_u or 0) / 2**0.5)
    assert (fixed.n_a, own.n_a, own.p_rank) == (2, 4, fixed.p_rank)
    assert [test.n for test in kruskal(seen, ["x"])] == [4]


# Equivalence


@settings(max_examples=40)
@given(positive, positive, st.floats(0.02, 0.9))
def test_groups_are_equivalent_just_where_the_90_percent_interval_is_inside(
    a: list[float], b: list[float], margin: float
) -> None:
    found = tost(of_logs(list(map(log, a)), list(map(log, b))), margin)
    assert found.ratio.low is not None
    assert found.ratio.high is not None
    inside = 1 / (1 + margin) < found.ratio.low and found.ratio.high < 1 + margin
    assert (found.p < 0.05) == inside or isclose(found.p, 0.05, abs_tol=1e-9)


@pytest.mark.parametrize(
    ("ratio", "spread", "verdict"), [(1.01, 0.01, "equivalent"), (1.2, 0.01, "different"), (1.05, 0.3, "unclear")]
)
def test_equal_different_and_unclear_are_distinguished(ratio: float, spread: float, verdict: str) -> None:
    cells = {cell: tuple(map(exp, own)) for cell, own in noisy({("a",): 0, ("b",): log(ratio)}, spread, 8).items()}
    (found,) = equivalence(data(cells, "x"), ["x"]).values()
    assert found.verdict == verdict


def test_values_that_are_all_the_same_show_no_equivalence() -> None:
    with pytest.raises(InputError, match="the values of x=a are all the same"):
        equivalence(data({("a",): (1, 1), ("b",): (1, 1.1)}, "x"), ["x"])


# Mixed models


def machines() -> Data:
    values = tuple(float(text) for text in MACHINES.split())
    return Data("score", values, {"machine": tuple("AAABBBCCC" * 6), "worker": tuple(n // 9 for n in range(54))})


def test_effects_within_groups_are_those_of_the_book() -> None:
    """R: lme(score ~ Machine, random = ~ Machine - 1 | Worker), p. 26; variances: random = ~ 1 | Worker, p. 23."""
    found = mixed(machines(), ["machine"], ["worker"])
    assert [(e.level, e.reference) for e in found.effects] == [("B", "A"), ("C", "A")]
    assert [e.difference.mean for e in found.effects] == pytest.approx([7.966667, 13.916667], abs=1e-5)
    t_5 = 2.570582  # of six workers
    errors = [(e.difference.half_width or 0) / t_5 for e in found.effects]
    assert errors == pytest.approx([2.420850, 1.540100], abs=1e-4)
    assert (found.group_variance**0.5, found.residual_variance**0.5) == pytest.approx((5.146552, 3.161647), abs=1e-3)
    assert found.icc == pytest.approx(0.726, abs=1e-3)
    assert 0 < found.marginal_r_sq < found.conditional_r_sq < 1
    assert (found.n, found.groups) == (54, 6)


def test_effects_in_a_balanced_design_are_those_of_t_tests_of_the_means() -> None:
    random, values = Random(4), list[tuple[str, int, bool, float]]()
    for n in range(10):
        shift, slope = random.gauss(0, 2), random.gauss(1, 0.5)
        values += [
            ("ab"[n % 2], n, on, shift + slope * on + 3 * (n % 2) + random.gauss(0, 0.1))
            for on in (False, True)
            for _ in range(3)
        ]
    columns: Columns = {
        "x": tuple(v[0] for v in values),
        "g": tuple(v[1] for v in values),
        "on": tuple(v[2] for v in values),
    }
    seen = Data("energy", tuple(v[3] for v in values), columns)
    means = {(n, on): fmean(v[3] for v in values if v[1:3] == (n, on)) for n in range(10) for on in (False, True)}
    whole = [fmean((means[n, False], means[n, True])) for n in range(10)]
    paired = ttest_rel([means[n, True] for n in range(10)], [means[n, False] for n in range(10)])
    apart = ttest_ind(whole[1::2], whole[::2])
    (between, _), (within,) = mixed(seen, ["x", "on"], ["g"]).effects, mixed(seen, ["on"], ["g"]).effects
    for effect, test, varies in ((between, apart, "between"), (within, paired, "within")):
        ends = test.confidence_interval()
        assert (effect.difference.low, effect.difference.high) == pytest.approx((ends.low, ends.high))
        assert effect.p == pytest.approx(test.pvalue)
        assert (effect.varies, effect.groups) == (varies, 10)


def test_an_effect_that_depends_on_a_factor_between_groups_is_no_less_sure() -> None:
    """The effect of `on` is 1 with x = 0 and 5 with x = 1: 3 on average, and sure to what groups of one x differ by."""
    effects = [0.9, 5.2, 1.1, 4.8, 1.0, 5.0]
    rows = [(n % 2, n, on, 10.0 * n + effects[n] * on) for n in range(6) for on in (0, 1)]
    x, group, on, values = zip(*rows, strict=True)
    *_, found = mixed(Data("energy", values, {"x": x, "g": group, "on": on}), ["x", "on"], ["g"]).effects
    spread = (sum((e - m) ** 2 for e, m in zip(effects, (1, 5) * 3, strict=True)) / 4) ** 0.5
    assert found.difference.mean == pytest.approx(3)
    assert found.difference.half_width == pytest.approx(2.776445 * spread / 6**0.5)


@pytest.mark.parametrize("runs", [1, 6])
def test_effects_over_groups_hold_the_truth(runs: int) -> None:
    """Groups differ by 2, and by 0.5 in the effect of `on`, which is 1; `x` is worth 3."""
    random, held = Random(7), {"x": 0, "on": 0}
    for _ in range(250):
        rows = []
        for n in range(8):
            shift, slope = random.gauss(3 * (n % 2), 2), random.gauss(1, 0.5)
            rows += [(n % 2, n, on, shift + slope * on + random.gauss(0, 0.3)) for on in (0, 1) for _ in range(runs)]
        x, group, on, values = zip(*rows, strict=True)
        for effect in mixed(Data("energy", values, {"x": x, "g": group, "on": on}), ["x", "on"], ["g"]).effects:
            truth = {"x": 3, "on": 1}[effect.factor]
            held[effect.factor] += (effect.difference.low or 0) <= truth <= (effect.difference.high or 0)
    assert min(held.values()) >= 230  # 92 %
    assert max(held.values()) <= 248


def test_groups_without_both_levels_tell_nothing_of_their_effect() -> None:
    values = (1.0, 2.0, 1.5, 2.7, 5.0, 5.1, 9.0, 9.2)
    columns: Columns = {"x": tuple("ababaabb"), "g": (0, 0, 1, 1, 2, 2, 3, 3)}
    (effect,) = mixed(Data("energy", values, columns), ["x"], ["g"]).effects
    assert effect.difference.mean == pytest.approx(1.1)
    assert effect.groups == 2
    with pytest.raises(InputError, match="too few groups have both x=a and x=b: 1 do"):
        mixed(Data("energy", values[2:], {name: own[2:] for name, own in columns.items()}), ["x"], ["g"])


def test_runs_that_share_a_configuration_make_an_effect_between_configurations_less_sure() -> None:
    random = Random(3)
    shifts = [random.gauss(0, 5) for _ in range(12)]
    rows = [(n % 2, n, 100 + shifts[n] + random.gauss(0, 1)) for n in range(12) for _ in range(10)]
    columns = {"relu": tuple(r for r, _, _ in rows), "lr": tuple(n for _, n, _ in rows)}
    seen = Data("energy", tuple(value for _, _, value in rows), columns)
    (effect,), (naive,) = mixed(seen, ["relu"], ["lr"]).effects, tukey(seen, ["relu"])
    assert effect.difference.mean == pytest.approx(naive.difference.mean, rel=1e-3)
    assert (effect.difference.half_width or 0) > 2 * (naive.difference.half_width or 0)


def test_groups_that_differ_by_chance_alone_are_reported() -> None:
    values = (1.0, 3.0, 2.0, 4.0, 3.0, 1.0, 4.0, 2.0)
    columns: Columns = {"x": tuple("aabbaabb"), "g": tuple(n // 4 for n in range(8))}
    found = mixed(Data("energy", values, columns), ["x"], ["g"])
    assert (found.group_variance, found.icc) == (0, 0)
    assert found.effects[0].difference.mean == pytest.approx(1)


@pytest.mark.parametrize(
    ("group", "complaint"),
    [("same", "there are no groups"), ("own", "nothing is shared"), ("x", "cannot be separated")],
)
def test_groups_that_are_none_are_reported(group: str, complaint: str) -> None:
    columns: Columns = {"x": ("a", "a", "b", "b"), "same": (1,) * 4, "own": (1, 2, 3, 4)}
    with pytest.raises(InputError, match=complaint):
        mixed(Data("energy", (1.0, 2.0, 3.0, 4.0), columns), ["x"], [group])


def test_factors_that_follow_from_each_other_are_reported() -> None:
    columns: Columns = {"x": tuple("aabbccaabbcc"), "y": tuple("ppqqrrppqqrr"), "g": tuple(n // 6 for n in range(12))}
    values = tuple(float(n % 5) for n in range(12))
    with pytest.raises(InputError, match="cannot be separated"):
        mixed(Data("energy", values, columns), ["x", "y"], ["g"])


# Assumptions


def test_shapiro_wilk_knows_the_normal_from_the_skewed() -> None:
    random = Random(5)
    normal, skewed = [random.gauss(9, 1) for _ in range(50)], [random.lognormvariate(0, 1) for _ in range(50)]
    straight, bent = normality(normal), normality(skewed)
    assert straight is not None
    assert bent is not None
    assert (straight.p or 0) > 0.05 > (bent.p or 0)
    assert bent.w < straight.w
    assert bent.skewness > 1
    (cell,) = of_cells(data({("a",): tuple(skewed)}, "x"), ["x"])
    assert cell.logs is not None
    assert (cell.p or 0) < 0.05 < (cell.p_logs or 0)


def test_too_few_values_or_none_that_differ_have_no_normality_and_too_many_no_p() -> None:
    assert normality([1.0, 2.0]) is None
    assert normality([1.0, 1.0, 1.0]) is None
    random = Random(1)
    found = normality([random.gauss(0, 1) for _ in range(MOST + 1)])
    assert found is not None
    assert found.p is None
    assert found.w > 0.99


def test_cells_that_are_0_or_less_have_no_logs() -> None:
    (cell,) = of_cells(data({("a",): (-1.0, 0.0, 2.0, 3.0)}, "x"), [])
    assert (cell.cell, cell.n, cell.logs) == ((), 4, None)


def test_variances_of_too_few_values_are_not_compared() -> None:
    assert equal_variances([[1.0, 2.0], [1.0]]) is None
    assert equal_variances([[1.0, 1.0], [2.0, 2.0]]) is None
    assert equal_variances([[1.0, 1.5], [2.0, 4.0]]) is None
