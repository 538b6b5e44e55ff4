"""The results of one sweep, selected, grouped and ready to be shown."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from farm.analysis import samples
from farm.analysis.aggregate import Sample, Summary, summarise
from farm.errors import InputError
from farm.model import Domain, Quality, Scalar, SweepRecord, WindowKind
from farm.report import results as layout
from farm.report.numbers import label
from farm.store import Store, TrialRow

DEFAULT_KEYS = ("model", "batch_size")
#: Named in the caption where all rows share them, in columns where they differ.
CONTEXT = ("machine", "device", "precision", "weights", "images", "channels_last", "compile", "threads")
#: What must never be averaged over: columns wherever they differ.
KINDS_OF_JOULES = ("domain", "quality", "simulated")


@dataclass(frozen=True, slots=True)
class Selection:
    """What to show: grouping, filters, domain."""

    by: tuple[str, ...] = ()
    where: tuple[tuple[str, str], ...] = ()
    domain: Domain | None = None
    include_flagged: bool = False

    @classmethod
    def parse(cls, by: str | None, where: Sequence[str], domain: str | None, include_flagged: bool) -> Self:
        """From the command line; raises InputError."""
        pairs = []
        for item in (part for text in where for part in text.split(",")):
            name, sign, value = item.partition("=")
            if not (name and sign):
                raise InputError(f"--where: expected NAME=VALUE, got {item!r}")
            pairs.append((name.strip(), value.strip()))
        if domain is not None and domain not in set(Domain):
            raise InputError(f"--domain: expected {', '.join(Domain)}, got {domain!r}")
        keys = tuple(dict.fromkeys(name.strip() for name in by.split(",") if name.strip())) if by else ()
        return cls(keys, tuple(pairs), Domain(domain) if domain else None, include_flagged)


@dataclass(frozen=True, slots=True)
class Results:
    """A sweep's summaries with what a reader must know beside them."""

    sweep: SweepRecord
    summaries: Sequence[Summary]
    accuracy: Mapping[str, float]  #: published ImageNet top-1 in %, by model
    shared: Mapping[str, Scalar]  #: what all rows share
    averaged: Mapping[str, Sequence[Scalar]]  #: factors that differ inside the rows
    domains: Sequence[Domain]

    def rendered(self) -> RenderableType:
        """Caption, table, footnotes, sentences."""
        title = f"{self.sweep.name} ({self.sweep.id})"
        if not self.summaries:
            return Text(f"{title}\nnothing is measured yet: `farm status {self.sweep.id}` tells how it stands")
        notes = [Text(note, style="dim") for note in layout.footnotes(self.summaries)]
        sentences = Table.grid(padding=(0, 1))
        for sentence in layout.sentences(self.summaries):
            sentences.add_row("•", sentence)
        caption = Text("\n".join((title, *self._caption(), "")))
        return Group(caption, layout.tables(self.summaries, self.accuracy), *notes, sentences)

    def records(self) -> list[dict[str, Scalar]]:
        """For csv, json and parquet."""
        return [
            record | ({"published_top1_percent": self.accuracy.get(str(record["model"]))} if "model" in record else {})
            for record in layout.records(self.summaries)
        ]

    def _caption(self) -> list[str]:
        shared = ", ".join(f"{n} {label(v)}" for n, v in self.shared.items() if v is not None and v is not False)
        averaged = ", ".join(f"{name} {' '.join(map(label, values))}" for name, values in self.averaged.items())
        qualities = {s.quality for s in self.summaries}
        joules = ", ".join(_quality(quality) for quality in sorted(qualities, key=lambda q: q.rank if q else 9))
        return [
            *([shared] if shared else []),
            *([f"mean over {averaged}"] if averaged else []),
            f"{' and '.join(self.domains)} joules: {joules}",
            *(["SIMULATED hardware: these are no real joules"] if any(s.simulated for s in self.summaries) else []),
        ]


def results(store: Store, sweep: SweepRecord, selection: Selection) -> Results:
    """Read, filter, group; raises InputError for a name or a value that no trial of the sweep knows."""
    trials = list(store.trial_rows(sweep.id))
    rows = store.measurement_rows(sweep.id, kinds=[WindowKind.MEASURE])
    found = samples.samples(trials, rows, selection.domain)
    _check_names(found, [*selection.by, *(name for name, _ in selection.where)])
    for name, wanted in selection.where:
        found = _fitting(found, name, wanted)
    levels = {name: _levels(found, name) for name in dict.fromkeys((*DEFAULT_KEYS, *CONTEXT, *KINDS_OF_JOULES))}
    differing = {name for name, values in levels.items() if len(values) > 1}
    chosen = selection.by or (*DEFAULT_KEYS, *(name for name in CONTEXT if name in differing))
    keys = tuple(dict.fromkeys((*chosen, *(name for name in KINDS_OF_JOULES if name in differing))))
    found.sort(key=_rank(keys))
    return Results(
        sweep=sweep,
        summaries=summarise(found, keys, selection.include_flagged),
        accuracy=_accuracy(trials),
        shared={name: levels[name][0] for name in CONTEXT if levels[name] and name not in {*differing, *keys}},
        averaged={name: levels[name] for name in levels if name in differing and name not in keys},
        domains=[Domain(str(name)) for name in levels["domain"]],
    )


def _check_names(found: Sequence[Sample], names: Sequence[str]) -> None:
    known = dict.fromkeys(name for s in found for name in s.labels)
    for name in names:
        if found and name not in known:
            raise InputError(f"no factor {name!r} in this sweep: there are {', '.join(known)}")


def _fitting(found: Sequence[Sample], name: str, wanted: str) -> list[Sample]:
    fitting = [s for s in found if _spelt(s.labels[name]) == wanted.lower()]
    if found and not fitting:
        there = ", ".join(_spelt(value) for value in _levels(found, name))
        raise InputError(f"--where: no trial has {name}={wanted}: there are {there}")
    return fitting


def _spelt(value: Scalar) -> str:
    return "null" if value is None else label(value).lower()


def _levels(found: Sequence[Sample], name: str) -> list[Scalar]:
    return list(dict.fromkeys(s.labels.get(name) for s in sorted(found, key=_rank([name]))))


def _rank(keys: Sequence[str]) -> Callable[[Sample], tuple[tuple[bool, float, str], ...]]:
    """Sorts numbers by size and words by the alphabet."""

    def rank(sample: Sample) -> tuple[tuple[bool, float, str], ...]:
        values = [sample.labels.get(name) for name in keys]
        return tuple((False, float(v), "") if isinstance(v, int | float) else (True, 0.0, str(v or "")) for v in values)

    return rank


def _accuracy(trials: Sequence[TrialRow]) -> dict[str, float]:
    published = ((str(t.factors.get("model")), t.facts.get("published_acc1_percent")) for t in trials)
    return {model: float(value) for model, value in published if isinstance(value, int | float)}


def _quality(quality: Quality | None) -> str:
    if quality is None:
        return "unknown, no meter here: `farm doctor` says what is missing"
    return {
        Quality.COUNTER: "counted by the hardware",
        Quality.SAMPLED: "integrated from power readings",
        Quality.MODELLED: "MODELLED from load and rated power: an estimate, not a measurement",
    }[quality]


def plain(view: RenderableType) -> str:
    """As text without colours, for a file."""
    console = Console(file=StringIO(), markup=False, emoji=False, highlight=False, width=80, color_system=None)
    with console.capture() as captured:
        console.print(view)
    return captured.get()
