"""Kind inference: networks on batch after batch of images."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from farm.kinds.inference.sweep import InferenceSweep
from farm.kinds.kind import Kind
from farm.kinds.memory import network_bytes
from farm.model import Need, Point, SweepData
from farm.report.columns import Columns

if TYPE_CHECKING:
    from farm.report.selection import Selection

COLUMNS = Columns(
    always=("model", "batch_size"),
    context=("machine", "device", "precision", "weights", "images", "channels_last", "compile", "threads"),
)


@dataclass(frozen=True, kw_only=True)
class Inference(Kind):
    """Kind inference, and imports, whose points may have batch sizes too."""

    def findings(self, data: SweepData, selection: "Selection") -> Sequence[str]:
        """Return what the sweep shows in few sentences."""
        from farm.kinds.inference import findings, results  # noqa: PLC0415

        return findings.findings(results.results(data, selection, self.columns))

    def least_bytes(self, point: Point) -> int:
        """Return the bytes of the parameters and of a batch."""
        return network_bytes(point.get("model"), point.get("precision"), int(point.get("batch_size") or 0))


KIND = Inference(
    name="inference",
    description="networks on batch after batch of images",
    unit="image",
    sweep=InferenceSweep,
    needs=(Need.LATENCIES, Need.ACCURACY, Need.MEASURES),
    columns=COLUMNS,
    times_batches=True,
    method="After a warm-up, batches run in measure windows without synchronizing the device after each batch. Each "
    "batch of these windows is timed, by the clock on a CPU and by events on a GPU, unless a sweep asks for a pass of "
    "its own (latency_s).",
)
