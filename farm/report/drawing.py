"""Pieces of charts in Vega-Lite."""

import json
from collections.abc import Sequence
from math import ceil, floor, log10
from textwrap import wrap
from typing import Any

from farm.analysis.intervals import Interval
from farm.model.words import LARGEST_VALUE

Spec = dict[str, Any]
Value = dict[str, Any]

#: Okabe and Ito's colours, which colour-blind readers can distinguish, without those too pale or too dark for a theme.
#: A dark page makes the darkest colour lighter.
COLOURS = ("var(--blue, #0072B2)", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#999999")
SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down", "triangle-right")
WIDTH, HEIGHT, WIDE = 300, 220, 640
#: Pixels between the intervals of two series at one place.
_BESIDE = 5
#: Characters of a line of a row's name, which stands above its row; pixels of a line, and of a row without its name.
_ROW_LABEL, _LINE, _ROW = 52, 13, 22
#: Characters of a line of a legend.
_LEGEND_LABEL = 46
#: Lines of either.
_MOST_LINES = 8
#: Settings of a chart with rows; the padding leaves room for a browser's wider font.
_ROWS: Spec = {"width": WIDTH + 30, "padding": {"left": 12, "right": 26, "top": 4, "bottom": 4}}
#: A scale is logarithmic if the largest value is more than so many times the smallest.
_DECADE = 10.0
#: An interval is drawn to at most so many times the largest value, and on a logarithmic scale down to the same part of
#: the smallest one: a wide interval must not press all others together. An arrow marks the end that is not drawn.
_REACH = 2.0
_SIDEWAYS = {"low": "triangle-left", "high": "triangle-right"}
_QUIET = {"labelColor": "currentColor", "titleColor": "currentColor"}
_CONFIG: Spec = {
    "aria": False,  # one label says what a chart shows; one for each of its marks would not help
    "font": "system-ui, sans-serif",
    "axis": _QUIET
    | {"gridColor": "currentColor", "gridOpacity": 0.15, "domainColor": "currentColor", "tickColor": "currentColor"}
    | {"titleFontWeight": "normal", "titlePadding": 8, "labelFontSize": 11, "titleFontSize": 12, "labelLimit": 150},
    "legend": _QUIET
    | {"orient": "bottom", "columns": 1, "labelLimit": WIDTH, "title": None, "labelFontSize": 11, "symbolOpacity": 1},
    "axisX": {"labelFlush": False, "labelOverlap": "greedy"},
    "header": _QUIET,
    "view": {"stroke": None},
    "text": {"fill": "currentColor"},
    "rule": {"strokeWidth": 1.5},
    "point": {"size": 55, "opacity": 1},
}


def chart(values: Sequence[Value], layers: Sequence[Spec], **changes: Any) -> Spec:
    """Return a chart of layers over the same values."""
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "width": WIDTH,
        "height": HEIGHT,
        "background": "transparent",
        "padding": 4,
        "data": {"values": list(values)},
        "layer": list(layers),
        "config": _CONFIG,
    } | changes


def quantity(field: str, title: str, values: Sequence[Value] = (), **changes: Any) -> Spec:
    """Return a channel for numbers; its scale is logarithmic if positive values span more than a decade.

    Args:
        field: the field with the numbers.
        title: the title of the axis.
        values: what the chart shows; intervals have the fields `low` and `high` too.
        changes: further settings of the channel.
    """
    plain = {"field": field, "type": "quantitative", "title": title}
    if not _is_logarithmic([value[field] for value in values]):
        return plain | {"scale": {"zero": False, "nice": True}, "axis": {"tickCount": 6}} | changes
    known = [end for value in values for name in (field, "low", "high") if (end := value.get(name)) is not None]
    ticks = {"values": _ticks(min(known), max(known))}
    return plain | {"scale": {"type": "log", "nice": False, "padding": 10}, "axis": ticks} | changes


def _is_logarithmic(values: Sequence[float | None]) -> bool:
    known = [value for value in values if value is not None]
    if not known or min(known) < 1 / LARGEST_VALUE or max(known) > LARGEST_VALUE:  # no such ticks
        return False
    return max(known) / min(known) > _DECADE


