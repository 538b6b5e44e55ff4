"""Kind training: networks trained from the first epoch to the last."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from farm.kinds.kind import LATENCY, Kind
from farm.kinds.memory import network_bytes
from farm.kinds.training.sweep import TrainingSweep
from farm.model import JobSpec, Need, Point, SweepData

if TYPE_CHECKING:
    from farm.report.document import Document
    from farm.report.selection import Selection

#: Settings that trainings do not use, because their windows are their epochs.
UNHEEDED = LATENCY | {"windows", "min_iterations", "warmup_s", "warmup_max_s"}
METHOD = (
    "Setup, training and validation are metered separately, in windows that begin and end with epochs. Networks are "
    "validated in evaluation mode."
)


@dataclass(frozen=True, kw_only=True)
class Training(Kind):
    """Kind training, whose trials are trainings."""

    def expected_s(self, spec: JobSpec) -> None:
        """Return None, because the time of a training is unknown before it runs."""

    def least_bytes(self, point: Point) -> int:
        """Return the bytes of the parameters and of their gradients."""
        return 2 * network_bytes(point.get("model"), point.get("precision"))

    def results(self, data: SweepData, selection: "Selection") -> "Document":
        """Return the accuracy that networks reached, and the energy and time that this took."""
        from farm.kinds.training import results  # noqa: PLC0415

        return results.document(results.results(data, selection))

    def findings(self, data: SweepData, selection: "Selection") -> Sequence[str]:
        """Return what the sweep shows in few sentences."""
        from farm.kinds.training import findings, results  # noqa: PLC0415

        return findings.findings(results.results(data, selection), selection)


KIND = Training(
    name="training",
    description="networks trained from the first epoch to the last",
    unit="image",
    sweep=TrainingSweep,
    needs=(Need.TRIALS, Need.STAGES, Need.LATENCIES),
    work="trainings",
    method=METHOD,
    unheeded=UNHEEDED,
    resumable=True,
    seeds_differ=True,  # with one seed all repetitions would have the same result
)
