"""The selection of trials of a sweep, their groups, and the caption of their view."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache
from typing import Self, TypeVar

from farm.analysis.aggregate import UnitSample
from farm.analysis.statistics.data import order
from farm.model import OWN_LABELS, Domain, Quality, Scalar, SweepRecord, distinct, values_of
from farm.model.errors import InputError
from farm.model.facets import FACETS
from farm.report import carbon
from farm.report.columns import Columns
from farm.report.conditions import Condition, meant, parse_conditions, spelt
from farm.report.document import NAMES, Alert, Block, Document, Paragraph, paragraphs
from farm.report.numbers import label

#: Labels that are never averaged over: they become columns if they differ.
KINDS_OF_JOULES = ("domain", "quality", "simulated", "imported", "unit", "rating")
#: Warnings of captions.
SIMULATED = "SIMULATED hardware: these joules are not real"
IMPORTED = "IMPORTED: measured elsewhere; this farm does not know how"
#: The option that chooses trials.
WHERE = "--where"

Labels = Mapping[str, Scalar]
T = TypeVar("T")
E = TypeVar("E", bound=StrEnum)


def parse_choice(option: str, name: str, choices: type[E]) -> E:
    """Return the choice of this name; raises InputError with the names of all choices."""
    if name not in set(choices):
        raise InputError(f"{option}: expected {', '.join(choices)}, got {name!r}")
    return choices(name)


@dataclass(frozen=True, slots=True)
class Selection:
    """The user's selection: grouping, filters, domain."""

    by: tuple[str, ...] = ()
    where: tuple[Condition, ...] = ()
    domain: Domain | None = None
    include_flagged: bool = False
    targets: tuple[float, ...] = ()  #: accuracies; views show the energy that training takes to reach them
    option: str = WHERE  #: the options that `where` comes from

    @classmethod
    def parse(
        cls,
        by: str | None,
        where: Sequence[str],
        domain: str | None,
        include_flagged: bool,
        targets: Sequence[float] = (),
        option: str = WHERE,
    ) -> Self:
        """Parse options of the command line; raises InputError."""
        for target in targets:
            if not 0 < target <= 1:
                raise InputError(f"--target-accuracy: expected a share above 0, at most 1, such as 0.9, got {target:g}")
        keys = tuple(dict.fromkeys(name.strip() for name in by.split(",") if name.strip())) if by else ()
        kept = None if domain is None else parse_choice("--domain", domain, Domain)
        return cls(keys, parse_conditions(option, where), kept, include_flagged, tuple(sorted(set(targets))), option)

    def without_targets(self, kind: str) -> Self:
        """Return the selection itself; raises InputError if it has accuracies, which only trainings reach."""
        if self.targets:
            raise InputError(f"--target-accuracy: sweeps of kind {kind} train nothing: leave it out")
        return self


@dataclass(frozen=True, slots=True)
class Selected:
    """The selected samples of a sweep."""

    sweep: SweepRecord
    samples: Sequence[UnitSample]  #: samples in the order of the rows
    keys: tuple[str, ...]  #: the labels that group the samples into rows
    shared: Labels  #: labels that are the same in all rows
    averaged: Mapping[str, Sequence[Scalar]]  #: factors that differ inside rows, with their levels
    domains: Sequence[Domain]

    @property
    def title(self) -> str:
        """Name and id of the sweep."""
        return f"{self.sweep.name} ({self.sweep.id})"

    @property
    def has_imported(self) -> bool:
        """Whether some samples were measured elsewhere."""
        return any(s.imported for s in self.samples)

    @property
    def unit(self) -> str:
        """The unit of work, such as image; if units differ, they have a column of their own."""
        units = {labels.get("unit") for labels in distinct(s.labels for s in self.samples)}
        return str(units.pop() or "unit") if len(units) == 1 else "unit"

    def nothing(self) -> str:
        """Return the text for a sweep without samples."""
        return f"{self.title}\nNothing is measured yet. `farm status {self.sweep.id}` shows how the sweep progresses."

    def caption(self) -> list[str]:
        """Return lines on the title, shared labels, averaged factors and the origin of the joules."""
        shared = ", ".join(f"{n} {label(v)}" for n, v in self.shared.items() if v is not None and v is not False)
        averaged = ", ".join(f"{name} {' '.join(map(label, values))}" for name, values in self.averaged.items())
        return [
            self.title,
            *([shared] if shared else []),
            *([f"mean over {averaged}"] if averaged else []),
            self.joules,
            *carbon.intensities(sample.carbon for sample in self.samples),
            *self.warnings,
        ]

    @property
    def joules(self) -> str:
        """The domains of the joules, and how the joules were obtained."""
        qualities = sorted({s.quality for s in self.samples}, key=lambda quality: quality.rank if quality else 9)
        how = "; ".join(obtained(quality, self.has_imported, self.ratings) for quality in qualities)
        return f"{' and '.join(self.domains)} joules: {how}"

    @property
    def ratings(self) -> tuple[str, ...]:
        """The rated powers from which joules were modelled, and who says so."""
        found = {labels.get("rating") for labels in distinct(s.labels for s in self.samples)}
        return tuple(sorted(str(rating) for rating in found - {None}))

    @property
    def warnings(self) -> list[str]:
        """Reasons why these joules are not measurements of this farm."""
        return [
            *([SIMULATED] if any(s.simulated for s in self.samples) else []),
            *([IMPORTED] if self.has_imported else []),
        ]

    def about(self) -> list[Block]:
        """Return the caption without the title, as blocks."""
        alerts = {*self.warnings, *([self.joules] if any(s.quality is Quality.MODELLED for s in self.samples) else [])}
        return [Alert(line) if line in alerts else Paragraph(line) for line in self.caption()[1:]]

    def with_context(self, document: Document) -> Document:
        """Return the document with the labels that all trials share in its rows for files, before those of the rows."""
        first: Labels = self.samples[0].labels if self.samples else {}
        shared = {name: first[name] for name in (*self.shared, "domain", "unit") if name in first}
        return replace(document, rows=[{**shared, **record} for record in document.records()])

    def unmeasured(self) -> Document:
        """Return the view of a sweep that has no sample."""
        return Document(paragraphs(self.nothing().split("\n")), rows=())


