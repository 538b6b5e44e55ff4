"""Notes on tables of energies, and notes of trials as one where they differ only in numbers."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from farm.analysis.aggregate import Summary
from farm.analysis.intervals import Interval
from farm.analysis.rules import TOO_WIDE, says_little
from farm.model import Flag
from farm.model.text import visible
from farm.report.numbers import CANNOT_TELL, ONE_TRIAL, number, several

#: Why no energy is ranked, and no saving shown.
MODELLED = "energy is modelled here"
SECONDS_DECIDE = "Energy is modelled here, from load and rated power: it ranks nothing, and seconds decide."
#: Why the least of several is not called so, by whether its lead is clear; None: the lead has no interval.
UNSURE = {None: "one repetition shows no spread", False: "the difference may be chance"}
#: A saving that is smaller, or known more closely, is shown with a decimal.
_SMALL, _NARROW = 0.1, 0.01
#: A number in a note that says how much; numbers in names, versions and of processes say which.
_NUMBER = re.compile(r"(?<![\w.:/#-])(?<!process )\d+(?:,\d{3})*(?:\.\d+)?(?![.:]?\w)")

_WIDE = f"wider than a factor of {TOO_WIDE:g}"


def spread(figures: Iterable[Interval | None]) -> list[str]:
    """Return notes on figures that rest on one trial, and on intervals that borrow the spread of other points."""
    known = [figure for figure in figures if figure is not None]
    found = []
    if any(figure.half_width is None for figure in known):
        found.append(
            f"({ONE_TRIAL}): one trial shows no spread, so there is no interval, and nothing is compared: raise "
            "repetitions. A bound (<) of one trial is what its meter leaves open."
        )
    points = sorted({figure.points for figure in known if figure.points})
    if points:
        each = " or ".join(map(str, points))
        found.append(
            f"Intervals rest on the spread of {each} points of this sweep on one machine, not of their own alone."
        )
    return found


def reservations(summaries: Sequence[Summary]) -> list[str]:
    """Return notes on trials that are left out or doubtful, and on their flags."""
    left_out, trials = sum(s.left_out for s in summaries), sum(s.trials for s in summaries)
    marked = sum(s.trials for s in summaries if s.is_doubtful)
    away = flagged_trials(left_out, marked, left_out + trials)
    return [*([f"{away}."] if away else []), *flagged(sum((Counter(s.flags) for s in summaries), Counter[Flag]()))]


def wide(energies: Iterable[Interval | None]) -> list[str]:
    """Return a note if an interval says little of the size of an energy."""
    if not any(says_little(energy) for energy in energies if energy is not None):
        return []
    return [f"({CANNOT_TELL}), or a bound (<): the interval reaches down to 0, or is {_WIDE}: raise repetitions."]


def flagged_trials(left_out: int, marked: int, trials: int) -> str:
    """Return the policy for flagged trials, with their numbers and without a full stop; empty if there are none.

    Args:
        left_out: Flagged trials that no figure rests on.
        marked: Flagged trials of rows that have no others.
        trials: All trials.
    """
    found = left_out + marked
    if not found:
        return ""
    are, them = ("is", "it") if found == 1 else ("are", "them")
    flagged = f"{found} of {several(trials, 'trial')} {are} flagged"
    if not marked:
        return f"{flagged} and left out: --include-flagged counts {them}"
    away = f"{left_out} {'is' if left_out == 1 else 'are'} left out; " if left_out else ""
    rows = f"rows without other trials are marked with ! and never compared ({several(marked, 'trial')})"
    return f"{flagged}: {away}{rows}; --include-flagged counts {them}"


def flagged(flags: Counter[Flag]) -> list[str]:
    """Return a note with the number of trials that carry each flag."""
    if not flags:
        return []
    named = ", ".join(f"{flag} {count}" for flag, count in flags.most_common())
    return [f"Flags: {named}. `farm export` shows which trials have them."]


def shape(note: str) -> str:
    """Return a note without its numbers: the same for notes that differ in numbers alone."""
    return _NUMBER.sub("\0", note)


def alike(of: Iterable[Iterable[str]]) -> list[tuple[str, int]]:
    """Return notes that differ only in numbers as one, with the range of each number, and how many trials have it.

    Args:
        of: The notes of each trial.

    Returns:
        The notes, the most frequent one first.
    """
    found: dict[str, list[str]] = {}
    trials = Counter[str]()
    for given in of:
        own = [visible(note) for note in given]
        for note in own:
            found.setdefault(shape(note), []).append(note)
        trials.update(dict.fromkeys(map(shape, own), 1))
    return [(_ranged(found[one]), count) for one, count in trials.most_common()]


def _ranged(notes: Sequence[str]) -> str:
    """Return notes of one shape as one note, with the least and the greatest of each number."""
    numbers = zip(*map(_NUMBER.findall, notes), strict=True)
    columns = (sorted(set(own), key=lambda text: float(text.replace(",", ""))) for own in numbers)
    ranges = [own[0] if len(own) == 1 else f"{own[0]} to {own[-1]}" for own in columns]
    return "".join(part + own for part, own in zip(shape(notes[0]).split("\0"), [*ranges, ""], strict=True))


def less(ratio: Interval, other: str) -> str:
    """Return a ratio below 1 in words, with its interval: 23% less (18 to 28%) than batch 1.

    An interval that holds 1 too is written as 42% less (79% less to 61% more).
    """
    low, high = ratio.low, ratio.high
    decimals = int(1 - ratio.mean < _SMALL or (ratio.half_width or 1.0) < _NARROW)

    def apart(end: float) -> str:
        return f"{abs(1 - end) * 100:.{decimals}f}"

    ends = ""
    if says_little(ratio):
        ends = f" (interval {_WIDE})"
    elif low is not None and high is not None:
        ends = f" ({apart(low)}% less to {apart(high)}% more)" if high > 1 else f" ({apart(high)} to {apart(low)}%)"
    return f"{apart(ratio.mean)}% less{ends} than {other}"


def faster(ratio: Interval, other: str) -> str:
    """Return a ratio of times in words, with its interval: 2.3x (2.2x to 2.4x) batch 1."""
    low, high = ratio.low, ratio.high
    ends = "" if not low or not high else f" ({number(1 / high, 3)}x to {number(1 / low, 3)}x)"
    ends = f" (interval {_WIDE})" if says_little(ratio) else ends
    return f"{number(1 / ratio.mean, 3)}x{ends} {other}"


def doubt(is_clear: bool | None) -> str:
    """Return the end of a sentence that says that one of several is the least; empty if it surely is."""
    return "" if is_clear else f"; cannot tell yet: {UNSURE[is_clear]}. Add repetitions"
