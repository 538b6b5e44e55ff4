"""What a reader must know of any table of energies."""

from collections import Counter
from collections.abc import Iterable, Sequence

from farm.analysis.aggregate import Summary
from farm.analysis.intervals import Interval
from farm.model import Flag


def spread(figures: Iterable[Interval | None]) -> list[str]:
    """Where one trial alone stands for a group."""
    if any(figure is not None and figure.half_width is None for figure in figures):
        return ["±? one trial alone says nothing of the spread: raise repetitions."]
    return []


def reservations(summaries: Sequence[Summary]) -> list[str]:
    """Trials that are left out or doubtful, and their flags."""
    notes = []
    left_out, trials = sum(s.left_out for s in summaries), sum(s.trials for s in summaries)
    if left_out:
        notes.append(f"{left_out} of {left_out + trials} trials are left out: --include-flagged brings them back.")
    if any(s.is_doubtful for s in summaries):
        notes.append("! every trial of this row is flagged: shown all the same, not compared.")
    return [*notes, *flagged(sum((Counter(s.flags) for s in summaries), Counter[Flag]()))]


def flagged(flags: Counter[Flag]) -> list[str]:
    """How many trials carry each flag."""
    if not flags:
        return []
    named = ", ".join(f"{flag} {count}" for flag, count in flags.most_common())
    return [f"Flags: {named}; `farm export` tells which trials."]