def within(values: Sequence[Value], field: str) -> list[Value]:
    """Return values whose intervals end within their axis; `cut_low` and `cut_high` tell which ends are cut.

    Quantities that are all positive have no interval below zero.
    """
    known = [value[field] for value in values if value[field] is not None]
    if not known or min(known) <= 0:
        return list(values)
    least = min(known) / _REACH if _is_logarithmic(known) else 0.0
    most = max(known) * _REACH
    return [
        value
        if value["low"] is None
        else value
        | {"low": max(value["low"], least), "high": min(value["high"], most)}
        | {"cut_low": value["low"] < least, "cut_high": value["high"] > most}
        for value in values
    ]


def has_arrows(values: Sequence[Value]) -> bool:
    """Return True if an end of an interval is not drawn."""
    return any(value.get("cut_low") or value.get("cut_high") for value in values)


def _ticks(least: float, most: float) -> list[float]:
    """Return the ticks 1, 2, 5, 10, ...; over many decades only powers of ten."""
    decades = range(floor(log10(least)) - 1, ceil(log10(most)) + 1)
    steps = (1, 2, 5) if len(decades) < 6 else (1,)
    return [step * 10.0**decade for decade in decades for step in steps]


def batches(values: Sequence[Value]) -> Spec:
    """Return the axis of batch sizes, with a tick for each."""
    sizes = sorted({value["batch"] for value in values})
    axis = {"values": sizes, "format": "d", "grid": False}
    return {"field": "at", "type": "quantitative", "title": "batch size", "axis": axis} | {
        "scale": {"type": "log", "base": 2, "nice": False, "padding": 12}
    }


def beside(values: Sequence[Value], field: str) -> list[Value]:
    """Return values with `at`, their place on a logarithmic axis: that of the field, with series beside each other."""
    names = list(dict.fromkeys(value["series"] for value in values))
    places = [value[field] for value in values]
    step = (max(places) / min(places)) ** (_BESIDE / WIDTH) if places else 1.0
    return [
        value | {"at": value[field] * step ** (names.index(value["series"]) - (len(names) - 1) / 2)} for value in values
    ]


def series(values: Sequence[Value], **changes: Any) -> Spec:
    """Return colour and shape of each series; shapes serve readers who cannot see the colours."""
    names = list(dict.fromkeys(value["series"] for value in values))
    repeated = [n % len(COLOURS) for n in range(len(names))]
    legend: Spec = {"legend": {"labelExpr": _lines_of(names)} if len(names) > 1 else None}
    plain = {"field": "series", "type": "nominal"} | legend | changes
    return {
        "color": plain | {"scale": {"domain": names, "range": [COLOURS[n] for n in repeated]}},
        "shape": plain | {"scale": {"domain": names, "range": [SHAPES[n] for n in repeated]}},
    }


def _lines_of(names: Sequence[str]) -> str:
    """Return the expression that writes long names of a legend in several lines."""
    long = {name: _lines(name, _LEGEND_LABEL) for name in names if len(name) > _LEGEND_LABEL}
    return f"{json.dumps(long)}[datum.label] || datum.label"


def _lines(name: str, width: int) -> list[str]:
    """Return a long name in lines; a very long one is cut, since tables have it whole."""
    return wrap(name, width, max_lines=_MOST_LINES, placeholder=" …")


def points(x: Spec, y: Spec, of: Spec) -> Spec:
    """Return a layer with a point for each value; points of doubtful values are hollow."""
    opacity = {"condition": {"test": "datum.hollow", "value": 0}, "value": 1}
    fill = {"fill": of["color"], "fillOpacity": opacity}
    return {"mark": {"type": "point", "filled": False, "strokeWidth": 1.5}, "encoding": {"x": x, "y": y, **of, **fill}}


def curves(x: Spec, y: Spec, of: Spec, **changes: Any) -> Spec:
    """Return a layer with lines between the values of a series."""
    mark = {"type": "line", "strokeWidth": 1.5} | changes
    return {"mark": mark, "encoding": {"x": x, "y": y, "color": of["color"]}}


def spans(values: Sequence[Value], x: Spec, y: Spec, of: Spec, along: str = "y") -> list[Spec]:
    """Return layers with intervals from `low` to `high`, along x or y; `within` has cut them to the axis."""
    places = {"x": x, "y": y}
    own = {"color": of["color"]}
    lines: Spec = {"mark": {"type": "rule"}, "encoding": {**places, along: places[along] | {"field": "low"}} | own}
    lines["encoding"][f"{along}2"] = {"field": "high"}
    shapes = {"low": "triangle-down", "high": "triangle-up"} if along == "y" else _SIDEWAYS
    arrows = [
        {
            "transform": [{"filter": f"datum.cut_{end}"}],
            "mark": {"type": "point", "filled": True, "size": 50, "shape": shape},
            "encoding": {**places, along: places[along] | {"field": end}} | own,
        }
        for end, shape in shapes.items()
        if any(value.get(f"cut_{end}") for value in values)
    ]
    return [lines, *arrows]