def select(sweep: SweepRecord, samples: Sequence[UnitSample], selection: Selection, columns: Columns) -> Selected:
    """Filter, sort and group samples; raises InputError for a name or a value that no trial of the sweep has."""
    by = known_names([s.labels for s in samples], selection.by)
    found = fitting(samples, lambda s: s.labels, selection.where, selection.option)
    captioned = (*columns.always, *columns.context, *columns.factors)
    labels = [sample.labels for sample in found]
    shared = distinct(labels)
    levels = {
        name: _levels(labels if name in OWN_LABELS else shared, name)
        for name in dict.fromkeys((*captioned, *KINDS_OF_JOULES, *by))
    }
    differing = {name for name, values in levels.items() if len(values) > 1}
    optional = (name for name in (*columns.context, *columns.factors) if name in differing)
    chosen = by or (*columns.always, *optional)
    keys = tuple(dict.fromkeys((*chosen, *(name for name in KINDS_OF_JOULES if name in differing))))
    return Selected(
        sweep=sweep,
        samples=_in_order(found, {name: levels[name] for name in keys}),
        keys=keys,
        shared={name: levels[name][0] for name in columns.context if levels[name] and name not in {*differing, *keys}},
        averaged={name: levels[name] for name in levels if name in differing and name not in keys},
        domains=[Domain(str(name)) for name in levels["domain"]],
    )


def known_names(found: Sequence[Labels], names: Iterable[str]) -> tuple[str, ...]:
    """Return the names of labels, also of those that are called by a column's heading, such as batch.

    Raises:
        InputError: No trial has such a label.
    """
    different = distinct(found)
    known = label_names(different)
    wanted = [name if any(name in labels for labels in different) else NAMES.get(name, name) for name in names]
    for name in wanted:
        if different and not any(name in labels for labels in different):
            named = f"there are {', '.join(known)}; besides {', '.join(FACETS)}"
            raise InputError(f"no factor {name!r} in this sweep{meant(name, known)}: {named}")
    return tuple(wanted)


def label_names(found: Iterable[Labels]) -> list[str]:
    """Return all names in order of appearance; trials of one sweep have few different sets of names."""
    return list(dict.fromkeys(name for names in dict.fromkeys(map(tuple, distinct(found))) for name in names))


def fitting(
    found: Sequence[T], labels: Callable[[T], Labels], where: Sequence[Condition], option: str = WHERE
) -> list[T]:
    """Return the items whose labels fulfil all conditions; raises InputError if there are none."""
    names = known_names([labels(item) for item in found], [condition.name for condition in where])
    for name, condition in zip(names, where, strict=True):
        fit = [item for item in found if condition.holds(labels(item).get(name))]
        if found and not fit:
            values = sorted((labels(item).get(name) for item in found), key=order)
            levels = dict.fromkeys(map(spelt, values))
            raise InputError(f"{option}: no trial has {condition}: there are {', '.join(levels)}")
        found = fit
    return list(found)


def _levels(found: Sequence[Labels], name: str) -> list[Scalar]:
    return sorted(dict.fromkeys([labels.get(name) for labels in found]), key=order)


def _in_order(found: Sequence[UnitSample], levels: Mapping[str, Sequence[Scalar]]) -> list[UnitSample]:
    """Return samples sorted by each of these names in turn, in the order of its levels."""
    places = [{level: place for place, level in enumerate(own)} for own in levels.values()]
    values = values_of([sample.labels for sample in found], tuple(levels))
    rank = {own: tuple([place[value] for place, value in zip(places, own, strict=True)]) for own in set(values)}
    order = sorted(range(len(found)), key=[rank[own] for own in values].__getitem__)
    return [found[place] for place in order]


@lru_cache(4096)
def obtained(quality: Quality | None, is_imported: bool, ratings: tuple[str, ...] = ()) -> str:
    """Return how joules were obtained, in words; `ratings` are the rated powers from which they were modelled."""
    if quality is None and is_imported:
        return "nobody recorded how they were obtained"
    if quality is None:
        return "unknown, since no meter measured them: `farm doctor` names what is missing"
    rated = f" ({' and '.join(ratings)})" if ratings else ""
    return {
        Quality.COUNTER: "counted by the hardware",
        Quality.SAMPLED: "integrated from power readings",
        Quality.MODELLED: f"MODELLED from load and rated power{rated}: an estimate, not a measurement",
    }[quality]
