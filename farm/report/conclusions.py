"""Sentences on statistics: the size of an effect first, then its certainty, then doubts about the method."""

from collections.abc import Iterable, Mapping, Sequence

from farm.analysis.intervals import Interval
from farm.analysis.statistics.anova import Anova, Term
from farm.analysis.statistics.assumptions import CellNormality, Normality
from farm.analysis.statistics.data import Cell, Data, spelt
from farm.analysis.statistics.equivalence import SIGNIFICANCE, Equivalence
from farm.analysis.statistics.matching import Comparison
from farm.analysis.statistics.mixed import Mixed
from farm.analysis.statistics.multiplicity import Correction
from farm.analysis.statistics.pairs import Pair
from farm.analysis.statistics.posthoc import Difference, RankTest
from farm.report.numbers import estimate, factor_words, number, percent, several, share

#: With fewer values in a cell, a test cannot show departures from normal, nor small differences between cells.
FEW = 5
#: From this W on, the normal plot is straight: with many values the test finds departures that do not matter.
STRAIGHT_W = 0.95
#: Shares of the variance and words for them (Cohen 1988, p. 283; "most" means more than half).
_SHARES = ((0.5, "most"), (0.14, "a large part"), (0.06, "some"), (0.01, "little"), (0.0, "next to nothing"))
#: Smaller shares of the variance hardly matter.
_LITTLE = 0.01
#: The number of pairs that have a sentence each.
_NAMED = 5


def probability(p: float | None) -> str:
    """Return a p-value in the style of papers."""
    if p is None:
        return "p unknown"
    return "p < .001" if p < 0.001 else f"p = {number(p, 2)}"


def change(ratio: float, response: str = "", other: str = "") -> str:
    """Return a ratio in words: 12% more energy than A, 40% less, 2.4 times the energy of A."""
    if ratio >= 2:
        times = f"{number(ratio)} times"
        return f"{times} the {response}{f' of {other}' if other else ''}" if response else f"{times} as much"
    off = abs(ratio - 1)
    words = [f"{off * 100:.1f}%" if off < 0.1 else percent(off), "more" if ratio >= 1 else "less", response]
    return " ".join(word for word in (*words, f"than {other}" if other else "") if word)


def scale(data: Data) -> str:
    """Return the name of the response on the scale on which it was analysed."""
    return f"log {data.response}" if data.is_log else data.response


def anova_findings(found: Anova, data: Data) -> list[str]:
    """Return a sentence for each factor, the largest effect first, and one for the interactions."""
    factors = [term for term in found.effects if ":" not in term.term]
    ranked = sorted(factors, key=lambda term: -(term.eta_sq or 0.0))
    return [*(_effect(term, scale(data)) for term in ranked), *_interactions(found)]


def _effect(term: Term, response: str) -> str:
    figures = f"eta² {share(term.eta_sq)}, partial {share(term.partial_eta_sq)}, {probability(term.p)}"
    if (term.p or 0.0) >= SIGNIFICANCE:
        return f"{term.term}: cannot tell whether it changes {response} ({figures})."
    how_much = next(word for least, word in _SHARES if (term.eta_sq or 0.0) >= least)
    return f"{term.term} explains {how_much} of the variance of {response} ({figures})."


def _interactions(found: Anova) -> list[str]:
    terms = [term for term in found.effects if ":" in term.term]
    if not terms:
        return []
    together = sum(term.eta_sq or 0.0 for term in terms)
    sure = [term.term for term in terms if (term.p or 0.0) < SIGNIFICANCE]
    if not sure:
        return [f"Interactions, together eta² {share(together)}: cannot tell whether there are any."]
    effect = "the effect of one factor depends on another" if together >= _LITTLE else "too small to matter much"
    return [f"Interactions, together eta² {share(together)}: {effect} ({', '.join(sure)})."]