def ends(value: Interval | None, scale: float = 1.0) -> Value:
    """Return an interval as `low` and `high`; unknown ends are at the mean."""
    if value is None:
        return {"low": None, "high": None}
    low, high = (value.mean if end is None else end for end in (value.low, value.high))
    return {"low": low * scale, "high": high * scale}


def dots(values: Sequence[Value], title: str) -> Spec:
    """Return a chart with a row for each configuration, named above it.

    Args:
        values: what the chart shows, with the fields that `charts.in_rows` names.
        title: the title of the axis.
    """
    names = {value["row"]: "\n".join(_lines(value["row"], _ROW_LABEL)) for value in values}
    lines = max(name.count("\n") + 1 for name in names.values()) if any(names) else 0
    several = list(dict.fromkeys(value["series"] for value in values))
    step = _ROW + lines * _LINE + _BESIDE * (len(several) - 1)
    axis: Spec = {"labels": False, "ticks": False, "domain": False, "title": None, "grid": False}
    y: Spec = {"field": "row", "type": "nominal", "sort": list(names), "axis": axis, "scale": {"padding": 0}}
    x, of = quantity("value", title, values), series(values)
    layers = [*spans(values, x, y, of, along="x"), points(x, y, of)]
    places = {"type": "point", "domain": several, "range": [_ROW / 2 + lines * _LINE, step - _ROW / 2]}
    for layer in layers:
        layer["encoding"]["yOffset"] = {"field": "series", "type": "nominal", "scale": places}
    rows = [{"row": row, "name": name} for row, name in names.items()]
    at = {"x": {"value": 0}, "y": y, "text": {"field": "name"}}
    broken = {"lineBreak": "\n", "lineHeight": _LINE}
    named = texts(rows, at, align="left", baseline="top", yOffset=4 - step / 2, **broken)
    return chart(values, [*layers, *named], **_ROWS, height={"step": step, "for": "position"})


def texts(values: Sequence[Value], encoding: Spec, **changes: Any) -> list[Spec]:
    """Return layers with texts that stay readable where they lie upon lines."""
    mark: Spec = {"type": "text", "fontSize": 11} | changes
    halo = {"stroke": "var(--card, #ffffff)", "strokeWidth": 3, "strokeJoin": "round"}
    return [
        {"data": {"values": list(values)}, "mark": mark | style, "encoding": encoding}
        for style in (halo, {"fill": "currentColor"})
    ]


def bars(values: Sequence[Value], title: str) -> Spec:
    """Return a chart with a bar for each `row` and `series`; its length is `value`, a share, which stands beside it."""
    names = list(dict.fromkeys(value["row"] for value in values))
    y: Spec = {"field": "row", "type": "nominal", "sort": names, "axis": {"labelLimit": 0, "title": None}}
    x = {"field": "value", "type": "quantitative", "title": title, "axis": {"format": "%", "tickCount": 5}}
    encoding = {"x": x, "y": y, "yOffset": {"field": "series"}}
    text = {"field": "value", "type": "quantitative", "format": ".0%"}
    return chart(
        values,
        [
            {"mark": {"type": "bar"}, "encoding": encoding | {"color": series(values)["color"]}},
            {"mark": {"type": "text", "align": "left", "dx": 3, "fontSize": 11, "fill": "currentColor"}}
            | {"encoding": encoding | {"text": text}},
        ],
        **_ROWS | {"width": WIDTH + 60, "autosize": {"type": "fit-x", "contains": "padding"}},
        height={"step": 16 if len({value["series"] for value in values}) > 1 else 20},
    )


def parted(values: Sequence[Value]) -> list[list[Value]]:
    """Return values in parts, each with at most as many series as there are colours."""
    names = list(dict.fromkeys(value["series"] for value in values))
    part_of = {name: place // len(COLOURS) for place, name in enumerate(names)}
    parts: list[list[Value]] = [[] for _ in range(0, len(names), len(COLOURS))]
    for value in values:
        parts[part_of[value["series"]]].append(value)
    return parts
