"""The results of one sweep of any kind."""

from dataclasses import replace

from farm.kinds.registry import get
from farm.model import SweepData
from farm.report import budget, carbon, headlines
from farm.report.document import Block, Document
from farm.report.selection import Selection


def view(data: SweepData, selection: Selection) -> Document:
    """Return the results of a sweep, and what it took; raises InputError if the selection does not fit its kind."""
    found = get(data.record.kind).results(data, selection)
    return found if data.record.imported else replace(found, blocks=[*found.blocks, *carbon.footprint(data.spent)])


def findings(data: SweepData, selection: Selection) -> list[Block]:
    """Return what a sweep shows in at most three sentences, or what it takes to tell; it may head any view.

    `data` needs what `view` needs; with Need.PROGRESS and Need.FAILURES it says why nothing is measured.
    """
    return headlines.blocks(data, selection, get(data.record.kind).findings(data, selection))


def uncertainty(data: SweepData, selection: Selection) -> Document:
    """Return where the uncertainty of a sweep's net energies comes from; raises InputError as `view` does."""
    return budget.document(data, selection, get(data.record.kind).columns)