def anova_doubts(found: Anova, is_log: bool) -> list[str]:
    """Return the assumptions that do not hold, and what to do then."""
    advice = "" if is_log else "--log, or "
    doubts = []
    if found.smallest_cell != found.largest_cell and len(found.effects) > 1:
        doubts.append(
            f"Unbalanced: cells hold {found.smallest_cell} to {found.largest_cell} values, so eta² need not add up to "
            f"1, and types II and III differ; this is type {'I' * found.type}."
        )
    if found.smallest_cell < FEW:
        doubts.append(f"Only {found.smallest_cell} values in a cell: add repetitions for a surer result.")
    doubts += _residual_doubts(found.residuals, advice)
    p = found.equal_variances_p
    if p is not None and p < SIGNIFICANCE:
        doubts.append(
            f"The variances of the cells differ (Brown-Forsythe, {probability(p)}): try {advice}`farm analyze pairs`."
        )
    return doubts


def _residual_doubts(residuals: Normality | None, advice: str) -> list[str]:
    if residuals is None or residuals.p is None or residuals.p >= SIGNIFICANCE:
        return []
    figures = f"W {number(residuals.w)}, {probability(residuals.p)}"
    if residuals.w >= STRAIGHT_W:
        return [f"Residuals are nearly normal ({figures}): this does no harm."]
    return [f"Residuals are not normal ({figures}): try {advice}`farm analyze kruskal`."]


def tukey_findings(found: Iterable[Difference], response: str) -> list[str]:
    """Return a sentence for each pair, the largest difference first."""
    ranked = sorted(found, key=lambda d: -abs(d.difference.mean))
    named = [
        _difference(f"{d.factor} {d.b} against {d.a}", f"mean {response}", d.difference, d.p, d.relative)
        for d in ranked[:_NAMED]
    ]
    return [*named, *_more_pairs(len(ranked))]


def _difference(levels: str, response: str, difference: Interval, p: float, relative: float | None) -> str:
    figures = f"{estimate(difference)}, {probability(p)}"
    if p >= SIGNIFICANCE:
        return f"{levels}: cannot tell whether {response} differs: {figures}."
    return f"{levels}: {response} differs by {figures}{'' if relative is None else f', {change(1 + relative)}'}."


def kruskal_findings(found: Iterable[RankTest], response: str) -> list[str]:
    """Return a sentence for each factor, the largest effect first."""
    sentences = []
    for test in sorted(found, key=lambda test: -test.epsilon_sq):
        figures = f"epsilon² {share(test.epsilon_sq)}, H({test.df}) = {test.h:.1f}, {probability(test.p)}"
        if test.p >= SIGNIFICANCE:
            sentences.append(f"{test.factor}: cannot tell whether it changes {response} ({figures}).")
        else:
            sentences.append(f"{test.factor} shifts {response} ({figures}).")
    return sentences


def pair_findings(found: Mapping[tuple[Cell, Cell], Pair], factors: Sequence[str], response: str) -> list[str]:
    """Return a sentence for each pair, the largest ratio first; half as much is as large as twice as much."""
    ranked = sorted(found.items(), key=lambda item: -max(item[1].ratio.mean, 1 / item[1].ratio.mean))
    named = [
        f"{_cell(factors, b)} against {_cell(factors, a)}: {_pair(pair, response)}" for (a, b), pair in ranked[:_NAMED]
    ]
    return [*named, *_more_pairs(len(ranked))]


def _pair(pair: Pair, response: str) -> str:
    g = "" if pair.hedges_g is None else f"Hedges' g {number(pair.hedges_g.mean, 2)}, "
    figures = f"ratio {_ratio(pair.ratio)}, {g}Welch {probability(pair.p_adjusted)}"
    if pair.p_adjusted is None:
        return f"cannot tell: {number(pair.ratio.mean)} times the {response}, but a test needs two values that differ."
    if pair.p_adjusted >= SIGNIFICANCE:
        return f"cannot tell whether their {response} differs ({figures})."
    return f"{change(pair.ratio.mean, response)} ({figures})."


