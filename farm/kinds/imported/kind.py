"""Kind imported: measurements of any workload that were made elsewhere."""

from farm.kinds.inference.kind import COLUMNS
from farm.kinds.kind import Kind

KIND = Kind(
    name="imported", description="measurements made elsewhere: `farm import`", unit="run", sweep=None, columns=COLUMNS
)
