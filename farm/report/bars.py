"""Charts of bars as text: a line for each value, with its 95 % interval."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from farm.report.document import KEY_HEADINGS, Bar, Bars
from farm.report.layout import GAP, formatted, named, one_line

#: A longer line is no easier to read, and a shorter bar shows nothing.
_WIDEST, _LEAST = 96, 16
#: A chart has at most so many bars.
_MOST = 30
#: The axis ends at most so many times further than the greatest value: a wide interval must not shorten all bars.
_REACH = 1.5


@dataclass(frozen=True, slots=True)
class Signs:
    """The characters of which bars are drawn."""

    sure: str  #: up to the lower end of the interval
    unsure: str  #: from there to the value
    line: str  #: from the value to the upper end
    end: str
    beyond: str  #: the upper end lies further away
    parts: str  #: a part of a character, the smallest part first


BLOCKS = Signs("█", "▒", "─", "┤", "►", "▏▎▍▌▋▊▉")
ASCII = Signs("#", "=", "-", "|", ">", "")


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a chart: a name, a value and a bar, or a name alone."""

    name: str
    value: str = ""
    bar: str = ""
    is_heading: bool = False
    is_doubtful: bool = False


@dataclass(frozen=True, slots=True)
class Drawn:
    """A chart as text."""

    title: str
    lines: Sequence[Line]
    notes: Sequence[str]  #: what the signs mean, and which bars are left out


def drawn(of: Bars, width: int, signs: Signs) -> Drawn:
    """Draw bars in lines of at most `width` characters.

    The title has the labels that all bars share. Where several labels differ, the first of them is a heading. A long
    name has a line of its own, so that it is not cut. Only the least and the greatest of many values are drawn.
    """
    shown = _chosen(of.bars)
    shared, keys = _keys(shown)
    is_grouped = len(keys) > 1
    names = [_spelt(bar, keys[is_grouped:]) for bar in shown]
    values = [formatted(bar.value, of.column) + "!" * bar.is_doubtful for bar in shown]
    longest, widest = (max(map(len, texts), default=0) for texts in (values, names))
    beside = min(width, _WIDEST) - longest - widest - 3 * GAP
    is_beside = beside >= max(_LEAST, widest)
    cells = beside if is_beside else min(width, _WIDEST) - longest - 2 * GAP
    most = _end_of_axis(shown)
    lines: list[Line] = []
    rows = zip(shown, names, values, strict=True)
    for heading, group in groupby(rows, key=lambda row: _spelt(row[0], keys[:1]) if is_grouped else ""):
        lines += [Line(heading, is_heading=True)] if heading else []
        for bar, name, value in group:
            lines += [] if is_beside else [Line(" " * GAP + name)]
            head = f"{'':{GAP}}{name:<{widest}}{'':{GAP}}" if is_beside else " " * GAP
            drawn_bar = _bar(bar, cells, most, signs)
            lines.append(Line(head, f"{value:>{longest}}{'':{GAP}}", drawn_bar, is_doubtful=bar.is_doubtful))
    left_out = len(of.bars) - len(shown)
    more = [f"{left_out} rows between the {_MOST // 2} least and the {_MOST // 2} greatest are not drawn."]
    title = ": ".join(text for text in (one_line(of.column), _spelt(shown[0], shared) if shared else "") if text)
    return Drawn(title, lines, [*_key(lines, signs), *(more if left_out else [])])


def _chosen(bars: Sequence[Bar]) -> Sequence[Bar]:
    """Return the bars to draw, in their order."""
    if len(bars) <= _MOST:
        return bars
    ranked = sorted(bars, key=lambda bar: (bar.middle is not None, bar.middle or 0.0))
    kept = {id(bar) for bar in (*ranked[: _MOST // 2], *ranked[-_MOST // 2 :])}
    return [bar for bar in bars if id(bar) in kept]


def _keys(bars: Sequence[Bar]) -> tuple[list[str], list[str]]:
    """Return the names of the labels that all of several bars share, and of the others."""
    names = dict.fromkeys(name for bar in bars for name in bar.labels)
    levels = {name: len({bar.labels.get(name) for bar in bars}) for name in names}
    differ = [name for name in names if levels[name] > 1 or len(bars) < 2]
    return [name for name in names if name not in differ], differ


def _spelt(bar: Bar, keys: Sequence[str]) -> str:
    """Return labels in words; a text alone needs no name."""
    labels = {KEY_HEADINGS.get(key, key): bar.labels.get(key) for key in keys}
    alone = next(iter(labels.values())) if len(labels) == 1 else None
    return alone if isinstance(alone, str) else named(labels)


def _end_of_axis(bars: Iterable[Bar]) -> float:
    """Return the value at the right end of all bars."""
    greatest = max((bar.middle for bar in bars if bar.middle is not None), default=0.0)
    ends = [bar.ends[1] for bar in bars if bar.ends is not None]
    return max(greatest, min(max(ends, default=0.0), greatest * _REACH))


def _bar(bar: Bar, cells: int, most: float, signs: Signs) -> str:
    """Return a bar with its interval in so many characters; no bar for what is unknown or not above 0."""
    if bar.middle is None or bar.middle <= 0 or not most:
        return ""
    place = bar.middle / most * cells
    low, high = (end / most * cells for end in bar.ends or (bar.middle, bar.middle))
    if high - low < 1:  # too narrow to draw
        whole, part = divmod(round(place * (len(signs.parts) + 1)), len(signs.parts) + 1)
        return signs.sure * whole + (signs.parts[part - 1] if part else "")
    middle = min(round(place), cells - 1)
    sure = min(max(round(low), 0), middle)
    last = min(max(round(high), middle + 1), cells)
    end = signs.beyond if high > cells + 0.5 else signs.end
    return signs.sure * sure + signs.unsure * (middle - sure) + signs.line * (last - middle - 1) + end


def _key(lines: Iterable[Line], signs: Signs) -> list[str]:
    """Return what the signs mean, if there are any."""
    text = "".join(line.bar for line in lines)
    if signs.end not in text and signs.beyond not in text:
        return []
    far = f"; {signs.beyond} it ends further away" if signs.beyond in text else ""
    return [f"{signs.unsure}{signs.line}{signs.end} 95 % interval, the value where {signs.unsure} ends{far}"]
