"""Pieces of charts in Vega-Lite."""

from collections.abc import Iterable, Sequence
from math import ceil, floor, log10
from typing import Any

from farm.analysis.intervals import Interval

Spec = dict[str, Any]
Value = dict[str, Any]

#: Okabe and Ito's colours, which colour-blind readers can distinguish, without those too pale or too dark for a theme.
#: A dark page makes the darkest colour lighter.
COLOURS = ("var(--blue, #0072B2)", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#999999")
SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down", "triangle-right")
WIDTH, HEIGHT, WIDE = 300, 220, 640
#: The width of the names of rows, in pixels.
_ROW_LABEL = 210
#: Settings of a chart with rows; the padding leaves room for a browser's wider font.
_ROWS: Spec = {
    "width": WIDTH + 60,
    "autosize": {"type": "fit-x", "contains": "padding"},
    "padding": {"left": 26, "right": 26, "top": 4, "bottom": 4},
}
#: A scale is logarithmic if the largest value is more than so many times the smallest.
_DECADE = 10.0
_QUIET = {"labelColor": "currentColor", "titleColor": "currentColor"}
_CONFIG: Spec = {
    "aria": False,  # one label says what a chart shows; one for each of its marks would not help
    "font": "system-ui, sans-serif",
    "axis": _QUIET
    | {"gridColor": "currentColor", "gridOpacity": 0.15, "domainColor": "currentColor", "tickColor": "currentColor"}
    | {"titleFontWeight": "normal", "titlePadding": 8, "labelFontSize": 11, "titleFontSize": 12, "labelLimit": 150},
    "legend": _QUIET
    | {"orient": "bottom", "columns": 1, "labelLimit": WIDTH, "title": None, "labelFontSize": 11, "symbolOpacity": 1},
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


def quantity(field: str, title: str, values: Iterable[Any] = (), **changes: Any) -> Spec:
    """Return a channel for numbers; its scale is logarithmic if positive values span more than a decade."""
    known = [value for value in values if value is not None]
    plain = {"field": field, "type": "quantitative", "title": title}
    if not known or min(known) <= 0 or max(known) / min(known) <= _DECADE:
        return plain | {"scale": {"zero": False, "nice": True}} | changes
    ticks = {"values": _ticks(min(known), max(known))}
    return plain | {"scale": {"type": "log", "nice": False, "padding": 10}, "axis": ticks} | changes


def _ticks(least: float, most: float) -> list[float]:
    """Return the ticks 1, 2, 5, 10, ...; over many decades only powers of ten."""
    decades = range(floor(log10(least)) - 1, ceil(log10(most)) + 1)
    steps = (1, 2, 5) if len(decades) < 6 else (1,)
    return [step * 10.0**decade for decade in decades for step in steps]


def batches(values: Sequence[Value]) -> Spec:
    """Return the axis of batch sizes, with a tick for each."""
    sizes = sorted({value["batch"] for value in values})
    axis = {"values": sizes, "format": "d", "grid": False}
    return {"field": "batch", "type": "quantitative", "title": "batch size", "axis": axis} | {
        "scale": {"type": "log", "base": 2, "nice": False, "padding": 12}
    }


def series(values: Sequence[Value], **changes: Any) -> Spec:
    """Return colour and shape of each series; shapes serve readers who cannot see the colours."""
    names = list(dict.fromkeys(value["series"] for value in values))
    repeated = [n % len(COLOURS) for n in range(len(names))]
    legend: Spec = {} if len(names) > 1 else {"legend": None}
    plain = {"field": "series", "type": "nominal"} | legend | changes
    return {
        "color": plain | {"scale": {"domain": names, "range": [COLOURS[n] for n in repeated]}},
        "shape": plain | {"scale": {"domain": names, "range": [SHAPES[n] for n in repeated]}},
    }


def points(x: Spec, y: Spec, of: Spec) -> Spec:
    """Return a layer with a point for each value; points of doubtful values are hollow."""
    opacity = {"condition": {"test": "datum.hollow", "value": 0}, "value": 1}
    fill = {"fill": of["color"], "fillOpacity": opacity}
    return {"mark": {"type": "point", "filled": False, "strokeWidth": 1.5}, "encoding": {"x": x, "y": y, **of, **fill}}


def curves(x: Spec, y: Spec, of: Spec, **changes: Any) -> Spec:
    """Return a layer with lines between the values of a series."""
    mark = {"type": "line", "strokeWidth": 1.5} | changes
    return {"mark": mark, "encoding": {"x": x, "y": y, "color": of["color"]}}


def spans(along: str, across: Spec, of: Spec) -> Spec:
    """Return a layer with intervals from `low` to `high`, along x or y."""
    other = "y" if along == "x" else "x"
    ends = {along: {"field": "low", "type": "quantitative"}, f"{along}2": {"field": "high"}}
    return {"mark": "rule", "encoding": {**ends, other: across, "color": of["color"]}}


def ends(value: Interval | None, scale: float = 1.0) -> Value:
    """Return an interval as `low` and `high`; unknown ends are at the mean."""
    if value is None:
        return {"low": None, "high": None}
    low, high = (value.mean if end is None else end for end in (value.low, value.high))
    return {"low": low * scale, "high": high * scale}


def dots(values: Sequence[Value], title: str) -> Spec:
    """Return a chart with a row for each configuration; values have the fields that `charts.in_rows` names."""
    names = list(dict.fromkeys(value["row"] for value in values))
    axis = {"labelLimit": _ROW_LABEL, "title": None, "grid": True}
    y = {"field": "row", "type": "nominal", "sort": names, "axis": axis}
    x, of = quantity("value", title, (end for value in values for end in (value["low"], value["high"]))), series(values)
    span = spans("x", y, of)
    span["encoding"]["x"] = x | {"field": "low"}
    return chart(values, [span, points(x, y, of)], **_ROWS, height={"step": 22})


def bars(values: Sequence[Value], title: str) -> Spec:
    """Return a chart with a bar for each `row` and `series`; its length is `value`, a share, which stands beside it."""
    names = list(dict.fromkeys(value["row"] for value in values))
    y: Spec = {"field": "row", "type": "nominal", "sort": names, "axis": {"labelLimit": _ROW_LABEL, "title": None}}
    x = {"field": "value", "type": "quantitative", "title": title, "axis": {"format": "%"}}
    encoding = {"x": x, "y": y, "yOffset": {"field": "series"}}
    text = {"field": "value", "type": "quantitative", "format": ".0%"}
    return chart(
        values,
        [
            {"mark": {"type": "bar"}, "encoding": encoding | {"color": series(values)["color"]}},
            {"mark": {"type": "text", "align": "left", "dx": 3, "fontSize": 10, "fill": "currentColor"}}
            | {"encoding": encoding | {"text": text}},
        ],
        **_ROWS,
        height={"step": 14 if len({value["series"] for value in values}) > 1 else 20},
    )


def parted(values: Sequence[Value]) -> list[list[Value]]:
    """Return values in parts, each with at most as many series as there are colours."""
    names = list(dict.fromkeys(value["series"] for value in values))
    parts = [set(names[start : start + len(COLOURS)]) for start in range(0, len(names), len(COLOURS))]
    return [[value for value in values if value["series"] in part] for part in parts]
