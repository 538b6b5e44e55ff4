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
    needs=(Need.LATENCIES, Need.ACCURACY),
    columns=COLUMNS,
    times_batches=True,
    method="After a warm-up, batches run in measure windows without synchronizing the device after each batch. A "
    "separate pass measures latencies; every batch of this pass counts.",
)
