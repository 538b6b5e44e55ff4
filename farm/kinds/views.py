"""The results of one sweep of any kind."""

from dataclasses import replace

from farm.kinds.registry import get
from farm.model import SweepData
from farm.report import carbon
from farm.report.document import Document
from farm.report.selection import Selection


def view(data: SweepData, selection: Selection) -> Document:
    """Return the results of a sweep, and what it took; raises InputError if the selection does not fit its kind."""
    found = get(data.record.kind).results(data, selection)
    return found if data.record.imported else replace(found, blocks=[*found.blocks, *carbon.footprint(data.spent)])
