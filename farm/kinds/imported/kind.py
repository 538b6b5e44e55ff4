"""Kind imported: measurements of any workload that were made elsewhere."""

from farm.kinds.inference.kind import COLUMNS, Inference

KIND = Inference(
    name="imported", description="measurements made elsewhere: `farm import`", unit="run", sweep=None, columns=COLUMNS
)
