"""Charts of the power that the meters of a trial read, with the windows of the trial marked."""

from collections.abc import Iterator, Sequence

from farm.kinds.points import point
from farm.model import TraceReport, Window, WindowKind
from farm.report.document import Figure
from farm.report.drawing import WIDE, Spec, Value, chart
from farm.studies.paper.material import Traced
from farm.studies.paper.words import QUALITIES, SIMULATED

#: Colour of each kind of window.
COLOURS = {
    WindowKind.IDLE_BEFORE: "#999999",
    WindowKind.SETUP: "#F0E442",
    WindowKind.CONTEXT_IDLE: "#56B4E9",
    WindowKind.WARMUP: "#E69F00",
    WindowKind.TAIL: "#D55E00",
    WindowKind.MEASURE: "#009E73",
    WindowKind.LATENCY: "#CC79A7",
    WindowKind.MARKED: "#0072B2",
    WindowKind.TRAINING: "#009E73",
    WindowKind.VALIDATION: "#CC79A7",
    WindowKind.IDLE_AFTER: "#999999",
}
#: Least time between two readings of a counter from which power is computed; shorter ones show the counter's steps.
COUNTED_S = 0.25
#: Largest number of values of a meter in a chart.
_MOST_VALUES = 600
#: Windows shorter than this share of the trial have no room for their name.
_NAMED = 0.045
#: Height of the chart as a multiple of the highest power, which leaves room for the names of windows.
_ROOM = 1.4


def figures(traced: Traced) -> list[Figure]:
    """Return a chart for each meter of a trial whose readings give power."""
    return [figure for trace in traced.traces if (figure := _figure(traced, trace)) is not None]


def power(trace: TraceReport) -> list[tuple[float, float]]:
    """Return seconds from the first reading, and watts; for a counter, the mean power since the reading before."""
    read = [(s, w) for s, w in zip(trace.offset_s, trace.power_w, strict=True) if w is not None]
    return read or list(_power_of_counter(trace))


def _power_of_counter(trace: TraceReport) -> Iterator[tuple[float, float]]:
    known = [(s, j) for s, j in zip(trace.offset_s, trace.energy_j, strict=True) if j is not None]
    last, is_first = known[0] if known else (0.0, 0.0), True
    for at_s, energy_j in known[1:]:
        passed_s = at_s - last[0]
        if passed_s >= COUNTED_S:
            watts = (energy_j - last[1]) / passed_s
            if is_first:
                yield last[0], watts
            yield at_s, watts
            last, is_first = (at_s, energy_j), False


def thin_out(values: Sequence[tuple[float, float]], most: int = _MOST_VALUES) -> list[tuple[float, float]]:
    """Return the least and the greatest value of each stretch, so that no peak is lost."""
    if len(values) <= most:
        return list(values)
    length = -(-2 * len(values) // most)
    stretches = [values[start : start + length] for start in range(0, len(values), length)]
    ends = ((min(s, key=lambda v: v[1]), max(s, key=lambda v: v[1])) for s in stretches)
    return [value for pair in ends for value in dict.fromkeys(sorted(pair))]


def _figure(traced: Traced, trace: TraceReport) -> Figure | None:
    seen = thin_out(power(trace))
    if not seen:
        return None
    watts: list[Value] = [{"s": s, "w": w} for s, w in seen]
    spans = _spans(traced.windows, trace, max(s for s, _ in seen))
    trial = traced.trial
    is_counted = all(w is None for w in trace.power_w)
    how = "mean power between its readings" if is_counted else "a line through its readings"
    caption = f"{point(trial.factors)}, repetition {trial.repetition + 1}, on {trial.machine}. Meter {trace.source}: "
    caption += f"{QUALITIES[trace.quality]}; {how}. Windows are shaded.{f' {SIMULATED}' if trial.simulated else ''}"
    name = f"{trace.domain.upper()} power during trial {trial.trial}, {trace.source}"
    return Figure(name, caption, _spec(watts, spans, "step-before" if is_counted else "linear"), is_wide=True)


def _spans(windows: Sequence[Window], trace: TraceReport, end_s: float) -> list[Value]:
    found = []
    for window in windows:
        begin, end = ((at - trace.t0_ns) / 1e9 for at in (window.begin_at_ns, window.end_at_ns))
        has_room = end - begin >= _NAMED * end_s
        name = window.kind.replace("_", " ")
        found.append({"begin": begin, "end": end, "kind": name, "name": name if has_room else ""})
    return found


def _spec(watts: Sequence[Value], spans: Sequence[Value], interpolate: str) -> Spec:
    kinds = list(dict.fromkeys(span["kind"] for span in spans))
    colours = [COLOURS[WindowKind(kind.replace(" ", "_"))] for kind in kinds]
    x: Spec = {"type": "quantitative", "title": "seconds", "scale": {"nice": False}, "axis": {"grid": False}}
    color = {"field": "kind", "type": "nominal", "scale": {"domain": kinds, "range": colours}}
    shade = {
        "data": {"values": list(spans)},
        "mark": {"type": "rect", "opacity": 0.3},
        "encoding": {
            "x": x | {"field": "begin"},
            "x2": {"field": "end"},
            "color": color | {"legend": {"columns": 5, "title": "windows"}},
        },
    }
    names = {
        "data": {"values": [span | {"middle": (span["begin"] + span["end"]) / 2} for span in spans if span["name"]]},
        "mark": {"type": "text", "angle": 270, "align": "right", "fontSize": 10, "fill": "currentColor"},
        "encoding": {"x": x | {"field": "middle"}, "y": {"value": 4}, "text": {"field": "name"}},
    }
    room = {"zero": True, "domainMax": max(value["w"] for value in watts) * _ROOM}
    line = {
        "mark": {"type": "line", "strokeWidth": 1.3, "color": "currentColor", "interpolate": interpolate},
        "encoding": {"x": x | {"field": "s"}, "y": {"field": "w", "type": "quantitative", "title": "W", "scale": room}},
    }
    return chart(watts, [shade, line, names], width=WIDE, height=200)
