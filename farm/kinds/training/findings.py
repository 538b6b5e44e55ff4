"""What a sweep of trainings shows in few sentences: the most accurate one, and the one with the least energy."""

from collections.abc import Sequence

from farm.analysis.aggregate import grouped
from farm.kinds.training.results import Results, sentence
from farm.kinds.training.runs import TrainingSummary
from farm.model import Quality
from farm.report import headlines, notes
from farm.report.numbers import number, percent_interval
from farm.report.selection import Selection


def findings(found: Results, selection: Selection) -> list[str]:
    """Return which configuration is the most accurate, and which takes the least energy per image of training."""
    groups = grouped(found.selected.samples, found.selected.keys, selection.include_flagged)
    sound = [summary for summary in found.summaries if not summary.work.is_doubtful]
    if len(sound) == 1:
        return [sentence(sound[0])]
    return [*_accuracy(sound), *headlines.cheapest(groups, "image of training")]


def _accuracy(of: Sequence[TrainingSummary]) -> list[str]:
    """Return the most accurate configuration with what its training takes, and those that may be as accurate."""
    ranked = sorted((s for s in of if s.last_accuracy), key=_mean, reverse=True)
    if len(ranked) < 2:
        return []
    names = headlines.names(summary.work.key for summary in of)
    named = [f"{names[s.work.key]} with {percent_interval(s.last_accuracy)}%" for s in ranked]
    best, *others = ranked
    tied = sum(not _is_below(summary, best) for summary in others)
    first = f"The most accurate is {named[0]}{_joules(best)}"
    if not tied:
        return [f"{first}; the next is {named[1]}."]
    doubt = f"{named[1]} may be as good" if tied == 1 else f"{tied} others may be as good, such as {named[1]}"
    if best.last_accuracy and best.last_accuracy.low is None:
        doubt = notes.UNSURE[None]
    last = f"; the least accurate is {named[-1]}" if tied < len(others) else ""
    return [f"{first}{last}. Cannot tell yet whether it is: {doubt}. Add repetitions."]


def _is_below(summary: TrainingSummary, best: TrainingSummary) -> bool:
    """Return whether an accuracy is surely below that of the best: their intervals do not overlap."""
    own, other = summary.last_accuracy, best.last_accuracy
    if own is None or other is None or own.high is None or other.low is None:
        return False
    return own.high < other.low


def _mean(summary: TrainingSummary) -> float:
    return summary.last_accuracy.mean if summary.last_accuracy else 0.0


def _joules(summary: TrainingSummary) -> str:
    """Return the gross energy of setup, training and validation; empty if a part is unknown."""
    stages = [cost.gross_j for cost in (summary.setup, summary.training, summary.validation)]
    known = [stage.mean for stage in stages if stage is not None]
    modelled = " modelled" if summary.work.quality is Quality.MODELLED else ""
    return f" for {number(sum(known))} J gross{modelled} a training" if len(known) == len(stages) else ""
