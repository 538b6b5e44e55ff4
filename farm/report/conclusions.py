"""What statistics say, in words: the size of an effect first, then how sure it is, then what stands against it."""

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
from farm.report.numbers import ends, number, percent, several, share

#: Fewer values in a cell than this cannot show that they are not normal, nor that two cells hardly differ.
FEW = 5
#: Fewer groups than this make the p of a mixed model too small.
FEW_GROUPS = 20
#: A straight normal plot: with many values the test finds departures that do not matter.
STRAIGHT_W = 0.95
#: Shares of the variance and their names (Cohen 1988, p. 283; the first is plain counting).
_SHARES = ((0.5, "most"), (0.14, "a large part"), (0.06, "some"), (0.01, "little"), (0.0, "next to nothing"))
#: Pairs that are named one by one.
_NAMED = 5


def probability(p: float | None) -> str:
    """As papers print it."""
    if p is None:
        return "p unknown"
    return "p < .001" if p < 0.001 else f"p = {number(p, 2)}"


def change(ratio: float, response: str = "", other: str = "") -> str:
    """12% more energy than A, 40% less, 2.4 times the energy of A."""
    if ratio >= 2:
        times = f"{number(ratio)} times"
        return f"{times} the {response}{f' of {other}' if other else ''}" if response else f"{times} as much"
    off = abs(ratio - 1)
    words = [f"{off * 100:.1f}%" if off < 0.1 else percent(off), "more" if ratio >= 1 else "less", response]
    return " ".join(word for word in (*words, f"than {other}" if other else "") if word)


def scale(data: Data) -> str:
    """The response as it was analysed."""
    return f"log {data.response}" if data.is_log else data.response


def of_anova(found: Anova, data: Data) -> list[str]:
    """A sentence for each factor, one for the interactions."""
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
    effect = "the effect of one factor depends on another" if together >= _SHARES[3][0] else "too small to matter much"
    return [f"Interactions, together eta² {share(together)}: {effect} ({', '.join(sure)})."]


def doubts_of_anova(found: Anova, is_log: bool) -> list[str]:
    """Where its assumptions do not hold, and what then."""
    advice = "" if is_log else "--log, or "
    doubts = []
    if found.smallest_cell != found.largest_cell and len(found.effects) > 1:
        doubts.append(
            f"Unbalanced: {found.smallest_cell} to {found.largest_cell} values a cell, so eta² need not add up to 1, "
            f"and types II and III differ; this is type {'I' * found.type}."
        )
    if found.smallest_cell < FEW:
        doubts.append(f"Only {found.smallest_cell} values in a cell: add repetitions for a surer result.")
    return [*doubts, *_residuals(found.residuals, advice), *_variances(found.equal_variances_p, advice)]


def _residuals(residuals: Normality | None, advice: str) -> list[str]:
    if residuals is None or residuals.p is None or residuals.p >= SIGNIFICANCE:
        return []
    how = f"W {number(residuals.w)}, {probability(residuals.p)}"
    if residuals.w >= STRAIGHT_W:
        return [f"Residuals are nearly normal ({how}): this does no harm."]
    return [f"Residuals are not normal ({how}): try {advice}`farm analyze kruskal`."]


def _variances(p: float | None, advice: str) -> list[str]:
    if p is None or p >= SIGNIFICANCE:
        return []
    return [f"The cells do not vary alike (Brown-Forsythe, {probability(p)}): try {advice}`farm analyze pairs`."]


def of_tukey(found: Iterable[Difference], response: str) -> list[str]:
    """A sentence for each pair, the largest difference first."""
    ranked = sorted(found, key=lambda d: -abs(d.difference.mean))
    return [*(_difference(d, response) for d in ranked[:_NAMED]), *_rest(len(ranked))]


def _difference(d: Difference, response: str) -> str:
    who = f"{d.factor} {d.b} against {d.a}"
    figures = f"{number(d.difference.mean, 4)} ({ends(d.difference)}), {probability(d.p)}"
    if d.p >= SIGNIFICANCE:
        return f"{who}: cannot tell the means of {response} apart: {figures}."
    return f"{who}: mean {response} differs by {figures}{_share_of(d.relative)}."


