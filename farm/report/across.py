"""Several sweeps on several machines, side by side: for `farm across`."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from farm.analysis.across import KIND, MACHINE, Cell, Comparison, Figure, Overall, compare
from farm.analysis.aggregate import UnitSample, grouped
from farm.analysis.intervals import BOOTSTRAP_NEEDS, MEDIAN_NEEDS
from farm.analysis.samples import unit_samples
from farm.errors import InputError
from farm.model import Scalar, SweepData, SweepRecord
from farm.report import notes
from farm.report.across_charts import figures
from farm.report.columns import Columns
from farm.report.document import Block, Column, Document, Form, Note, Paragraph, Row, Table, key, paragraphs
from farm.report.numbers import label, several
from farm.report.results import ends
from farm.report.selection import Selected, Selection, check_names, label_names, select
from farm.report.summaries import records

#: Labels that are no factors.
_IDENTITY = frozenset({*MACHINE, *KIND, "device", "environment", "sweep", "repetition", "job", "trial"})
_FEW = 5  #: machines: fewer say little of others
_WORDS = {Figure.NET: "net J", Figure.GROSS: "gross J", Figure.SECONDS: "seconds", Figure.GRAMS: "gCO2e"}


@dataclass(frozen=True, slots=True)
class Across:
    """Configurations by machine, and over machines."""

    sweeps: Sequence[SweepRecord]
    selected: Selected
    comparison: Comparison
    reference: Mapping[str, str]
    are_medians: bool = False  #: shown in the place of means; the comparison uses means all the same

    @property
    def cells(self) -> Sequence[Cell]:
        """One configuration on one machine each."""
        return self.comparison.cells

    @property
    def title(self) -> str:
        """Names and ids of the sweeps."""
        return ", ".join(f"{sweep.name} ({sweep.id})" for sweep in self.sweeps)


def document(found: Across) -> Document:
    """A row a configuration and machine, a chart of them, then a row a configuration over machines."""
    if not found.cells:
        lines = (found.title, "Nothing is measured yet. `farm status` shows how sweeps progress.")
        return Document(paragraphs(lines), rows=())
    blocks: list[Block] = [
        Paragraph(found.title),
        *found.selected.about(),
        _by_machine(found),
        *figures(found.comparison),
    ]
    blocks += [_over_machines(found.comparison)] if found.comparison.overall else []
    return Document([*blocks, *map(Note, _footnotes(found))], rows=_records(found))


def _by_machine(found: Across) -> Table:
    unit, medians = found.selected.unit, "_median" if found.are_medians else ""
    net = f"net J/{unit}\n{'median [95%]' if medians else '(95%)'}"
    columns = [
        *(key(name) for name, _ in found.cells[0].group.summary.key),
        Column("gross_j_per_unit", f"gross J\n/{unit}", Form.MIDDLE),
        Column("net_j_per_unit", net, Form.NET_MEDIAN if medians else Form.NET),
        Column("s_per_unit", f"ms\n/{unit}", scale=1e3),
        Column("carbon_g_per_unit", "gCO2e\n/1000", scale=1e3),
        *([Column("ratio", f"ratio of\n{_WORDS[found.comparison.figure]}", Form.INTERVAL)] if found.reference else []),
        Column("rank", "\nrank", Form.COUNT),
    ]
    ties = Counter((cell.machine, cell.kind, cell.rank) for cell in found.cells)
    rows = []
    for cell in found.cells:
        summary = cell.group.summary
        gross_j, net_j = (summary.gross_median_j, summary.net_median_j) if medians else (summary.gross_j, summary.net_j)
        values = {
            **summary.labels,
            "gross_j_per_unit": gross_j,
            "net_j_per_unit": net_j,
            "s_per_unit": 1 / summary.units_per_s if summary.units_per_s else None,
            "carbon_g_per_unit": summary.carbon_g,
            "ratio": cell.ratio,
            "rank": cell.rank,
        }
        marks = {"net_j_per_unit": "!"} if summary.is_doubtful else {}
        rows.append(Row(values, marks | _tie(cell.rank, ties[cell.machine, cell.kind, cell.rank])))
    return Table(columns, rows, "By machine")


def _over_machines(comparison: Comparison) -> Table:
    kinds = [name for name in KIND if len({dict(one.kind)[name] for one in comparison.overall}) > 1]
    columns = [
        Column("configuration", "configuration", Form.TEXT),
        Column("machines", "machines", Form.COUNT),
        Column("ratio", f"mean ratio of {_WORDS[comparison.figure]} (95%)", Form.INTERVAL),
        Column("rank", "rank", Form.COUNT),
    ]
    ties = Counter((one.kind, one.rank) for one in comparison.overall)
    rows = [
        Row(
            {
                "configuration": ", ".join(
                    label(value) for name, value in (*one.configuration, *one.kind) if name not in KIND or name in kinds
                ),
                "machines": one.machines,
                "ratio": one.ratio,
                "rank": one.rank,
            },
            _tie(one.rank, ties[one.kind, one.rank]),
        )
        for one in comparison.overall
    ]
    return Table(columns, rows, "Over machines, the least first")


def _tie(rank: int | None, ties: int) -> dict[str, str]:
    return {"rank": "="} if rank is not None and ties > 1 else {}


def _records(found: Across) -> list[dict[str, Scalar]]:
    """A row a configuration and machine, then with machine null the means over machines."""
    by_machine = [
        record
        | {name: cell.group.samples[0].labels.get(name) for name in ("domain", "unit")}
        | {"imported": cell.group.summary.imported}
        | medians(cell)
        | {"compared": found.comparison.figure.value, "rank": cell.rank}
        | ends("ratio", cell.ratio)
        for cell, record in zip(found.cells, records([c.group.summary for c in found.cells]), strict=True)
    ]
    names = list(by_machine[0])
    return by_machine + [
        dict.fromkeys(names) | _record(one, found.comparison.figure) for one in found.comparison.overall
    ]


def _footnotes(found: Across) -> Iterator[str]:
    summaries = [cell.group.summary for cell in found.cells]
    figure = _WORDS[found.comparison.figure]
    yield (
        f"rank: 1 + the number of rows on the same machine that take clearly less {figure}: their intervals do not "
        "overlap; = marks a tie."
    )
    if found.reference:
        yield from _of_ratios(found)
    if not found.are_medians:
        yield from notes.spread(summary.net_j for summary in summaries)
    else:
        yield "Joules are medians over trials; ratios and ranks compare means."
        if any(s.net_median_j and s.net_median_j.low is None for s in summaries):
            yield f"±? marks a median of fewer than {MEDIAN_NEEDS} trials, which has no interval: raise repetitions."
    yield from notes.reservations(summaries)


def _of_ratios(found: Across) -> Iterator[str]:
    wanted = ", ".join(f"{name} {value}" for name, value in found.reference.items())
    yield f"ratio: to {wanted} on the same machine, with a 95% interval by bootstrap over blocks."
    blocks = [len({(s.labels["sweep"], s.labels["repetition"]) for s in c.group.samples}) for c in found.cells]
    if min(blocks) < BOOTSTRAP_NEEDS:
        yield f"Fewer than {BOOTSTRAP_NEEDS} blocks make the interval of a ratio too narrow: raise repetitions."
    lacking = several(sum(cell.ratio is None for cell in found.cells), "row")
    if not lacking.startswith("0 "):
        yield f"Without a ratio: {lacking}. The reference was not measured there, or its figure is unknown."
    if not found.comparison.overall:
        machines = several(len({cell.machine for cell in found.cells}), "machine")
        yield f"{machines}: a mean over machines needs two or more that measured the same kind of joules."
        return
    yield "Over machines: the geometric mean, with a 95% interval by bootstrap over machines, then over blocks."
    if max(one.machines for one in found.comparison.overall) < _FEW:
        yield f"Fewer than {_FEW} machines say little about others, and make the interval too narrow."


def view(
    data: Sequence[SweepData],
    selection: Selection,
    reference: Mapping[str, str] | None = None,
    figure: Figure | None = None,
    are_medians: bool = False,
) -> Across:
    """Filter, group and compare; raises InputError as `select` does, and for a reference that nothing measured."""
    reference = reference or {}
    sweeps = [one.record for one in data]
    found = [sample for one in data for sample in unit_samples(one)]
    factors = _factors(found)
    by = selection.by or _configuration(found, factors, reference)
    check_names([s.labels for s in found], list(reference))
    for name in reference:
        if name not in by:
            raise InputError(f"--relative-to: {name} is no column: --by {','.join((*by, name))}")
    chosen = replace(selection.without_targets("across"), by=tuple(dict.fromkeys((*by, *MACHINE))))
    selected = select(sweeps[0], found, chosen, Columns(always=(), context=("device",), factors=factors))
    groups = grouped(selected.samples, selected.keys, selection.include_flagged)
    comparison = compare(groups, reference, figure)
    if reference and comparison.cells and not any(cell.ratio for cell in comparison.cells):
        wanted = ", ".join(f"{name}={value}" for name, value in reference.items())
        raise InputError(f"--relative-to: nothing has {wanted} with a known {_WORDS[comparison.figure]} to divide by")
    return Across(sweeps, selected, comparison, reference, are_medians)


def parse_reference(text: str | None) -> dict[str, str]:
    """From the command line; raises InputError."""
    pairs = [part.partition("=") for part in (text or "").split(",") if part.strip()]
    if any(not (name.strip() and sign) for name, sign, _ in pairs):
        raise InputError(f"--relative-to: expected NAME=VALUE,NAME=VALUE, got {text!r}")
    return {name.strip(): value.strip() for name, _, value in pairs}


def parse_figure(name: str | None) -> Figure | None:
    """From the command line; raises InputError."""
    if name is not None and name not in set(Figure):
        raise InputError(f"--of: expected {', '.join(Figure)}, got {name!r}")
    return Figure(name) if name else None


def medians(cell: Cell) -> dict[str, Scalar]:
    """Medians over trials with their intervals, as columns."""
    named = {"gross_j_per_unit": cell.group.summary.gross_median_j, "net_j_per_unit": cell.group.summary.net_median_j}
    return {
        f"{name}_median{end}": getattr(value, part) if value else None
        for name, value in named.items()
        for end, part in (("", "value"), ("_low", "low"), ("_high", "high"))
    }


def _configuration(
    found: Sequence[UnitSample], factors: Sequence[str], reference: Mapping[str, str]
) -> tuple[str, ...]:
    """Model and batch size, and whatever else differs between points."""
    levels = {name: {s.labels.get(name) for s in found} for name in factors}
    first = [name for name in ("model", "batch_size") if name in factors]
    return tuple(dict.fromkeys((*first, *(n for n in factors if len(levels[n]) > 1 or n in reference))))


def _factors(found: Sequence[UnitSample]) -> tuple[str, ...]:
    return tuple(name for name in label_names(s.labels for s in found) if name not in _IDENTITY)


def _record(one: Overall, figure: Figure) -> dict[str, Any]:
    return (
        dict(one.configuration)
        | dict(one.kind)
        | {"machines": one.machines, "compared": figure.value}
        | ends("ratio", one.ratio)
        | {"rank": one.rank}
    )
