"""Several sweeps on several machines, side by side: for `farm across`."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from farm.analysis.across import KIND, MACHINE, Cell, Comparison, Figure, Overall, compare
from farm.analysis.aggregate import UnitSample, grouped
from farm.analysis.intervals import BOOTSTRAP_NEEDS, MEDIAN_NEEDS
from farm.analysis.samples import unit_samples
from farm.errors import InputError
from farm.model import Scalar, SweepData, SweepRecord
from farm.report import notes
from farm.report.columns import Columns
from farm.report.grids import Row, grids
from farm.report.numbers import UNKNOWN, interval, label, net, net_median, number, several
from farm.report.results import ends, records
from farm.report.selection import Selected, Selection, check_names, label_names, select

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
    are_medians: bool = False  #: shown in the place of means; what is compared are means all the same

    @property
    def cells(self) -> Sequence[Cell]:
        """One configuration on one machine each."""
        return self.comparison.cells

    def rendered(self) -> RenderableType:
        """Caption, a row a configuration and machine, a row a configuration over machines, footnotes."""
        titles = ", ".join(f"{sweep.name} ({sweep.id})" for sweep in self.sweeps)
        if not self.cells:
            return Text(f"{titles}\nnothing is measured yet: `farm status` tells how sweeps stand")
        caption = Text("\n".join((titles, *self.selected.caption()[1:], "")))
        over = [self._overall()] if self.comparison.overall else []
        footnotes = [Text(note, style="dim") for note in self._footnotes()]
        return Group(caption, self._by_machine(), *over, *footnotes)

    def records(self) -> list[dict[str, Scalar]]:
        """A row a configuration and machine, then with machine null the means over machines."""
        by_machine = [
            record
            | {name: cell.group.samples[0].labels.get(name) for name in ("domain", "unit")}
            | {"imported": cell.group.summary.imported}
            | medians(cell)
            | {"compared": self.comparison.figure.value, "rank": cell.rank}
            | ends("ratio", cell.ratio)
            for cell, record in zip(self.cells, records(c.group.summary for c in self.cells), strict=True)
        ]
        names = list(by_machine[0]) if by_machine else []
        return by_machine + [
            dict.fromkeys(names) | _record(one, self.comparison.figure) for one in self.comparison.overall
        ]

    def _by_machine(self) -> RenderableType:
        ratio = [f"ratio of\n{_WORDS[self.comparison.figure]}"] if self.reference else []
        unit = self.selected.unit
        net_j = f"net J/{unit}\n{'median [95%]' if self.are_medians else '(95%)'}"
        headings = (f"gross J\n/{unit}", net_j, f"ms\n/{unit}", "gCO2e\n/1000", *ratio, "\nrank")
        ties = Counter((cell.machine, cell.kind, cell.rank) for cell in self.cells)
        rows = [(cell, _rank(cell.rank, ties[cell.machine, cell.kind, cell.rank])) for cell in self.cells]
        return grids([Row(cell.group.summary.key, self._cells(cell, rank)) for cell, rank in rows], headings)

    def _cells(self, cell: Cell, rank: str) -> list[str]:
        summary = cell.group.summary
        gross_j, net_j = summary.gross_j.mean if summary.gross_j else None, net(summary.net_j)
        if self.are_medians:
            gross_j = summary.gross_median_j.value if summary.gross_median_j else None
            net_j = net_median(summary.net_median_j)
        return [
            number(gross_j),
            f"{net_j}{'!' if summary.is_doubtful else ''}",
            number(1e3 / summary.units_per_s if summary.units_per_s else None),
            number(None if summary.carbon_g is None else summary.carbon_g * 1000),
            *([interval(cell.ratio)] if self.reference else []),
            rank,
        ]

    def _overall(self) -> RenderableType:
        kinds = {name for name in KIND if len({dict(one.kind)[name] for one in self.comparison.overall}) > 1}
        ties = Counter((one.kind, one.rank) for one in self.comparison.overall)
        rows = [
            Row(
                (*one.configuration, *((name, value) for name, value in one.kind if name in kinds)),
                [
                    str(one.machines),
                    interval(one.ratio),
                    _rank(one.rank, ties[one.kind, one.rank]),
                ],
            )
            for one in self.comparison.overall
        ]
        headings = ("machines", f"mean ratio of {_WORDS[self.comparison.figure]} (95%)", "rank")
        return Group(Text("Over machines, the least first", style="bold"), _flat(rows, headings))

    def _footnotes(self) -> list[str]:
        summaries = [cell.group.summary for cell in self.cells]
        spread = self._of_medians() if self.are_medians else notes.spread(s.net_j for s in summaries)
        return [*self._of_ratios(), *spread, *notes.reservations(summaries)]

    def _of_medians(self) -> Iterable[str]:
        yield "J: medians over trials, their intervals from one trial to another; ratio, rank: of means."
        if any(s.net_median_j and s.net_median_j.low is None for s in (cell.group.summary for cell in self.cells)):
            yield f"±? fewer than {MEDIAN_NEEDS} trials have no such interval: raise repetitions."

    def _of_ratios(self) -> Iterable[str]:
        figure = _WORDS[self.comparison.figure]
        yield f"rank: on its machine, 1 + the rows of clearly less {figure}, their intervals apart; =: a tie."
        if not self.reference:
            return
        wanted = ", ".join(f"{name} {value}" for name, value in self.reference.items())
        yield f"ratio: to {wanted} on the same machine, 95 % by bootstrap over blocks."
        blocks = [len({(s.labels["sweep"], s.labels["repetition"]) for s in c.group.samples}) for c in self.cells]
        if min(blocks) < BOOTSTRAP_NEEDS:
            yield f"Fewer than {BOOTSTRAP_NEEDS} blocks: the interval of a ratio is too narrow, raise repetitions."
        lacking = [cell for cell in self.cells if cell.ratio is None]
        if lacking:
            yield f"{several(len(lacking), 'row')} without a ratio: no such reference there, or its figure is unknown."
        machines = {cell.machine for cell in self.cells}
        if not self.comparison.overall:
            yield f"{several(len(machines), 'machine')}: a mean over machines needs the same joules of two or more."
        else:
            yield "Over machines: geometric mean, 95 % by bootstrap over machines, then blocks."
            if max(one.machines for one in self.comparison.overall) < _FEW:
                yield f"So few machines say little of others: with fewer than {_FEW} the interval is too narrow."


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


def _rank(rank: int | None, ties: int) -> str:
    return UNKNOWN if rank is None else f"{rank}{'=' if ties > 1 else ''}"


def _flat(rows: Sequence[Row], headings: Sequence[str]) -> RenderableType:
    """One table in the order of its rows: a name for each configuration."""
    named = [Row((("configuration", ", ".join(label(value) for _, value in row.key)),), row.cells) for row in rows]
    return grids(named, headings)


def _record(one: Overall, figure: Figure) -> dict[str, Any]:
    return (
        dict(one.configuration)
        | dict(one.kind)
        | {"machines": one.machines, "compared": figure.value}
        | ends("ratio", one.ratio)
        | {"rank": one.rank}
    )
