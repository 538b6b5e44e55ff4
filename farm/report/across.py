"""`farm across`: several sweeps on several machines, side by side."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from farm.analysis.across import KIND, MACHINE, Cell, Comparison, Figure, compare
from farm.analysis.aggregate import UnitSample, grouped
from farm.analysis.intervals import MEDIAN_NEEDS
from farm.analysis.ratios import MACHINES_NEEDED, MOST_RANKED
from farm.analysis.rules import may_rank_energy
from farm.analysis.samples import differing_settings, unit_samples
from farm.model import SweepData, SweepRecord, distinct
from farm.model.errors import InputError
from farm.report import notes, summaries
from farm.report.across_charts import figures
from farm.report.columns import Columns
from farm.report.document import Block, Column, Document, Form, Note, Paragraph, Row, Table, paragraphs
from farm.report.numbers import NO_INTERVAL, label, several
from farm.report.selection import Selected, Selection, known_names, label_names, parse_choice, select

#: Labels that are not factors.
_IDENTITY = frozenset({*MACHINE, *KIND, "device", "rating", "environment", "sweep", "repetition", "job", "trial"})
_FEW = 5  #: fewer machines say little about others
_WORDS = {Figure.NET: "net J", Figure.GROSS: "gross J", Figure.SECONDS: "seconds", Figure.GRAMS: "gCO2e"}


@dataclass(frozen=True, slots=True)
class Across:
    """A comparison of configurations on each machine and over machines."""

    sweeps: Sequence[SweepRecord]
    selected: Selected
    comparison: Comparison
    reference: Mapping[str, str]
    are_medians: bool = False  #: True: the table shows medians; the comparison still uses means

    @property
    def cells(self) -> Sequence[Cell]:
        """Configurations, each on one machine."""
        return self.comparison.cells

    @property
    def title(self) -> str:
        """Names and ids of the sweeps."""
        return ", ".join(f"{sweep.name} ({sweep.id})" for sweep in self.sweeps)


def document(found: Across) -> Document:
    """Return a table of configurations by machine, charts, and a table of configurations over machines."""
    if not found.cells:
        lines = (found.title, "Nothing is measured yet. `farm status` shows how sweeps progress.")
        return Document(paragraphs(lines), rows=())
    by_machine, over = _by_machine(found), _over_machines(found.comparison)
    blocks: list[Block] = [Paragraph(found.title), *found.selected.about(), by_machine, *figures(found.comparison)]
    blocks += [over] if over.rows else []
    rows = by_machine.records()
    rows += [dict.fromkeys(rows[0]) | record for record in over.records()]
    return found.selected.with_context(Document([*blocks, *map(Note, _footnotes(found))], rows))


def _by_machine(found: Across) -> Table:
    """Return the table by machine: people see means or medians, files have both."""
    unit, figure = found.selected.unit, found.comparison.figure
    gross, net = f"gross J\n/{unit}", f"net J/{unit}\n{'median [95%]' if found.are_medians else '(95%)'}"
    knows_grams = any(cell.group.summary.carbon_g is not None for cell in found.cells)
    mean, median = ((None, None), (gross, net)) if found.are_medians else ((gross, net), (None, None))
    own = [
        Column("gross_j_per_unit", mean[0], Form.POSITIVE),
        Column("net_j_per_unit", mean[1], Form.NET),
        Column("carbon_g_per_unit", "gCO2e\n/1000" if knows_grams else None, scale=1e3),
        *(Column(name) for name in ("domain", "unit", "imported")),
        Column("gross_j_per_unit_median", median[0], Form.MEAN),
        Column("net_j_per_unit_median", median[1], Form.NET_MEDIAN),
        Column("s_per_unit", f"ms\n/{unit}", scale=1e3, in_files=False),
        Column("compared"),
        Column("rank", "\nrank", Form.COUNT),
        Column("ratio", f"ratio of\n{_WORDS[figure]}" if found.reference else None, Form.RATIO),
    ]
    ties = Counter((cell.machine, cell.kind, cell.rank) for cell in found.cells)
    rows = []
    for cell in found.cells:
        summary, labels = cell.group.summary, cell.group.samples[0].labels
        row = summaries.row(
            summary,
            domain=labels.get("domain"),
            unit=labels.get("unit"),
            imported=summary.imported,
            gross_j_per_unit_median=summary.gross_median_j,
            net_j_per_unit_median=summary.net_median_j,
            s_per_unit=1 / summary.units_per_s if summary.units_per_s else None,
            compared=figure.value,
            rank=cell.rank,
            ratio=cell.ratio.interval if cell.ratio else None,
        )
        doubt = {"net_j_per_unit_median": "!"} if summary.is_doubtful else {}
        tie = _tie(cell.rank, ties[cell.machine, cell.kind, cell.rank])
        rows.append(replace(row, marks={**row.marks, **doubt, **tie}))
    keys = [name for name, _ in found.cells[0].group.summary.key]
    return Table(summaries.columns(keys, [column for column in own if column.name not in keys]), rows, "By machine")


def _over_machines(comparison: Comparison) -> Table:
    kinds = [name for name in KIND if len({dict(one.kind)[name] for one in comparison.overall}) > 1]
    names = dict.fromkeys(name for one in comparison.overall for name, _ in (*one.configuration, *one.kind))
    columns = [
        Column("in_words", "configuration", Form.TEXT, in_files=False),
        *map(Column, names),
        Column("machines", "machines", Form.COUNT),
        Column("compared"),
        Column("ratio", f"mean ratio of {_WORDS[comparison.figure]} (95%)", Form.RATIO),
        Column("rank", "rank", Form.COUNT),
    ]
    ties = Counter((one.kind, one.rank) for one in comparison.overall)
    rows = [
        Row(
            {
                **dict(one.configuration),
                **dict(one.kind),
                "in_words": ", ".join(
                    label(value) for name, value in (*one.configuration, *one.kind) if name not in KIND or name in kinds
                ),
                "machines": one.machines,
                "compared": comparison.figure.value,
                "ratio": one.ratio.interval,
                "rank": one.rank,
            },
            _tie(one.rank, ties[one.kind, one.rank]),
        )
        for one in comparison.overall
    ]
    return Table(columns, rows, "Over machines, the least first")


def _tie(rank: int | None, ties: int) -> dict[str, str]:
    return {"rank": "="} if rank is not None and ties > 1 else {}


def _footnotes(found: Across) -> Iterator[str]:
    own = [cell.group.summary for cell in found.cells]
    figure = found.comparison.figure
    yield (
        f"rank: 1 + the number of rows on the same machine that take surely less {_WORDS[figure]}, by the ratio of "
        "every two rows within their blocks, corrected for their number (Holm, 5%); = marks a tie."
    )
    if not all(figure.may_rank(summary.quality) for summary in own):
        yield "Modelled joules have no rank and no ratio, since they follow from load and rated power: --of seconds."
    elif not all(may_rank_energy(summary.quality) for summary in own):
        yield notes.SECONDS_DECIDE
    if "settings" in found.selected.keys:
        yield (
            "settings: sweeps that were measured in different ways are neither pooled nor compared, on a machine or "
            "over machines."
        )
    places = Counter((cell.machine, cell.kind) for cell in found.cells)
    if max(places.values()) > MOST_RANKED:
        yield f"There is no rank among more than {MOST_RANKED:,} rows of one machine: choose fewer by --where."
    if found.reference:
        yield from _ratio_notes(found)
    if not found.are_medians:
        energies = [energy for summary in own for energy in (summary.gross_j, summary.net_j)]
        yield from (*notes.spread(energies), *notes.wide(energies))
    else:
        yield "Joules are medians over trials; ratios and ranks compare geometric means."
        if any(s.net_median_j and s.net_median_j.low is None for s in own):
            yield f"({NO_INTERVAL}): a median of fewer than {MEDIAN_NEEDS} trials has none: raise repetitions."
    yield from notes.reservations(own)


def _ratio_notes(found: Across) -> Iterator[str]:
    wanted = ", ".join(f"{name} {value}" for name, value in found.reference.items())
    yield (
        f"ratio: to {wanted} on the same machine, of geometric means, within blocks (repetitions of a sweep), with a "
        "95% interval by t. The gain of the machine's meter cancels."
    )
    ratios = [cell.ratio for cell in found.cells if cell.ratio]
    if not all(ratio.is_paired for ratio in ratios):
        yield "Sides without a common block are unpaired: the spread between blocks is in their interval too."
    if any(ratio.u is None for ratio in ratios):
        yield f"({NO_INTERVAL}): one block, or blocks that never differ, show no spread."
    lacking = several(len(found.cells) - len(ratios), "row")
    if not lacking.startswith("0 "):
        yield (
            f"Without a ratio: {lacking}. The reference was not measured there, or a figure is unknown, or within its "
            "noise (0 or less in a trial), or all trials of a row are flagged."
        )
    if not found.comparison.overall:
        machines = several(len({cell.machine for cell in found.cells}), "machine")
        yield f"{machines}: a mean over machines needs two or more that measured the same kind of joules."
        return
    yield (
        "Over machines: the geometric mean, with a 95% interval by t over machines as a sample (random effects by "
        "Hartung and Knapp, equal weights)."
    )
    if min(one.machines for one in found.comparison.overall) < MACHINES_NEEDED:
        yield "Two machines are no sample of machines: their mean has no interval and no rank."
    elif max(one.machines for one in found.comparison.overall) < _FEW:
        yield f"Fewer than {_FEW} machines say little about others."


def view(
    data: Sequence[SweepData],
    selection: Selection,
    reference: Mapping[str, str] | None = None,
    figure: Figure | None = None,
    are_medians: bool = False,
) -> Across:
    """Filter, group and compare samples; raises InputError for a wrong selection or a reference without samples."""
    sweeps = [one.record for one in data]
    settings = differing_settings(data)
    found = [sample for one in data for sample in unit_samples(one, settings.get(one.record.id))]
    factors, labels = _factors(found), [s.labels for s in found]
    stated = reference or {}
    reference = dict(zip(known_names(labels, stated), stated.values(), strict=True))
    by = known_names(labels, selection.by) or _configuration(found, factors, reference)
    for name in reference:
        if name not in by:
            raise InputError(f"--relative-to: {name} is no column: --by {','.join((*by, name))}")
    keys = dict.fromkeys((*by, *MACHINE, *(["settings"] if settings else [])))
    chosen = replace(selection.without_targets("across"), by=tuple(keys))
    selected = select(sweeps[0], found, chosen, Columns(always=(), context=("device",), factors=factors))
    groups = grouped(selected.samples, selected.keys, selection.include_flagged)
    comparison = compare(groups, reference, figure)
    if reference and comparison.cells and not any(cell.ratio for cell in comparison.cells):
        wanted = ", ".join(f"{name}={value}" for name, value in reference.items())
        known = f"a known {_WORDS[comparison.figure]}"
        are_flagged = all(cell.group.summary.is_doubtful for cell in comparison.cells)
        hint = ", since all trials are flagged: --include-flagged counts them" if are_flagged else ""
        raise InputError(f"--relative-to: nothing has {wanted} with {known} to divide by{hint}")
    return Across(sweeps, selected, comparison, reference, are_medians)


def parse_reference(text: str | None) -> dict[str, str]:
    """Parse NAME=VALUE,NAME=VALUE from the command line; raises InputError."""
    pairs = [part.partition("=") for part in (text or "").split(",") if part.strip()]
    if any(not (name.strip() and sign) for name, sign, _ in pairs):
        raise InputError(f"--relative-to: expected NAME=VALUE,NAME=VALUE, got {text!r}")
    return {name.strip(): value.strip() for name, _, value in pairs}


def parse_figure(name: str | None) -> Figure | None:
    """Parse the name of a figure from the command line; raises InputError."""
    return None if name is None else parse_choice("--of", name, Figure)


def _configuration(
    found: Sequence[UnitSample], factors: Sequence[str], reference: Mapping[str, str]
) -> tuple[str, ...]:
    """Return the names of the factors that make a configuration: model, batch size, and every factor that differs."""
    shared = distinct(s.labels for s in found)
    levels = {name: {labels.get(name) for labels in shared} for name in factors}
    first = [name for name in ("model", "batch_size") if name in factors]
    return tuple(dict.fromkeys((*first, *(n for n in factors if len(levels[n]) > 1 or n in reference))))


def _factors(found: Sequence[UnitSample]) -> tuple[str, ...]:
    return tuple(name for name in label_names(s.labels for s in found) if name not in _IDENTITY)