def pair_doubts(found: Iterable[Pair]) -> list[str]:
    """Return whether groups have too few values, and whether the two tests disagree."""
    pairs = list(found)
    least = min(min(pair.n_a, pair.n_b) for pair in pairs)
    doubts = []
    if least < FEW:
        few = several(least, "value")
        doubts.append(f"Only {few} on a side: a test of normality is not possible, and a difference may be missed.")
    apart = sum(
        (pair.p_adjusted < SIGNIFICANCE) != (pair.p_rank_adjusted < SIGNIFICANCE)
        for pair in pairs
        if pair.p_adjusted is not None and pair.p_rank_adjusted is not None
    )
    if apart:
        why = ", as it must with so few values" if least < FEW else ""
        doubts.append(f"Mann-Whitney's test disagrees with the t test for {several(apart, 'pair')}{why}.")
    return doubts


def mixed_findings(found: Mixed, data: Data, group: str) -> list[str]:
    """Return a sentence for all factors, one for each level, and one for the groups."""
    ranked = sorted(found.effects, key=lambda effect: -abs(effect.difference.mean))
    levels = [
        _difference(f"{e.factor} {e.level} against {e.reference}", scale(data), e.difference, e.p, e.relative)
        for e in ranked
    ]
    has_groups = found.icc >= _LITTLE
    advice = "a new group adds more information than another run of the same" if has_groups else "groups hardly matter"
    return [
        f"The factors explain {share(found.marginal_r_sq)} of the variance (marginal R²), factors and groups together "
        f"{share(found.conditional_r_sq)}.",
        *levels,
        f"Of the variance that the factors do not explain, {percent(found.icc)} lies between the {found.groups} groups "
        f"of {group} (ICC): {advice}.",
    ]


def mixed_doubts(found: Mixed) -> list[str]:
    """Return how each factor was tested, and whether groups differ at all."""
    inside, outside = (
        list(dict.fromkeys(effect.factor for effect in found.effects if effect.varies == where))
        for where in ("within", "between")
    )
    notes = []
    if inside:
        names = ", ".join(inside)
        notes.append(
            f"Varies within groups: {names}. The effect is that in each group; p: Student's t over the groups."
        )
    if outside:
        names = ", ".join(outside)
        notes.append(f"Varies between groups: {names}. The effect is that on the groups' means; p: Student's t.")
    for effect in found.effects:
        if effect.groups < found.groups:
            what = f"{effect.factor} {effect.level} against {effect.reference}"
            notes.append(f"{what} rests on the {effect.groups} of {found.groups} groups that have both.")
    if not found.group_variance:
        notes.append("The groups' means differ by no more than chance: their variance is estimated as 0.")
    return notes


def stopping_notes(data: Data, is_ranked: bool | None) -> list[str]:
    """Return how an analysis allows for repetitions that depended on results; none if they were fixed.

    Args:
        data: The values.
        is_ranked: True if only the planned values are used, None if p does not depend on the number of repetitions.
    """
    if data.is_fixed or is_ranked is None:
        return []
    planned = f"the {sum(data.planned)} of {several(len(data.values), 'value')} that were planned before any result"
    if is_ranked:
        return [f"Repetitions depended on results: this uses only {planned}."]
    return [
        f"Repetitions depended on results: p and intervals have the spread and degrees of freedom of {planned}, or the "
        "spread of all if it is larger (Stein 1945). Ranks are those of the planned values."
    ]


def corrected(pairs: int, correction: Correction, interval: str) -> list[str]:
    """Return a note that p is corrected over several pairs, and intervals are not; no note for one pair."""
    if pairs == 1:
        return []
    return [f"p is corrected for {pairs:,} pairs ({correction}); each {interval} interval is for its pair alone."]


