"""The spread inside cells, also where the number of values depended on it. Pure.

Repetition that ends once a point looks precise ends sooner where its spread looks small by chance. That spread is too
small, and so is p: Welch's test at 5 % errs in 9 % (five repetitions or more) to 15 % (two or more). The first
repetitions were planned before any result was known. Whenever repetition ends, the mean of all values is independent of
their spread, so that Student's t with the spread and the degrees of freedom of the first repetitions is exact (Stein
1945, for normal values). The larger of this spread and that of all values errs no more often.
"""

from collections.abc import Iterable, Sequence
from statistics import fmean


def pooled(cells: Iterable[Sequence[float]], planned: Iterable[Sequence[float]]) -> tuple[float, int]:
    """Return the variance inside cells and its degrees of freedom.

    Args:
        cells: The values of each cell.
        planned: Those of them that were planned before any result was known: all if repetitions were fixed.
    """
    every, first = _pooled(cells), _pooled(planned)
    return max(every[0], first[0]), first[1] or min(every[1], 1)


def _pooled(cells: Iterable[Sequence[float]]) -> tuple[float, int]:
    squares, df = 0.0, 0
    for values in cells:
        if len(values) > 1:
            mean = fmean(values)
            squares += sum((value - mean) ** 2 for value in values)
            df += len(values) - 1
    return (squares / df if df else 0.0), df