def _share_of(relative: float | None) -> str:
    return "" if relative is None else f", {change(1 + relative)}"


def of_kruskal(found: Iterable[RankTest], response: str) -> list[str]:
    """A sentence for each factor, the largest effect first."""
    ranked = sorted(found, key=lambda test: -test.epsilon_sq)
    return [_rank(test, response) for test in ranked]


def _rank(test: RankTest, response: str) -> str:
    figures = f"epsilon² {share(test.epsilon_sq)}, H({test.df}) = {test.h:.1f}, {probability(test.p)}"
    if test.p >= SIGNIFICANCE:
        return f"{test.factor}: cannot tell whether it changes {response} ({figures})."
    return f"{test.factor} shifts {response} ({figures})."


def of_pairs(found: Mapping[tuple[Cell, Cell], Pair], factors: Sequence[str], response: str) -> list[str]:
    """A sentence for each pair, the largest ratio first."""
    ranked = sorted(found.items(), key=lambda item: -_size(item[1].ratio))
    sentences = [
        f"{_who(factors, b)} against {_who(factors, a)}: {of_ratio(pair, response)}" for (a, b), pair in ranked[:_NAMED]
    ]
    return [*sentences, *_rest(len(ranked))]


def of_ratio(pair: Pair, response: str) -> str:
    """What may be said of one pair."""
    figures = f"ratio {_ratio(pair.ratio)}, {_g(pair.g)}Welch {probability(pair.p_adjusted)}"
    if pair.p_adjusted is None:
        return f"cannot tell: {number(pair.ratio.mean)} times the {response}, but a test needs two values that differ."
    if pair.p_adjusted >= SIGNIFICANCE:
        return f"cannot tell their {response} apart ({figures})."
    return f"{change(pair.ratio.mean, response)} ({figures})."


def doubts_of_pairs(found: Iterable[Pair]) -> list[str]:
    """Few values, and tests that see it differently."""
    several_pairs = list(found)
    least = min(min(pair.n_a, pair.n_b) for pair in several_pairs)
    doubts = []
    if least < FEW:
        few = several(least, "value")
        doubts.append(f"Only {few} on a side: a test of normality is not possible, and a difference may be missed.")
    apart = sum(
        (pair.p_adjusted < SIGNIFICANCE) != (pair.p_rank_adjusted < SIGNIFICANCE)
        for pair in several_pairs
        if pair.p_adjusted is not None and pair.p_rank_adjusted is not None
    )
    if apart:
        why = ", as it must with so few values" if least < FEW else ""
        doubts.append(f"Mann-Whitney's test disagrees with Welch's for {several(apart, 'pair')}{why}.")
    return doubts


def of_mixed(found: Mixed, data: Data, group: str) -> list[str]:
    """A sentence for each level, then what the groups do."""
    ranked = sorted(found.effects, key=lambda effect: -abs(effect.difference.mean))
    sentences = []
    for e in ranked:
        figures = f"{number(e.difference.mean, 4)} ({ends(e.difference)}), {probability(e.p)}"
        who = f"{e.factor} {e.level} against {e.reference}"
        if e.p >= SIGNIFICANCE:
            sentences.append(f"{who}: cannot tell whether {scale(data)} differs: {figures}.")
        else:
            sentences.append(f"{who}: {scale(data)} differs by {figures}{_share_of(e.relative)}.")
    alike = f"{percent(found.icc)} of what the factors leave lies between the {found.groups} groups of {group} (ICC)"
    has_groups = found.icc >= _SHARES[3][0]
    counted = "a new group adds more information than another run of the same" if has_groups else "groups hardly matter"
    explained = f"The factors explain {share(found.marginal_r_sq)} of the variance (marginal R²)"
    return [f"{explained}, with the groups {share(found.conditional_r_sq)}.", *sentences, f"{alike}: {counted}."]


def corrected(pairs: int, correction: Correction, interval: str) -> list[str]:
    """What p is corrected for, and that intervals are not."""
    if pairs == 1:
        return []
    return [f"p: corrected for {pairs:,} pairs ({correction}); intervals: {interval} of each pair by itself."]


