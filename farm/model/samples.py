"""The sample: the figures of a trial's work, for each domain and, where a kind has parts, for each part."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from farm.model.carbon import CarbonFactor
from farm.model.words import Domain, Flag, Point, Quality, Scalar

#: Labels of one trial alone.
OWN_LABELS = frozenset({"repetition", "job", "trial"})


class SharedLabels(dict[str, Scalar]):
    """The labels that trials share, which tables and captions list, and facets, which are there for who names one."""

    __slots__ = ("facets",)

    def __init__(self, listed: Mapping[str, Scalar], facets: Mapping[str, Scalar]) -> None:
        super().__init__(listed)
        self.facets = facets

    def __missing__(self, name: str) -> Scalar:
        return self.facets[name]

    def __contains__(self, name: object) -> bool:
        return super().__contains__(name) or name in self.facets

    def get(self, name: str, default: Any = None) -> Any:
        """Return the value of a label or of a facet."""
        return super().get(name, self.facets.get(name, default))


class Labels(Mapping[str, Scalar]):
    """Everything that a sample may be grouped or filtered by.

    Nearly all labels are the same for every trial of a point on a machine: one mapping serves them all.
    """

    __slots__ = ("job", "repetition", "shared", "trial")

    def __init__(self, shared: Mapping[str, Scalar], repetition: int, job: str, trial: str) -> None:
        """Take the values of all names from `shared`, except for those of OWN_LABELS, which it must have too."""
        self.shared, self.repetition, self.job, self.trial = shared, repetition, job, trial

    def __getitem__(self, name: str) -> Scalar:
        return getattr(self, name) if name in OWN_LABELS else self.shared[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.shared)

    def __len__(self) -> int:
        return len(self.shared)

    def get(self, name: str, default: Any = None) -> Any:
        """Return the value of a label, or the default where the sample has no such label."""
        return getattr(self, name) if name in OWN_LABELS else self.shared.get(name, default)


def distinct(found: Iterable[Mapping[str, Scalar]]) -> Sequence[Mapping[str, Scalar]]:
    """Return each mapping that labels share once: they differ in OWN_LABELS alone from the labels themselves."""
    shared = [labels.shared if isinstance(labels, Labels) else labels for labels in found]
    return list({id(labels): labels for labels in shared}.values())


def values_of(found: Iterable[Mapping[str, Scalar]], names: Sequence[str]) -> Sequence[tuple[Scalar, ...]]:
    """Return the values of some labels for each sample; samples that share labels share the tuple."""
    if not OWN_LABELS.isdisjoint(names):
        return [tuple([labels.get(name) for name in names]) for labels in found]
    shared = [labels.shared if isinstance(labels, Labels) else labels for labels in found]
    known = {id(labels): labels for labels in shared}
    values = {place: tuple([labels.get(name) for name in names]) for place, labels in known.items()}
    return [values[id(labels)] for labels in shared]


@dataclass(slots=True)  # not frozen: that would make them three times as slow to make, and there are many
class SampleFigures:
    """Totals over the windows of work of one trial, in one domain. Unknown is None, never 0. Nobody changes them."""

    domain: Domain
    part: int | None  #: index of the part's window; None: the work of the whole trial
    own_device: bool  #: whether the device that did the work draws its power in this domain
    device: str | None  #: cpu, cuda:N; None: the trial was imported
    unit: str | None  #: the unit of work: image, token, ...
    units: int  #: units of work in these windows
    duration_s: float | None  #: the length of these windows; None: the trial was imported without a duration
    gross_j: float | None
    gross_u_j: float | None  #: standard uncertainty of gross_j
    gross_shared_u_j: float | None  #: the part of it that all trials of the machine share
    net_j: float | None
    net_u_j: float | None  #: standard uncertainty of net_j
    net_shared_u_j: float | None  #: the part of it that all trials of the machine share
    idle_w: float | None  #: power of the loaded model while it waits
    quality: Quality | None  #: the worst quality of the windows; None: no joules are known
    flags: tuple[Flag, ...]  #: the flags of these windows and of the trial, sorted

    @property
    def is_valid(self) -> bool:
        """Whether analysis counts the sample: it has no flag but notes."""
        return all(flag.is_note for flag in self.flags)


@dataclass(slots=True)
class Sample(SampleFigures):
    """The figures with their identity, by which samples are grouped."""

    sweep: str
    job: str
    trial: str
    repetition: int
    factors: Point
    machine: str | None  #: the machine's name
    hardware_class: str | None
    environment: str | None
    carbon: CarbonFactor
    simulated: bool
    imported: bool
    rating: str | None = None  #: the rated power from which the CPU's joules were modelled, and who says so
