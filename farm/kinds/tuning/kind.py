"""Kind tuning: a search for hyperparameters, whose jobs are trainings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from farm.kinds.training.kind import METHOD, UNHEEDED, Training
from farm.kinds.tuning.sweep import TuningSweep
from farm.model import SEARCH_FACTORS, Need, SweepData

if TYPE_CHECKING:
    from farm.report.document import Document
    from farm.report.selection import Selection


@dataclass(frozen=True, kw_only=True)
class Tuning(Training):
    """Kind tuning, whose trials are trainings."""

    @property
    def factor_types(self) -> Mapping[str, type]:
        """Return the types of the factors of the trainings and of the search."""
        return {**super().factor_types, **dict(zip(SEARCH_FACTORS, (str, int, int), strict=True))}

    def results(self, data: SweepData, selection: "Selection") -> "Document":
        """Return the best result of each strategy, and the energy that this took."""
        from farm.kinds.tuning import results  # noqa: PLC0415

        return results.document(results.results(data, selection))

    def findings(self, data: SweepData, selection: "Selection") -> Sequence[str]:
        """Return what the sweep shows in few sentences."""
        from farm.kinds.tuning import findings, results  # noqa: PLC0415

        return findings.findings(results.results(data, selection))


KIND = Tuning(
    name="tuning",
    description="hyperparameters searched by training",
    unit="image",
    sweep=TuningSweep,
    needs=(Need.TRIALS, Need.STAGES),
    workload="training",
    work="trainings",
    method=METHOD,
    unheeded=UNHEEDED,
    resumable=True,
    seeds_differ=True,
)
