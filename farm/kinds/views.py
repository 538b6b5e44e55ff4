"""The results of one sweep, of whatever kind, as a document."""

from farm.kinds.registry import get
from farm.model import SweepData
from farm.report.document import Document
from farm.report.selection import Selection


def view(data: SweepData, selection: Selection) -> Document:
    """Return what there is to see of a sweep; raises InputError for a choice that does not fit its kind."""
    return get(data.record.kind).results(data, selection)
