"""Kind inference: networks on batch after batch of images."""

from farm.kinds.inference.sweep import InferenceSweep
from farm.kinds.kind import Kind
from farm.model import Need
from farm.report.columns import Columns

COLUMNS = Columns(
    always=("model", "batch_size"),
    context=("machine", "device", "precision", "weights", "images", "channels_last", "compile", "threads"),
)
KIND = Kind(
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
