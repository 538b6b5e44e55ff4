"""Pruning: thresholds of accuracy that are fixed when a trial is asked for.

A trial runs on a machine that knows no other trial, so its job carries the thresholds. Optuna's pruners decide when a
trial reports, and see more of the trials beside it; for trials one after the other, both decide the same.
"""

import math
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, takewhile
from statistics import median

from farm.kinds.tuning.strategies import Pruning
from farm.model import Rung
from farm.scheduling.tuning.study import Finished


def thresholds(rule: Pruning, number: int, history: Sequence[Finished], epochs: int) -> tuple[Rung, ...]:
    """Return the accuracies that trial `number` must reach to be trained for all `epochs`, in the order of epochs."""
    match rule.rule:
        case "median":
            return tuple(_median(rule, history, epochs))
        case "halving":
            return tuple(_halving(rule, history, epochs, rule.first))
        case "hyperband":
            bracket = bracket_of(rule, number, epochs)
            rivals = [trial for trial in history if bracket_of(rule, trial.number, epochs) == bracket]
            return tuple(_halving(rule, rivals, epochs, rule.first * rule.factor**bracket))


def _median(rule: Pruning, history: Iterable[Finished], epochs: int) -> Iterator[Rung]:
    """Require that the best accuracy so far is at least the median of complete trials at that epoch."""
    complete = [trial.accuracies for trial in history if trial.values is not None and not trial.is_pruned]
    if len(complete) < rule.startup:
        return
    for epoch in range(max(rule.warmup, 1), epochs):
        reached = _at(epoch, complete)
        if reached:
            yield Rung(epoch=epoch, least_accuracy=median(reached), judges="best")


def _halving(rule: Pruning, history: Iterable[Finished], epochs: int, first: int) -> Iterator[Rung]:
    """Halve asynchronously: one in `factor` of the trials that reached a rung goes on, and always the first."""
    curves = [trial.accuracies for trial in history]
    rungs = (first * rule.factor**rung for rung in range(epochs))
    for epoch in takewhile(lambda epoch: epoch < epochs, rungs):
        reached = _at(epoch, curves)
        if reached:
            places = max((len(reached) + 1) // rule.factor, 1)
            least = sorted(reached, reverse=True)[places - 1]
            yield Rung(epoch=epoch, least_accuracy=least, judges="last")


def _at(epoch: int, curves: Iterable[Sequence[float]]) -> list[float]:
    return [accuracies[epoch - 1] for accuracies in curves if len(accuracies) >= epoch]


def bracket_of(rule: Pruning, number: int, epochs: int) -> int:
    """Return the number of a trial's Hyperband bracket: they fill one after the other, the strictest (0) first."""
    ends = list(accumulate(bracket_sizes(rule, epochs)))
    return bisect_right(ends, number % ends[-1])


def bracket_sizes(rule: Pruning, epochs: int) -> tuple[int, ...]:
    """Return the trials in each bracket: ceil(n · factor^s / (s + 1)) for s = n - 1 ... 0 (Li et al., 2018)."""
    last = 0
    while rule.first * rule.factor ** (last + 1) <= epochs:
        last += 1
    return tuple(math.ceil((last + 1) * rule.factor**s / (s + 1)) for s in range(last, -1, -1))
