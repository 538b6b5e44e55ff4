"""The results of one sweep of any kind."""

from farm.kinds.registry import get
from farm.model import SweepData
from farm.report.document import Document
from farm.report.selection import Selection


def view(data: SweepData, selection: Selection) -> Document:
    """Return the results of a sweep; raises InputError if the selection does not fit its kind."""
    return get(data.record.kind).results(data, selection)
