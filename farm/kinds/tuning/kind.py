"""Kind tuning: hyperparameters searched by training. Its jobs are trainings."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from farm.kinds.kind import Kind
from farm.kinds.training.kind import METHOD, UNHEEDED
from farm.kinds.tuning.sweep import TuningSweep
from farm.model import JobSpec, Need, SweepData

if TYPE_CHECKING:
    from farm.kinds.views import View
    from farm.report.selection import Selection


@dataclass(frozen=True, kw_only=True)
class Tuning(Kind):
    """Nobody knows how long a training takes."""

    def expected_s(self, spec: JobSpec) -> float | None:  # noqa: ARG002
        """Return None."""
        return None

    def results(self, data: SweepData, selection: "Selection") -> "View":
        """Return what each strategy found, and what that took."""
        from farm.kinds.tuning import results  # noqa: PLC0415

        return results.results(data, selection)


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
