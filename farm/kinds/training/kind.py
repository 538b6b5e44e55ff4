"""Kind training: networks trained from their beginning to their last epoch."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from farm.kinds.kind import LATENCY, Kind
from farm.kinds.training.sweep import TrainingSweep
from farm.model import JobSpec, Need, SweepData

if TYPE_CHECKING:
    from farm.kinds.views import View
    from farm.report.selection import Selection

#: Settings that no training uses: its windows are its epochs.
UNHEEDED = LATENCY | {"windows", "min_iterations", "warmup_s", "warmup_max_s"}
METHOD = (
    "A training is metered at the edges of its epochs: setup, training and validation apart. Networks are validated in "
    "evaluation mode."
)


@dataclass(frozen=True, kw_only=True)
class Training(Kind):
    """Nobody knows how long a training takes."""

    def expected_s(self, spec: JobSpec) -> float | None:  # noqa: ARG002
        """Return None."""
        return None

    def results(self, data: SweepData, selection: "Selection") -> "View":
        """Return what networks reached, and what that took."""
        from farm.kinds.training import results  # noqa: PLC0415

        return results.results(data, selection)


KIND = Training(
    name="training",
    description="networks trained from their beginning to their last epoch",
    unit="image",
    sweep=TrainingSweep,
    needs=(Need.TRIALS, Need.STAGES, Need.LATENCIES),
    work="trainings",
    method=METHOD,
    unheeded=UNHEEDED,
    resumable=True,
    seeds_differ=True,  # or all repetitions would end alike
)
