"""The results of one sweep, selected, grouped and ready to be shown."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from rich.console import Group, RenderableType
from rich.text import Text

from farm.analysis import samples
from farm.analysis.aggregate import Sample, Summary, summarise
from farm.errors import InputError
from farm.model import Domain, Quality, Scalar, SweepRecord, WindowKind
from farm.report import results as layout
from farm.report.numbers import UNKNOWN
from farm.store import Store, TrialRow

DEFAULT_KEYS = ("model", "batch_size")
#: Named in the caption where all rows share them, in columns where they differ.
CONTEXT = ("precision", "device", "weights", "images", "channels_last", "compile", "threads", "machine")


@dataclass(frozen=True, slots=True)
class Selection:
    """What to show: grouping, filters, domain."""

    by: tuple[str, ...] = ()
    where: tuple[tuple[str, str], ...] = ()
    domain: Domain | None = None

    @classmethod
    def parse(cls, by: str | None, where: Sequence[str], domain: str | None) -> Self:
        """From the command line; raises InputError."""
        pairs = []
        for item in (part for text in where for part in text.split(",")):
            name, sign, value = item.partition("=")
            if not (name and sign):
                raise InputError(f"--where: expected NAME=VALUE, got {item!r}")
            pairs.append((name.strip(), value.strip()))
        if domain is not None and domain not in set(Domain):
            raise InputError(f"--domain: expected {', '.join(Domain)}, got {domain!r}")
        keys = tuple(name.strip() for name in by.split(",") if name.strip()) if by else ()
        return cls(keys, tuple(pairs), Domain(domain) if domain else None)


@dataclass(frozen=True, slots=True)
class Results:
    """A sweep's summaries with what a reader must know beside them."""

    sweep: SweepRecord
    summaries: Sequence[Summary]
    accuracy: Mapping[str, float]  #: published ImageNet top-1 in %, by model
    context: Mapping[str, Scalar]  #: what all rows share

    def rendered(self) -> RenderableType:
        """Caption, table, footnotes, sentences."""
        if not self.summaries:
            return Text(f"{self.sweep.name} ({self.sweep.id}): nothing is measured yet: `farm status {self.sweep.id}`")
        caption = Text(f"{self.sweep.name} ({self.sweep.id})\n{self._caption()}")
        notes = [Text(note, style="dim") for note in layout.footnotes(self.summaries)]
        sentences = [Text(f"• {sentence}") for sentence in layout.sentences(self.summaries)]
        return Group(caption, Text(), layout.tables(self.summaries, self.accuracy), *notes, *sentences)

    def records(self) -> list[dict[str, Scalar]]:
        """For csv, json and parquet."""
        return [
            record | ({"published_top1_percent": self.accuracy.get(str(record["model"]))} if "model" in record else {})
            for record in layout.records(self.summaries)
        ]

    def _caption(self) -> str:
        shared = ", ".join(f"{name} {value}" for name, value in self.context.items() if value not in (None, False))
        qualities = {s.quality for s in self.summaries}
        joules = ", ".join(_quality(quality) for quality in sorted(qualities, key=lambda q: q.rank if q else 9))
        marks = "; SIMULATED hardware" if any(s.simulated for s in self.summaries) else ""
        return f"{shared}\njoules: {joules}{marks}"


def results(store: Store, sweep: SweepRecord, selection: Selection) -> Results:
    """Read, filter, group; raises InputError for a name that no trial of the sweep knows."""
    trials = list(store.trial_rows(sweep.id))
    rows = store.measurement_rows(sweep.id, kinds=[WindowKind.MEASURE])
    found = samples.samples(trials, rows, selection.domain)
    _check_names(found, [*selection.by, *(name for name, _ in selection.where)])
    found = [s for s in found if all(str(s.labels[name]) == value for name, value in selection.where)]
    found.sort(key=_rank(selection.by or DEFAULT_KEYS))
    differing = tuple(name for name in CONTEXT if len({s.labels.get(name) for s in found}) > 1)
    keys = selection.by or (*DEFAULT_KEYS, *differing)
    shared = {name: found[0].labels.get(name) for name in (*CONTEXT, "domain") if found and name not in differing}
    return Results(sweep, summarise(found, keys), _accuracy(trials), {n: v for n, v in shared.items() if n not in keys})


def _check_names(found: Sequence[Sample], names: Sequence[str]) -> None:
    known = dict.fromkeys(name for s in found for name in s.labels)
    for name in names:
        if found and name not in known:
            raise InputError(f"no factor {name!r} in this sweep: there are {', '.join(known)}")


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
        return f"{UNKNOWN} (no meter for this domain: `farm doctor` says what is missing)"
    return {
        Quality.COUNTER: "counted by the hardware",
        Quality.SAMPLED: "integrated from power readings",
        Quality.MODELLED: "MODELLED by codecarbon from load and rated power: an estimate, not a measurement",
    }[quality]
