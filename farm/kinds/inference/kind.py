"""Kind inference: networks on batch after batch of images."""

from dataclasses import dataclass

from farm.kinds.inference.sweep import InferenceSweep
from farm.kinds.kind import Kind
from farm.kinds.memory import network_bytes
from farm.model import Need, Point
from farm.report.columns import Columns

COLUMNS = Columns(
    always=("model", "batch_size"),
    context=("machine", "device", "precision", "weights", "images", "channels_last", "compile", "threads"),
)


@dataclass(frozen=True, kw_only=True)
class Inference(Kind):
    """Kind inference, whose trials hold a network and one batch."""

    def least_bytes(self, point: Point) -> int:
        """Return the bytes of the parameters and of a batch."""
        return network_bytes(point.get("model"), point.get("precision"), int(point.get("batch_size") or 0))


KIND = Inference(
    name="inference",
    description="networks on batch after batch of images",
    unit="image",
    sweep=InferenceSweep,
    needs=(Need.LATENCIES, Need.ACCURACY),
    columns=COLUMNS,
    times_batches=True,
    method="After a warm-up, batches run in measure windows without synchronizing the device after each batch. Each "
    "batch of these windows is timed, by the clock on a CPU and by events on a GPU, unless a sweep asks for a pass of "
    "its own (latency_s).",
)
