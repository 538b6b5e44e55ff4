"""What `farm analyze` and `farm compare` show: a table, what it says in words, and what stands against it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from math import log
from typing import Any, TypeVar

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from farm.analysis.intervals import Interval
from farm.analysis.statistics.anova import Anova, Type, anova
from farm.analysis.statistics.assumptions import Normality, of_cells
from farm.analysis.statistics.data import Cell, Data, spelt
from farm.analysis.statistics.equivalence import MARGIN, equivalence
from farm.analysis.statistics.mixed import mixed
from farm.analysis.statistics.multiplicity import Correction
from farm.analysis.statistics.pairs import Pair, pairs
from farm.analysis.statistics.posthoc import dunn, kruskal, tukey
from farm.errors import InputError
from farm.report import conclusions as words
from farm.report.grids import Row, grids
from farm.report.numbers import UNKNOWN, number, p_value
from farm.report.observations import Observations
from farm.report.results import ends


class Method(StrEnum):
    """What to do with the values."""

    ANOVA = "anova"
    TUKEY = "tukey"
    KRUSKAL = "kruskal"
    PAIRS = "pairs"
    MIXED = "mixed"
    EQUIVALENCE = "equivalence"
    NORMALITY = "normality"


@dataclass(frozen=True, slots=True)
class Options:
    """What some methods want to know besides; None: not said."""

    type: int | None = None  #: of anova
    group: tuple[str, ...] = ()  #: of mixed
    margin: float | None = None  #: of equivalence
    correction: Correction | None = None  #: of pairs, kruskal, equivalence and normality


@dataclass(frozen=True, slots=True)
class Analysis:
    """One analysis, ready to be shown."""

    caption: Sequence[str]
    tables: Sequence[RenderableType]
    sentences: Sequence[str]
    notes: Sequence[str]
    record: Mapping[str, Any]  #: for scripts: `table` first

    def rendered(self) -> RenderableType:
        """For a terminal of 80 columns."""
        sentences = Table.grid(padding=(0, 1))
        for sentence in self.sentences:
            sentences.add_row("•", sentence)
        footnotes = [Text(note, style="dim") for note in self.notes]
        return Group(Text("\n".join((*self.caption, ""))), *self.tables, *footnotes, sentences)

    def records(self) -> list[dict[str, Any]]:
        """The rows of the table, for csv and parquet."""
        return list(self.record["table"])


T = TypeVar("T")
Rows = list[dict[str, Any]]
Headings = tuple[str, ...]
#: Rows of a table of pairs: 60 levels have 1,770.
_MOST = 40
_ANOVA = ("df", "sum of\nsquares", "F", "p", "eta²", "partial\neta²", "omega²")
_TUKEY = ("difference", "95% interval", "change", "p")
_PAIRS = ("n", "b / a (95%)", "g", "delta", "p\nWelch", "p\nranks")
_EQUIVALENCE = ("n", "b / a (90%)", "p\nTOST", "p of a\ndifference", "verdict")
_MIXED = ("difference", "95% interval", "change", "p")
_NORMALITY = ("n", "W", "p", "skew", "W\nof logs", "p\nof logs")


def method(name: str) -> Method:
    """By its name; raises InputError."""
    if name not in set(Method):
        raise InputError(f"METHOD: expected {', '.join(Method)}, got {name!r}")
    return Method(name)


def correction(name: str | None) -> Correction | None:
    """By its name; raises InputError."""
    if name is not None and name not in set(Correction):
        raise InputError(f"--correction: expected {', '.join(Correction)}, got {name!r}")
    return Correction(name) if name else None


def analysis(method: Method, seen: Observations, factors: Sequence[str], options: Options) -> Analysis:
    """Run one method over values; raises InputError where they, or the options, do not suit it."""
    if not factors and method is not Method.NORMALITY:
        raise InputError(f"--factors: name what {method} should compare, such as model,batch_size")
    _check_options(method, options)
    if seen.data.is_log and method is Method.NORMALITY:
        raise InputError("--log: normality shows logarithms anyway")
    if not seen.data.values:
        raise InputError("there is nothing to analyse: no value is left")
    try:
        own = _METHODS[method](seen.data, factors, options)
    except InputError as error:
        raise InputError(f"{error}; {seen.left_out}" if seen.left_out else str(error)) from None
    about = {"method": method.value, "response": seen.data.response, "is_log": seen.data.is_log}
    notes = (*own.notes, *seen.notes)
    record = {**own.record, **about, "n": len(seen.data.values), "conclusion": own.sentences, "notes": notes}
    return Analysis((*seen.caption, *own.caption), own.tables, own.sentences, notes, record)


def _check_options(method: Method, options: Options) -> None:
    """An option that a method does not know would be a promise not kept."""
    corrected = {Method.PAIRS, Method.KRUSKAL, Method.EQUIVALENCE, Method.NORMALITY}
    known = {"type": {Method.ANOVA}, "group": {Method.MIXED}, "margin": {Method.EQUIVALENCE}, "correction": corrected}
    for field in fields(options):
        if getattr(options, field.name) not in {None, ()} and method not in known[field.name]:
            those = ", ".join(sorted(known[field.name]))
            raise InputError(f"--{field.name}: {method} has none: it is for {those}")
    if options.type not in {None, 2, 3}:
        raise InputError(f"--type: expected 2 or 3, got {options.type}")
    if options.margin is not None and not 0 < options.margin < 1:
        raise InputError(f"--margin: expected a share above 0 and below 1, such as 0.05, got {options.margin:g}")
    if method is Method.MIXED and not options.group:
        raise InputError("--group: name what the runs share, such as lr,beta1,beta2 or machine")


def _anova(data: Data, factors: Sequence[str], options: Options) -> Analysis:
    type_: Type = 3 if options.type == 3 else 2
    found = anova(data, factors, type_)
    rows = [
        Row(
            (("term", term.term.replace(":", " : ")),),
            [
                str(term.df),
                number(term.sum_sq, 4),
                number(term.f),
                UNKNOWN if term.p is None else p_value(term.p),
                *(UNKNOWN if x is None else f"{x:.3f}" for x in (term.eta_sq, term.partial_eta_sq, term.omega_sq)),
            ],
        )
        for term in found.terms
    ]
    return Analysis(
        caption=[f"analysis of variance, type {'I' * type_}, all interactions"],
        tables=[grids(rows, _ANOVA)],
        sentences=words.of_anova(found, data),
        notes=words.doubts_of_anova(found, data.is_log),
        record={"table": [asdict(term) for term in found.terms], "type": type_, "assumptions": _assumptions(found)},
    )


def _largest(found: Sequence[T], size: Callable[[T], float], how: str) -> tuple[Sequence[T], list[str]]:
    """The pairs that a table shows, in their order; and what shows all of them, where there are more."""
    if len(found) <= _MOST:
        return found, []
    kept = sorted(sorted(range(len(found)), key=lambda place: -size(found[place]))[:_MOST])
    note = f"The table has the {_MOST} largest of {len(found):,} differences: `farm analyze {how}` has all."
    return [found[place] for place in kept], [note]


def _assumptions(found: Anova) -> dict[str, Any]:
    residuals = found.residuals
    return {
        "smallest_cell": found.smallest_cell,
        "largest_cell": found.largest_cell,
        "shapiro_wilk_w": residuals.w if residuals else None,
        "shapiro_wilk_p": residuals.p if residuals else None,
        "brown_forsythe_p": found.equal_variances_p,
    }


def _tukey(data: Data, factors: Sequence[str], _: Options) -> Analysis:
    found = tukey(data, factors)
    shown, cut = _largest(found, lambda d: abs(d.difference.mean), "tukey --format csv")
    rows = [
        Row(
            ((d.factor, f"{d.b} - {d.a}"),)
            if len(factors) == 1
            else (("factor", d.factor), ("levels", f"{d.b} - {d.a}")),
            [number(d.difference.mean, 4), words.span(d.difference), _change(d.relative), p_value(d.p)],
        )
        for d in shown
    ]
    table = [
        {"factor": d.factor, "a": d.a, "b": d.b, **ends("difference", d.difference), "relative": d.relative, "p": d.p}
        for d in found
    ]
    is_balanced = len({len(values) for values in data.cells(factors).values()}) == 1
    mixed_up = "Unbalanced: these are differences of plain means, in which the other factors have a part."
    return Analysis(
        caption=["Tukey's honestly significant differences; the error is that of the full anova"],
        tables=[grids(rows, _TUKEY)],
        sentences=words.of_tukey(found, words.scale(data)),
        notes=[*cut, *([] if is_balanced or len(factors) == 1 else [mixed_up])],
        record={"table": table},
    )


def _kruskal(data: Data, factors: Sequence[str], options: Options) -> Analysis:
    correction = options.correction or Correction.HOLM
    tests, differences = kruskal(data, factors), dunn(data, factors, correction)
    rows = [Row((("factor", t.factor),), [f"{t.h:.1f}", str(t.df), p_value(t.p), f"{t.epsilon_sq:.3f}"]) for t in tests]
    shown, cut = _largest(differences, lambda d: -d.p_adjusted, "kruskal --format json")
    after = [Row((("factor", d.factor), ("levels", f"{d.b} - {d.a}")), [p_value(d.p_adjusted)]) for d in shown]
    return Analysis(
        caption=["Kruskal-Wallis, then Dunn's test of the pairs"],
        tables=[grids(rows, ("H", "df", "p", "epsilon²")), grids(after, (f"p ({correction})",))],
        sentences=words.of_kruskal(tests, data.response),
        notes=[*cut, *(["Each factor by itself: what the others do counts as spread."] if len(factors) > 1 else [])],
        record={"table": [asdict(t) for t in tests], "dunn": [asdict(d) for d in differences]},
    )


def _pairs(data: Data, factors: Sequence[str], options: Options) -> Analysis:
    correction = options.correction or Correction.HOLM
    found = pairs(data, factors, correction)
    shown, cut = _largest(list(found.items()), lambda item: abs(log(item[1].ratio.mean)), "pairs --format csv")
    rows = [
        Row(
            (("b", words.levels(b)), ("a", words.levels(a))),
            [
                f"{pair.n_b}/{pair.n_a}",
                between(pair.ratio),
                number(pair.g.mean if pair.g else None, 2),
                number(pair.delta.mean, 2),
                p_value(pair.p_adjusted),
                p_value(pair.p_rank_adjusted),
            ],
        )
        for (a, b), pair in shown
    ]
    return Analysis(
        caption=[f"pairs of {','.join(factors)}: ratios of geometric means; Welch on logs, Mann-Whitney"],
        tables=[grids(rows, _PAIRS)],
        sentences=words.of_pairs(found, factors, data.response),
        notes=[
            *cut,
            *words.corrected(len(found), correction, "95%"),
            "g: Hedges, delta: Cliff.",
            *words.doubts_of_pairs(found.values()),
        ],
        record={"table": [_cells(factors, a, b) | pair_record(pair) for (a, b), pair in found.items()]},
    )


def _mixed(data: Data, factors: Sequence[str], options: Options) -> Analysis:
    found = mixed(data, factors, options.group)
    rows = [
        Row(
            (("factor", e.factor), ("levels", f"{e.level} - {e.reference}")),
            [number(e.difference.mean, 4), words.span(e.difference), _change(e.relative), p_value(e.p)],
        )
        for e in found.effects
    ]
    table = [
        {"factor": e.factor, "level": e.level, "reference": e.reference}
        | {**ends("difference", e.difference), "relative": e.relative, "p": e.p}
        for e in found.effects
    ]
    group = ",".join(options.group)
    own = {field.name: getattr(found, field.name) for field in fields(found) if field.name != "effects"}
    return Analysis(
        caption=[f"mixed model (REML): main effects of {','.join(factors)}, a random effect of {group}"],
        tables=[grids(rows, _MIXED)],
        sentences=words.of_mixed(found, data, group),
        notes=words.doubts_of_mixed(found),
        record={"table": table, **own, "icc": found.icc},
    )


def _equivalence(data: Data, factors: Sequence[str], options: Options) -> Analysis:
    margin = MARGIN if options.margin is None else options.margin
    correction = options.correction or Correction.HOLM
    found = equivalence(data, factors, margin, correction)
    shown, cut = _largest(list(found.items()), lambda item: abs(log(item[1].ratio.mean)), "equivalence --format csv")
    rows = [
        Row(
            (("b", words.levels(b)), ("a", words.levels(a))),
            [f"{e.n_b}/{e.n_a}", between(e.ratio), p_value(e.p_adjusted), p_value(e.p_difference), e.verdict],
        )
        for (a, b), e in shown
    ]
    table = [
        {**_cells(factors, a, b), **ends("ratio", e.ratio), "p": e.p, "p_adjusted": e.p_adjusted}
        | {"p_difference": e.p_difference, "verdict": e.verdict, "n_a": e.n_a, "n_b": e.n_b}
        for (a, b), e in found.items()
    ]
    whence = "" if options.margin is not None else ", the usual one: as much as a power sensor's gain may be off"
    return Analysis(
        caption=[f"equivalence of {','.join(factors)}: two one-sided Welch tests of the logarithms"],
        tables=[grids(rows, _EQUIVALENCE)],
        sentences=words.of_equivalence(found, factors, margin, data.response),
        notes=[
            *cut,
            *words.corrected(len(found), correction, "90%"),
            f"Equal: a ratio between {number(1 / (1 + margin))} and {number(1 + margin)}{whence}.",
        ],
        record={"table": table, "margin": margin},
    )


def _normality(data: Data, factors: Sequence[str], options: Options) -> Analysis:
    found = of_cells(data, factors, options.correction or Correction.HOLM)
    rows = [
        Row(
            tuple(zip(factors, cell.cell, strict=True)) or (("values", "all"),),
            [str(cell.n), *_normal(cell.plain, cell.p, skew=True), *_normal(cell.logs, cell.p_logs, skew=False)],
        )
        for cell in found
    ]
    table = [
        {**dict(zip(factors, cell.cell, strict=True)), "n": cell.n}
        | _normal_record("", cell.plain, cell.p)
        | _normal_record("log_", cell.logs, cell.p_logs)
        for cell in found
    ]
    return Analysis(
        caption=["Shapiro-Wilk, as measured and of logarithms"],
        tables=[grids(rows, _NORMALITY)],
        sentences=words.of_normality(found, data.response),
        notes=[],
        record={"table": table},
    )


_METHODS: Mapping[Method, Callable[[Data, Sequence[str], Options], Analysis]] = {
    Method.ANOVA: _anova,
    Method.TUKEY: _tukey,
    Method.KRUSKAL: _kruskal,
    Method.PAIRS: _pairs,
    Method.MIXED: _mixed,
    Method.EQUIVALENCE: _equivalence,
    Method.NORMALITY: _normality,
}


def _normal(found: Normality | None, p: float | None, skew: bool) -> list[str]:
    own = [number(found.w) if found else UNKNOWN, p_value(p)]
    return [*own, number(found.skewness, 2) if found else UNKNOWN] if skew else own


def _normal_record(prefix: str, found: Normality | None, p_adjusted: float | None) -> dict[str, Any]:
    return {
        f"{prefix}w": found.w if found else None,
        f"{prefix}p": found.p if found else None,
        f"{prefix}p_adjusted": p_adjusted,
        f"{prefix}skewness": found.skewness if found else None,
    }


def pair_record(pair: Pair) -> dict[str, Any]:
    """For scripts."""
    return {
        "n_a": pair.n_a,
        "n_b": pair.n_b,
        **ends("ratio", pair.ratio),
        "p": pair.p,
        "p_adjusted": pair.p_adjusted,
        **ends("hedges_g", pair.g),
        **ends("cliff_delta", pair.delta),
        "p_rank": pair.p_rank,
        "p_rank_adjusted": pair.p_rank_adjusted,
    }


def _cells(factors: Sequence[str], a: Cell, b: Cell) -> dict[str, Any]:
    return {"a": spelt(factors, a), "b": spelt(factors, b)}


def _change(relative: float | None) -> str:
    return UNKNOWN if relative is None else f"{relative * 100:+.1f}%"


def between(ratio: Interval) -> str:
    """A ratio with its interval, for a cell."""
    inside = words.span(ratio)
    return f"{number(ratio.mean, 4)} ({inside})" if inside else number(ratio.mean, 4)
