"""The other sweeps of a name, in words; for `farm results`."""

from collections.abc import Sequence

from farm.report.numbers import several
from farm.store import Revision

#: Sweeps that a note names.
NAMED = 3


def note(others: Sequence[Revision]) -> list[str]:
    """Return a line that names what else was measured under the name of a sweep; no line where nothing was."""
    measured = [other for other in others if other.measured]
    if not measured:
        return []
    named = ", ".join(map(_described, measured[:NAMED]))
    more = f" and {len(measured) - NAMED} more" if len(measured) > NAMED else ""
    return [f"note: also measured under this name: {named}{more}; `farm results ID` shows one"]


def _described(other: Revision) -> str:
    counted = f", {other.counted} counted here" if other.counted else ""
    return f"{other.id} ({several(other.measured, 'trial')}, {other.submitted_at:%Y-%m-%d}{counted})"
