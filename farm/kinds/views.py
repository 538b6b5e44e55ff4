"""The results of one sweep, selected, grouped and ready to be shown: each kind of sweep has tables of its own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from io import StringIO
from typing import Protocol

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from farm.analysis.aggregate import Summary, summarise
from farm.analysis.samples import samples
from farm.kinds.layers import results as layers
from farm.kinds.serving.live import results as live
from farm.kinds.training import results as training
from farm.kinds.tuning import results as tuning
from farm.model import Scalar, SweepRecord, TrialRow, WindowKind
from farm.report import results as layout
from farm.report.document import Document
from farm.report.selection import Columns, Selected, Selection, select
from farm.store import Store

COLUMNS = Columns(
    always=("model", "batch_size"),
    context=("machine", "device", "precision", "weights", "images", "channels_last", "compile", "threads"),
)


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


def view(store: Store, sweep: SweepRecord, selection: Selection) -> View | Document:
    """What there is to see of a sweep of any kind; raises InputError for a choice that does not fit it."""
    match sweep.kind:
        case "training":
            return training.results(store, sweep, selection)
        case "tuning":
            return tuning.results(store, sweep, selection)
        case "layers":
            return layers.results(store, sweep, selection)
        case "serving":
            return live.document(live.results(store, sweep, selection))
        case _:
            return results(store, sweep, selection)


def results(store: Store, sweep: SweepRecord, selection: Selection) -> Results:
    """Of a sweep of kind inference: read, filter, group; raises InputError as `select` does."""
    chosen = selection.without_targets(sweep.kind)
    trials = list(store.trial_rows(sweep.id))
    rows = store.measurement_rows(sweep.id, kinds=[WindowKind.MEASURE])
    factors = (
        tuple(dict.fromkeys(name for trial in trials for name in trial.factors)) if sweep.kind == "imported" else ()
    )
    columns = replace(COLUMNS, factors=(*COLUMNS.factors, *factors))
    selected = select(sweep, samples(trials, rows, chosen.domain), chosen, columns)
    return Results(
        selected, summarise(selected.samples, selected.keys, chosen.include_flagged), published_accuracy(trials)
    )


def published_accuracy(trials: Sequence[TrialRow]) -> dict[str, float]:
    """ImageNet top-1 in %, by model."""
    published = ((str(t.factors.get("model")), t.facts.get("published_acc1_percent")) for t in trials)
    return {model: float(value) for model, value in published if isinstance(value, int | float)}


def plain(view: RenderableType) -> str:
    """As text without colours, for a file."""
    console = Console(file=StringIO(), markup=False, emoji=False, highlight=False, width=80, color_system=None)
    with console.capture() as captured:
        console.print(view)
    return captured.get()