def equivalence_findings(
    found: Mapping[tuple[Cell, Cell], Equivalence], factors: Sequence[str], margin: float, response: str
) -> list[str]:
    """Return a sentence for each pair."""
    within = f"a margin of {margin * 100:g}%"
    sentences = []
    for (a, b), one in list(found.items())[:_NAMED]:
        figures = f"ratio {_ratio(one.ratio, '90%')}, TOST {probability(one.p_adjusted)}"
        difference = f"difference {probability(one.p_difference)}"
        verdicts = {
            "equivalent": f"equal {response} within {within} ({figures}).",
            "different": f"not shown to be equal within {within}, and they differ ({figures}, {difference}).",
            "unclear": f"cannot tell: neither equal within {within} nor different ({figures}, {difference}).",
        }
        sentences.append(f"{_cell(factors, a)} and {_cell(factors, b)}: {verdicts[one.verdict]}")
    return [*sentences, *_more_pairs(len(found))]


def normality_findings(found: Sequence[CellNormality], response: str) -> list[str]:
    """Return how many cells depart from normal, as measured and as logarithms."""
    plain = [(cell.plain.w, cell.p) for cell in found if cell.plain]
    logs = [(cell.logs.w, cell.p_logs) for cell in found if cell.logs]
    if not plain:
        return [f"cannot tell: a test needs {several(3, 'value')} that differ in a cell."]
    sentences = [_departures(plain, response), *([_departures(logs, f"log {response}")] if logs else [])]
    if min(cell.n for cell in found) < 2 * FEW:
        sentences.append(
            "With few values in a cell the test finds only large departures: it does not prove that values are normal."
        )
    return sentences


def _departures(cells: Sequence[tuple[float, float | None]], response: str) -> str:
    departs = sum(p is not None and p < SIGNIFICANCE for _, p in cells)
    worst = f"least W {number(min(w for w, _ in cells))}"
    if not departs:
        return f"{response}: no departure from normal in {several(len(cells), 'cell')} ({worst})."
    return f"{response}: not normal in {departs} of {several(len(cells), 'cell')} ({worst}, p corrected)."


def comparison_findings(found: Comparison, response: str) -> list[str]:
    """Return a sentence for the overall ratio, and one for the points that agree with it."""
    points = several(len(found.matches), "point")
    where = "" if len(found.matches) == 1 else f" over {points}, geometric mean"
    figures = f"B / A = {_ratio(found.ratio)}, {probability(found.p)}"
    if found.p is None:
        known = f"B has {number(found.ratio.mean)} times the {response} of A{where}"
        first = f"cannot tell: {known}, but not every point has two values that differ on each side."
    elif found.p >= SIGNIFICANCE:
        first = f"cannot tell whether the {response} of A and B differs{where} ({figures})."
    else:
        first = f"B has {change(found.ratio.mean, response, 'A')}{where} ({figures})."
    return [first, *([_points(found)] if len(found.matches) > 1 else [])]


def _points(found: Comparison) -> str:
    tested = [(match.pair.ratio.mean, match.pair.p_adjusted) for match in found.matches]
    sure = [ratio for ratio, p in tested if p is not None and p < SIGNIFICANCE]
    less, more = sum(ratio < 1 for ratio in sure), sum(ratio > 1 for ratio in sure)
    ratios = [ratio for ratio, _ in tested]
    parts = [(less, "less"), (more, "more"), (len(ratios) - len(sure), "cannot tell")]
    counts = ", ".join(f"{count} {what}" for count, what in parts if count)
    return f"Point by point (Holm): {counts}; ratios from {number(min(ratios))} to {number(max(ratios))}."


def _cell(factors: Sequence[str], cell: Cell) -> str:
    """Return the levels of a cell, with the name of the factor if there is only one."""
    return spelt(factors, cell) if len(factors) == 1 else levels(cell)


def levels(cell: Cell) -> str:
    """Return the levels of a cell without the names of the factors."""
    return ",".join("null" if level is None else str(level) for level in cell)


def _more_pairs(count: int) -> list[str]:
    return [f"The table has {several(count - _NAMED, 'more pair')}."] if count > _NAMED else []


def _ratio(ratio: Interval, level: str = "95%") -> str:
    inside = factor_words(ratio, level)
    return f"{number(ratio.mean, 4)} ({inside})" if inside else number(ratio.mean, 4)
