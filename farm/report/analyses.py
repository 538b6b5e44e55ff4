"""`farm analyze`: tables of statistics, doubts about them, and findings in words."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from math import log
from typing import Any, TypeVar

from farm.analysis.statistics.anova import Anova, Type, anova
from farm.analysis.statistics.assumptions import Normality, of_cells
from farm.analysis.statistics.data import Cell, Data, spelt
from farm.analysis.statistics.equivalence import MARGIN, equivalence
from farm.analysis.statistics.mixed import mixed
from farm.analysis.statistics.multiplicity import Correction
from farm.analysis.statistics.pairs import pairs
from farm.analysis.statistics.posthoc import dunn, kruskal, tukey
from farm.model.errors import InputError
from farm.report import conclusions
from farm.report.document import Block, Column, Document, Form, Record, Row, Table, Value, findings, key, notes
from farm.report.numbers import number
from farm.report.observations import Observations
from farm.report.selection import parse_choice


class Method(StrEnum):
    """A statistical method."""

    ANOVA = "anova"
    TUKEY = "tukey"
    KRUSKAL = "kruskal"
    PAIRS = "pairs"
    MIXED = "mixed"
    EQUIVALENCE = "equivalence"
    NORMALITY = "normality"


@dataclass(frozen=True, slots=True)
class Options:
    """Settings of single methods; None takes the default."""

    type: int | None = None  #: for anova
    group: tuple[str, ...] = ()  #: for mixed
    margin: float | None = None  #: for equivalence
    correction: Correction | None = None  #: for pairs, kruskal, equivalence and normality


@dataclass(frozen=True, slots=True)
class Found:
    """The results of one method."""

    tables: Sequence[Table]  #: the rows that people see
    sentences: Sequence[str]
    notes: Sequence[str]
    record: Record  #: the data for scripts: `table` first


T = TypeVar("T")
#: Whether a method uses only the repetitions that no result decided; None: its groups are independent of it.
_RANKED: Mapping[Method, bool | None] = {
    Method.ANOVA: False,
    Method.TUKEY: False,
    Method.KRUSKAL: True,
    Method.PAIRS: False,
    Method.MIXED: None,
    Method.EQUIVALENCE: False,
    Method.NORMALITY: True,
}
#: People see at most so many rows of a table of pairs: 60 levels have 1,770 pairs.
_MOST = 40


def parse_correction(name: str | None) -> Correction | None:
    """Parse the name of a correction from the command line; raises InputError."""
    return None if name is None else parse_choice("--correction", name, Correction)


def analysis(method: Method, seen: Observations, factors: Sequence[str], options: Options) -> Document:
    """Run one method over values.

    Args:
        method: The method.
        seen: The values, with the levels of their factors.
        factors: The factors whose levels are compared; normality needs none.
        options: Settings of single methods.

    Returns:
        Tables, doubts about them, and findings; the record of the document has every row.

    Raises:
        InputError: the values or the options do not suit the method, or a library is missing.
    """
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
    record = {**own.record, **about, "n": len(seen.data.values)}
    doubts = (*own.notes, *conclusions.stopping_notes(seen.data, _RANKED[method]), *seen.notes)
    return document([*seen.caption, *own.tables], doubts, own.sentences, record)


def document(blocks: Sequence[Block], doubts: Sequence[str], sentences: Sequence[str], record: Record) -> Document:
    """Return captions and tables, doubts about them, and findings; `record` has every row of the table."""
    shown = [*blocks, *notes(doubts), *findings(sentences)]
    return Document(shown, record["table"], {**record, "conclusion": sentences, "notes": doubts})


def _check_options(method: Method, options: Options) -> None:
    """Raise InputError for an option that the method does not use, or a value that it does not take."""
    corrected = {Method.PAIRS, Method.KRUSKAL, Method.EQUIVALENCE, Method.NORMALITY}
    known = {"type": {Method.ANOVA}, "group": {Method.MIXED}, "margin": {Method.EQUIVALENCE}, "correction": corrected}
    for field in fields(options):
        if getattr(options, field.name) not in {None, ()} and method not in known[field.name]:
            methods = ", ".join(sorted(known[field.name]))
            raise InputError(f"--{field.name}: {method} does not use this option; it is for {methods}")
    if options.type not in {None, 2, 3}:
        raise InputError(f"--type: expected 2 or 3, got {options.type}")
    if options.margin is not None and not 0 < options.margin < 1:
        raise InputError(f"--margin: expected a share above 0 and below 1, such as 0.05, got {options.margin:g}")
    if method is Method.MIXED and not options.group:
        raise InputError("--group: name the factors that runs share, such as lr,beta1,beta2 or machine")


def _anova(data: Data, factors: Sequence[str], options: Options) -> Found:
    type_: Type = 3 if options.type == 3 else 2
    found = anova(data, factors, type_)
    columns = [
        key("term"),
        Column("df", "df", Form.COUNT),
        Column("sum_sq", "sum of\nsquares", digits=4),
        Column("f", "F"),
        Column("p", "p", Form.P_VALUE),
        Column("eta_sq", "eta²", Form.SHARE),
        Column("partial_eta_sq", "partial\neta²", Form.SHARE),
        Column("omega_sq", "omega²", Form.SHARE),
    ]
    table = Table(columns, _rows(found.terms), f"Analysis of variance, type {'I' * type_}, with all interactions")
    return Found(
        [table],
        conclusions.anova_findings(found, data),
        conclusions.anova_doubts(found, data.is_log),
        {"table": table.records(), "type": type_, "assumptions": _assumptions(found)},
    )


def field_values(found: Any) -> dict[str, Any]:
    """Return the fields of a dataclass by their names; unlike `asdict`, its intervals stay intervals."""
    return {field.name: getattr(found, field.name) for field in fields(found)}


def _rows(found: Iterable[Any]) -> list[Row]:
    return [Row(field_values(one)) for one in found]


def _largest(table: Table, sizes: Sequence[float], how: str) -> tuple[Table, list[str]]:
    """Return the table with its largest rows only, in their order, and a note if rows are left out."""
    if len(sizes) <= _MOST:
        return table, []
    kept = sorted(sorted(range(len(sizes)), key=lambda place: -sizes[place])[:_MOST])
    note = f"The table shows the {_MOST} largest of {len(sizes):,} differences: `farm analyze {how}` shows all."
    return replace(table, rows=[table.rows[place] for place in kept]), [note]


def _assumptions(found: Anova) -> dict[str, Any]:
    residuals = found.residuals
    return {
        "smallest_cell": found.smallest_cell,
        "largest_cell": found.largest_cell,
        "shapiro_wilk_w": residuals.w if residuals else None,
        "shapiro_wilk_p": residuals.p if residuals else None,
        "brown_forsythe_p": found.equal_variances_p,
    }


def _tukey(data: Data, factors: Sequence[str], _: Options) -> Found:
    found = tukey(data, factors)
    columns = [
        Column("factor", "factor" if len(factors) > 1 else None, Form.TEXT, is_key=True),
        key("a", "A"),
        key("b", "B"),
        *_DIFFERENCE,
    ]
    table = Table(columns, _rows(found), "Tukey's honestly significant differences, with the error of the full anova")
    shown, cut = _largest(table, [abs(d.difference.mean) for d in found], "tukey --format csv")
    is_balanced = len({len(values) for values in data.cells(factors).values()}) == 1
    unbalanced = "Unbalanced: these are differences of plain means, to which the other factors contribute."
    return Found(
        [shown],
        conclusions.tukey_findings(found, conclusions.scale(data)),
        [*cut, *([] if is_balanced or len(factors) == 1 else [unbalanced])],
        {"table": table.records()},
    )


def _kruskal(data: Data, factors: Sequence[str], options: Options) -> Found:
    correction = options.correction or Correction.HOLM
    tests, differences = kruskal(data, factors), dunn(data, factors, correction)
    of_factors = [
        key("factor"),
        Column("n", "n", Form.COUNT),
        Column("h", "H"),
        Column("df", "df", Form.COUNT),
        Column("p", "p", Form.P_VALUE),
        Column("epsilon_sq", "epsilon²", Form.SHARE),
    ]
    of_pairs = [key("factor"), key("a", "A"), key("b", "B"), Column("p_adjusted", f"p ({correction})", Form.P_VALUE)]
    table = Table(of_factors, _rows(tests), "Kruskal-Wallis test of each factor")
    pairs = Table(of_pairs, _rows(differences), "Dunn's test of pairs of levels")
    shown, cut = _largest(pairs, [-d.p_adjusted for d in differences], "kruskal --format json")
    alone = "Each factor is tested by itself: the effects of the others count as spread."
    return Found(
        [table, shown],
        conclusions.kruskal_findings(tests, data.response),
        [*cut, *([alone] if len(factors) > 1 else [])],
        {"table": table.records(), "dunn": pairs.records()},
    )


def _pairs(data: Data, factors: Sequence[str], options: Options) -> Found:
    correction = options.correction or Correction.HOLM
    found = pairs(data, factors, correction)
    rows = [Row(_sides(factors, a, b) | field_values(pair)) for (a, b), pair in found.items()]
    caption = f"Pairs of {','.join(factors)}: ratios of geometric means; tests: Welch (of logarithms), Mann-Whitney"
    table = Table([*_SIDES, *PAIR], rows, caption)
    shown, cut = _largest(table, [abs(log(pair.ratio.mean)) for pair in found.values()], "pairs --format csv")
    return Found(
        [shown],
        conclusions.pair_findings(found, factors, data.response),
        [
            *cut,
            *conclusions.corrected(len(found), correction, "95%"),
            "g: Hedges' g; delta: Cliff's delta.",
            *conclusions.pair_doubts(found.values()),
        ],
        {"table": table.records()},
    )


def _mixed(data: Data, factors: Sequence[str], options: Options) -> Found:
    found = mixed(data, factors, options.group)
    group = ",".join(options.group)
    caption = f"Runs that share {group}: main effects of {','.join(factors)}, with Student's t over groups"
    columns = [
        key("factor"),
        key("level", "B"),
        key("reference", "A"),
        *_DIFFERENCE,
        Column("varies"),
        Column("groups"),
    ]
    table = Table(columns, _rows(found.effects), caption)
    own = field_values(found)
    del own["effects"]
    return Found(
        [table],
        conclusions.mixed_findings(found, data, group),
        conclusions.mixed_doubts(found),
        {"table": table.records(), **own, "icc": found.icc},
    )


def _equivalence(data: Data, factors: Sequence[str], options: Options) -> Found:
    margin = MARGIN if options.margin is None else options.margin
    correction = options.correction or Correction.HOLM
    found = equivalence(data, factors, margin, correction)
    columns = [
        *_SIDES,
        Column("ratio", "B / A (90%)", Form.RATIO),
        Column("p", form=Form.P_VALUE),
        Column("p_adjusted", "p\nTOST", Form.P_VALUE),
        Column("p_difference", "p of a\ndifference", Form.P_VALUE),
        Column("verdict", "verdict", Form.TEXT),
        Column("n_a", "n\nA", Form.COUNT),
        Column("n_b", "n\nB", Form.COUNT),
    ]
    rows = [Row(_sides(factors, a, b) | field_values(one) | {"verdict": one.verdict}) for (a, b), one in found.items()]
    caption = f"Equivalence of {','.join(factors)}: two one-sided Welch tests of the logarithms (TOST)"
    table = Table(columns, rows, caption)
    shown, cut = _largest(table, [abs(log(e.ratio.mean)) for e in found.values()], "equivalence --format csv")
    usual = "" if options.margin else ". This is the usual margin: the gain of a power sensor may be off by as much"
    return Found(
        [shown],
        conclusions.equivalence_findings(found, factors, margin, data.response),
        [
            *cut,
            *conclusions.corrected(len(found), correction, "90%"),
            f"Equal means a ratio between {number(1 / (1 + margin))} and {number(1 + margin)}{usual}.",
        ],
        {"table": table.records(), "margin": margin},
    )


def _normality(data: Data, factors: Sequence[str], options: Options) -> Found:
    found = of_cells(data, factors, options.correction or Correction.HOLM)
    columns = [
        *map(key, factors),
        Column("n", "n", Form.COUNT),
        *_normal_columns("", "", has_skewness=True),
        *_normal_columns("log_", "\nof logs", has_skewness=False),
    ]
    rows = [
        Row(
            {
                **dict(zip(factors, cell.cell, strict=True)),
                "n": cell.n,
                **_normal_values("", cell.plain, cell.p),
                **_normal_values("log_", cell.logs, cell.p_logs),
            }
        )
        for cell in found
    ]
    table = Table(columns, rows, "Shapiro-Wilk test of the values, and of their logarithms")
    return Found([table], conclusions.normality_findings(found, data.response), [], {"table": table.records()})


def _normal_columns(prefix: str, of: str, has_skewness: bool) -> list[Column]:
    return [
        Column(f"{prefix}w", f"W{of}"),
        Column(f"{prefix}p"),
        Column(f"{prefix}p_adjusted", f"p{of}", Form.P_VALUE),
        Column(f"{prefix}skewness", "skew" if has_skewness else None, digits=2),
    ]


def _normal_values(prefix: str, found: Normality | None, p_adjusted: float | None) -> dict[str, float | None]:
    return {
        f"{prefix}w": found.w if found else None,
        f"{prefix}p": found.p if found else None,
        f"{prefix}p_adjusted": p_adjusted,
        f"{prefix}skewness": found.skewness if found else None,
    }


#: Columns of a difference of means; `relative` is its share of the mean that it is compared with.
_DIFFERENCE = (
    Column("difference", "B - A (95%)", Form.ESTIMATE),
    Column("relative", "change", Form.CHANGE),
    Column("p", "p", Form.P_VALUE),
)
#: Columns of the sides of a pair: files name the factors in each row; people read them in the caption.
_SIDES = (
    Column("levels_a", "A", Form.TEXT, is_key=True, in_files=False),
    Column("levels_b", "B", Form.TEXT, is_key=True, in_files=False),
    Column("a"),
    Column("b"),
)
PAIR = (
    Column("n_a", "n\nA", Form.COUNT),
    Column("n_b", "n\nB", Form.COUNT),
    Column("ratio", "B / A (95%)", Form.RATIO),
    Column("p"),
    Column("p_adjusted", "p\nWelch", Form.P_VALUE),
    Column("hedges_g", "g", Form.MEAN, digits=2),
    Column("cliff_delta", "delta", Form.MEAN, digits=2),
    Column("p_rank"),
    Column("p_rank_adjusted", "p\nranks", Form.P_VALUE),
)


def _sides(factors: Sequence[str], a: Cell, b: Cell) -> dict[str, Value]:
    named = {"a": spelt(factors, a), "b": spelt(factors, b)}
    return {**named, "levels_a": conclusions.levels(a), "levels_b": conclusions.levels(b)}


_METHODS: Mapping[Method, Callable[[Data, Sequence[str], Options], Found]] = {
    Method.ANOVA: _anova,
    Method.TUKEY: _tukey,
    Method.KRUSKAL: _kruskal,
    Method.PAIRS: _pairs,
    Method.MIXED: _mixed,
    Method.EQUIVALENCE: _equivalence,
    Method.NORMALITY: _normality,
}
