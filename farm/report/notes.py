"""Notes on tables of energies."""

from collections import Counter
from collections.abc import Iterable, Sequence

from farm.analysis.aggregate import Summary
from farm.analysis.intervals import Interval
from farm.model import Flag

#: Why no energy is ranked, and no saving shown.
MODELLED = "energy is modelled here"
SECONDS_DECIDE = "Energy is modelled here, from load and rated power: it ranks nothing, and seconds decide."


def spread(figures: Iterable[Interval | None]) -> list[str]:
    """Return notes on figures that rest on one trial, and on intervals that borrow the spread of other points."""
    known = [figure for figure in figures if figure is not None]
    alone = [figure for figure in known if figure.half_width is None]
    found = []
    if any(figure.meter is None for figure in alone):
        found.append("±? marks a figure of one trial, which gives no interval: raise repetitions.")
    if any(figure.meter is not None for figure in alone):
        found.append(
            "(± ...) is what the meter of a single trial leaves open. It is no interval of a mean, and nothing is "
            "compared by it: raise repetitions."
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
    notes = []
    left_out, trials = sum(s.left_out for s in summaries), sum(s.trials for s in summaries)
    if left_out:
        notes.append(
            f"{left_out} of {left_out + trials} trials are left out by their flags: --include-flagged keeps them."
        )
    if any(s.is_doubtful for s in summaries):
        notes.append("! marks a row whose trials are all flagged: it is shown, but not compared.")
    return [*notes, *flagged(sum((Counter(s.flags) for s in summaries), Counter[Flag]()))]


def flagged(flags: Counter[Flag]) -> list[str]:
    """Return a note with the number of trials that carry each flag."""
    if not flags:
        return []
    named = ", ".join(f"{flag} {count}" for flag, count in flags.most_common())
    return [f"Flags: {named}. `farm export` shows which trials have them."]


def doubt(is_clear: bool | None, basis: str = "") -> str:
    """Return the end of a sentence that compares two values.

    Args:
        is_clear: whether the intervals are apart; see `are_apart`.
        basis: the compared quantity, in brackets.
    """
    if is_clear:
        return basis
    why = "one trial alone gives no interval" if is_clear is None else "the intervals overlap"
    return f"; cannot tell yet: {why}{basis}. Add repetitions"
