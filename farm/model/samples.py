"""The sample: the figures of a trial's work, for each domain and, where a kind has parts, for each part."""

from collections.abc import Mapping
from dataclasses import dataclass

from farm.model.words import Domain, Flag, Point, Quality, Scalar


@dataclass(frozen=True, slots=True)
class SampleFigures:
    """Totals over the windows of work of one trial, in one domain. Unknown is None, never 0."""

    domain: Domain
    part: int | None  #: index of the part's window; None: the work of the whole trial
    own_device: bool  #: whether the device that did the work draws its power in this domain
    device: str | None  #: cpu, cuda:N; None: the trial was imported
    unit: str | None  #: the unit of work: image, token, ...
    units: int  #: units of work in these windows
    duration_s: float | None  #: the length of these windows; None: the trial was imported without a duration
    gross_j: float | None
    gross_u_j: float | None  #: standard uncertainty of gross_j
    net_j: float | None
    net_u_j: float | None  #: standard uncertainty of net_j
    idle_w: float | None  #: power of the loaded model while it waits
    quality: Quality | None  #: the worst quality of the windows; None: no joules are known
    flags: tuple[Flag, ...]  #: the flags of these windows and of the trial, sorted

    @property
    def is_valid(self) -> bool:
        """Whether analysis counts the sample: it has no flag but notes."""
        return all(flag.is_note for flag in self.flags)


@dataclass(frozen=True, slots=True)
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
    carbon_g_per_kwh: float | None
    simulated: bool
    imported: bool

    @property
    def labels(self) -> Mapping[str, Scalar]:
        """The labels that samples may be grouped or filtered by, the factors first."""
        return {
            **self.factors,
            "device": self.device or self.factors.get("device"),
            "machine": self.machine,
            "hardware_class": self.hardware_class,
            "environment": self.environment,
            "sweep": self.sweep,
            "repetition": self.repetition,
            "job": self.job,
            "trial": self.trial,
            "domain": self.domain,
            "quality": self.quality,
            "simulated": self.simulated,
            "imported": self.imported,
            "unit": self.unit,
        }
