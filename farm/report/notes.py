"""What a reader must know of any table of energies, and what a comparison leaves open."""

from collections import Counter
from collections.abc import Iterable, Sequence

from farm.analysis.aggregate import Summary
from farm.analysis.intervals import Interval
from farm.model import Flag


def spread(figures: Iterable[Interval | None]) -> list[str]:
    """Explain `±?`, where a figure rests on one trial."""
    if any(figure is not None and figure.half_width is None for figure in figures):
        return ["±? one trial alone gives no interval: raise repetitions."]
    return []


def reservations(summaries: Sequence[Summary]) -> list[str]:
    """Count the trials that are left out, and the flags; explain the mark of rows that are flagged."""
    notes = []
    left_out, trials = sum(s.left_out for s in summaries), sum(s.trials for s in summaries)
    if left_out:
        notes.append(f"{left_out} of {left_out + trials} trials are left out: --include-flagged brings them back.")
    if any(s.is_doubtful for s in summaries):
        notes.append("! every trial of this row is flagged: the row is shown, but not compared.")
    return [*notes, *flagged(sum((Counter(s.flags) for s in summaries), Counter[Flag]()))]


def flagged(flags: Counter[Flag]) -> list[str]:
    """Count the trials that carry each flag."""
    if not flags:
        return []
    named = ", ".join(f"{flag} {count}" for flag, count in flags.most_common())
    return [f"Flags: {named}; `farm export` lists the trials."]


def doubt(is_clear: bool | None, basis: str = "") -> str:
    """Return the end of a sentence that compares two values.

    Args:
        is_clear: whether their intervals are apart, as `are_apart` says.
        basis: what was compared, in brackets.
    """
    if is_clear:
        return basis
    why = "one trial alone gives no interval" if is_clear is None else "the intervals overlap"
    return f"; cannot tell yet: {why}{basis}. Add repetitions"