def doubts_of_mixed(found: Mixed) -> list[str]:
    """Where the fit does not deserve trust."""
    doubts = []
    if not found.has_converged:
        doubts.append("The fit did not converge: the figures are least squares, which count each run as independent.")
    if found.is_singular:
        doubts.append("The groups differ by no more than chance: their variance is estimated as 0.")
    if found.groups < FEW_GROUPS and not found.is_singular:
        doubts.append(f"Only {found.groups} groups: intervals are too narrow and p too small (Wald's test).")
    return doubts


def of_equivalence(
    found: Mapping[tuple[Cell, Cell], Equivalence], factors: Sequence[str], margin: float, response: str
) -> list[str]:
    """A sentence for each pair."""
    within = f"a margin of {margin * 100:g}%"
    sentences = []
    for (a, b), one in list(found.items())[:_NAMED]:
        figures = f"ratio {_ratio(one.ratio, '90%')}, TOST {probability(one.p_adjusted)}"
        difference = f"difference {probability(one.p_difference)}"
        says = {
            "equivalent": f"equal {response} within {within} ({figures}).",
            "different": f"not shown to be equal within {within}, and they differ ({figures}, {difference}).",
            "unclear": f"cannot tell: neither equal within {within} nor different ({figures}, {difference}).",
        }
        sentences.append(f"{_who(factors, a)} and {_who(factors, b)}: {says[one.verdict]}")
    return [*sentences, *_rest(len(found))]


def of_normality(found: Sequence[CellNormality], response: str) -> list[str]:
    """How many cells look normal, and whether logarithms do better."""
    plain = [(cell.plain.w, cell.p) for cell in found if cell.plain]
    logs = [(cell.logs.w, cell.p_logs) for cell in found if cell.logs]
    if not plain:
        return [f"cannot tell: a test needs {several(3, 'value')} that differ in a cell."]
    sentences = [_normal(plain, response)]
    if logs:
        sentences.append(_normal(logs, f"log {response}"))
    if min(cell.n for cell in found) < 2 * FEW:
        sentences.append(
            "With few values in a cell the test finds only large departures: it does not prove that values are normal."
        )
    return sentences


def _normal(cells: Sequence[tuple[float, float | None]], what: str) -> str:
    departs = sum(p is not None and p < SIGNIFICANCE for _, p in cells)
    worst = f"least W {number(min(w for w, _ in cells))}"
    if not departs:
        return f"{what}: no departure from normal in {several(len(cells), 'cell')} ({worst})."
    return f"{what}: not normal in {departs} of {several(len(cells), 'cell')} ({worst}, p corrected)."


def of_comparison(found: Comparison, response: str) -> list[str]:
    """The overall ratio, then how many points agree."""
    points = several(len(found.matches), "point")
    where = "" if len(found.matches) == 1 else f" over {points}, geometric mean"
    figures = f"B / A = {_ratio(found.ratio)}, {probability(found.p)}"
    if found.p is None:
        known = f"B has {number(found.ratio.mean)} times the {response} of A{where}"
        first = f"cannot tell: {known}, but not every point has two values that differ on each side."
    elif found.p >= SIGNIFICANCE:
        first = f"cannot tell the {response} of A and B apart{where} ({figures})."
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


def _who(factors: Sequence[str], cell: Cell) -> str:
    """A cell by its levels; with its factor where there is but one."""
    return spelt(factors, cell) if len(factors) == 1 else levels(cell)


def levels(cell: Cell) -> str:
    """Without their factors, which a caption names."""
    return ",".join("null" if level is None else str(level) for level in cell)


def _rest(count: int) -> list[str]:
    return [f"The table has {several(count - _NAMED, 'more pair')}."] if count > _NAMED else []


def _ratio(ratio: Interval, level: str = "95%") -> str:
    inside = ends(ratio)
    return f"{number(ratio.mean, 4)} ({level}: {inside})" if inside else number(ratio.mean, 4)


def _g(g: Interval | None) -> str:
    return "" if g is None else f"Hedges' g {number(g.mean, 2)}, "


def _size(ratio: Interval) -> float:
    """Half as much and twice as much are the same."""
    return ratio.mean if ratio.mean >= 1 else 1 / ratio.mean
