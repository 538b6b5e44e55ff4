"""What a study claims, what was found here, and the trials that a finding rests on. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Self

from farm.analysis.aggregate import UnitSample
from farm.analysis.intervals import Interval
from farm.analysis.rules import may_rank_energy
from farm.model import Quality
from farm.report.notes import MODELLED


class Verdict(StrEnum):
    """Answer to the question whether the results of this farm agree with a claim."""

    AGREES = "agrees"
    DIFFERS = "differs"
    UNCLEAR = "cannot tell"

    def in_words(self, count: int) -> str:
        """Return the verb for that many claims: 1 agrees, 2 agree."""
        return self.value.removesuffix("s") if count > 1 else self.value


class Scale(StrEnum):
    """Scale on which a figure is shown."""

    RATIO = "ratio"
    SHARE = "share"
    GROWTH = "growth"  #: growth per year, as a share


class Times(StrEnum):
    """Way in which response times were obtained."""

    SIMULATED = "simulated"  #: a simulated queue over measured service times
    LIVE = "live"  #: requests in real time


@dataclass(frozen=True, slots=True)
class Claim:
    """Statement of a paper, and the rule by which it is judged."""

    id: str
    statement: str  #: one sentence
    figures: str  #: figures of the paper
    rule: str  #: when the verdict is `agrees`, and when it is `differs`
    of_energy: bool = True  #: the verdict rests on joules


@dataclass(frozen=True, slots=True)
class Figure:
    """Number that is evidence for or against a claim."""

    of: str
    value: Interval
    scale: Scale
    verdict: Verdict | None = None  #: verdict of this figure alone; None: it only accompanies the others
    p: float | None = None
    trials: int = 0
    level: str = "95 %"  #: confidence level of the interval


@dataclass(frozen=True, slots=True)
class Basis:
    """Trials, machines and kinds of joules on which a finding rests."""

    trials: int = 0
    left_out: int = 0  #: trials that do not count because of a flag
    flagged: int = 0  #: trials that count in spite of a flag
    machines: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    qualities: tuple[Quality, ...] = ()  #: qualities of the joules; empty if the claim is not about energy
    simulated: bool = False  #: some hardware is simulated
    imported: bool = False
    times: Times | None = None  #: how response times were obtained; None: the claim is not about them


@dataclass(frozen=True, slots=True)
class Finding:
    """Claim with its verdict and the evidence."""

    claim: Claim
    verdict: Verdict
    because: str
    figures: tuple[Figure, ...]
    basis: Basis

    @property
    def is_modelled(self) -> bool:
        """Return True if the finding rests on modelled joules."""
        return Quality.MODELLED in self.basis.qualities

    def ranked(self) -> Self:
        """Return the finding, without verdict and figures if it rests on modelled joules: these rank nothing."""
        if not self.claim.of_energy or all(map(may_rank_energy, self.basis.qualities)):
            return self
        return replace(self, verdict=Verdict.UNCLEAR, because=MODELLED, figures=())


@dataclass(frozen=True, slots=True)
class Paper:
    """Study, and the ready-made sweeps that repeat it."""

    name: str
    title: str
    source: str
    sweeps: tuple[str, ...]
    quick: tuple[str, ...]  #: smaller sweeps, which take minutes
    device: str | None = None  #: type of device that the study measured


@dataclass(frozen=True, slots=True)
class Trials:
    """Samples of some sweeps; flagged trials do not count unless `include_flagged` is set."""

    everything: Sequence[UnitSample]
    include_flagged: bool = False

    @property
    def counted(self) -> list[UnitSample]:
        """Return the samples on which verdicts rest."""
        return [s for s in self.everything if self.include_flagged or s.is_valid]

    def basis(self, times: Times | None = None, of_energy: bool = True) -> Basis:
        """Return the basis of a finding that rests on all samples that count."""
        counted = self.counted
        return Basis(
            trials=len(counted),
            left_out=len(self.everything) - len(counted),
            flagged=sum(not s.is_valid for s in counted),
            machines=_levels(counted, "machine"),
            devices=_levels(counted, "device"),
            qualities=tuple(sorted({s.quality for s in counted if s.quality and of_energy}, key=lambda q: q.rank)),
            simulated=any(s.simulated for s in counted),
            imported=any(s.imported for s in counted),
            times=times,
        )

    def why_nothing(self, absent: str, of_energy: bool = True) -> str:
        """Return why there is no verdict; `absent` is the reason if joules are known and no trial is flagged."""
        counted, include = self.counted, "--include-flagged counts them too"
        if of_energy and counted and all(s.gross_j is None for s in counted):
            return "the joules of all trials are unknown: `farm doctor` shows what is missing"
        if self.everything and not counted:
            return f"each of the {len(self.everything)} trials is flagged: {include}"
        return absent if len(counted) == len(self.everything) else f"{absent}, without the flagged trials: {include}"


def _levels(samples: Iterable[UnitSample], name: str) -> tuple[str, ...]:
    return tuple(sorted({str(s.labels[name]) for s in samples if s.labels.get(name) is not None}))
