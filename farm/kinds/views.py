"""The results of one sweep, selected, grouped and ready to be shown: each kind of sweep has tables of its own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from io import StringIO
from typing import Protocol

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from farm.analysis.aggregate import Summary, summarise
from farm.analysis.samples import unit_samples
from farm.kinds.registry import get
from farm.model import Scalar, SweepData
from farm.report import results as layout
from farm.report.columns import Columns
from farm.report.selection import Selected, Selection, select


class View(Protocol):
    """What there is to see of a sweep."""

    def rendered(self) -> RenderableType:
        """For a terminal of 80 columns: caption, tables, footnotes, sentences."""

    def records(self) -> list[dict[str, Scalar]]:
        """The same figures for csv, json and parquet: SI units in the names, None for unknown."""


@dataclass(frozen=True, slots=True)
class Results:
    """A sweep's summaries with what a reader must know beside them."""

    selected: Selected
    summaries: Sequence[Summary]
    accuracy: Mapping[str, float]  #: published ImageNet top-1 in %, by model

    def rendered(self) -> RenderableType:
        """Caption, table, footnotes, sentences."""
        if not self.summaries:
            return Text(self.selected.nothing())
        notes = [Text(note, style="dim") for note in layout.footnotes(self.summaries)]
        sentences = Table.grid(padding=(0, 1))
        for sentence in layout.sentences(self.summaries, self.selected.unit):
            sentences.add_row("•", sentence)
        caption = Text("\n".join((*self.selected.caption(), "")))
        return Group(caption, layout.tables(self.summaries, self.accuracy, self.selected.unit), *notes, sentences)

    def records(self) -> list[dict[str, Scalar]]:
        """For csv, json and parquet."""
        return [
            record | ({"published_top1_percent": self.accuracy.get(str(record["model"]))} if "model" in record else {})
            for record in layout.records(self.summaries)
        ]


def view(data: SweepData, selection: Selection) -> View:
    """Return what there is to see of a sweep; raises InputError for a choice that does not fit its kind."""
    return get(data.record.kind).results(data, selection)


def results(data: SweepData, selection: Selection, columns: Columns) -> Results:
    """Filter and group the samples of a sweep; factors that differ are columns too.

    Raises:
        InputError: the selection does not fit the sweep, as `select` says.
    """
    chosen = selection.without_targets(data.record.kind)
    factors = dict.fromkeys(name for sample in data.samples for name in sample.factors)
    columns = replace(columns, factors=(*columns.factors, *factors))
    selected = select(data.record, unit_samples(data), chosen, columns)
    return Results(selected, summarise(selected.samples, selected.keys, chosen.include_flagged), data.accuracy)


def plain(view: RenderableType) -> str:
    """As text without colours, for a file."""
    console = Console(file=StringIO(), markup=False, emoji=False, highlight=False, width=80, color_system=None)
    with console.capture() as captured:
        console.print(view)
    return captured.get()
