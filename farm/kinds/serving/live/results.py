"""The results of a sweep of kind serving: response times and joules of requests that arrived in real time."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from farm.analysis.aggregate import UnitSample
from farm.analysis.rules import may_rank_energy
from farm.analysis.samples import unit_samples
from farm.analysis.statistics.data import order
from farm.kinds.serving import columns
from farm.kinds.serving.columns import in_ms
from farm.kinds.serving.live import charts
from farm.kinds.serving.live.trials import (
    LATE,
    Least,
    Live,
    are_net,
    least_energy,
    soonest,
    spelt_key,
    summarise,
)
from farm.load.policy import Policy
from farm.model import WARM_UP, Flag, Requests, Scalar, SweepData, SweepRecord
from farm.report import notes as energy_notes
from farm.report.columns import Columns
from farm.report.document import Column, Document, Form, Record, Row, Table, findings, key, notes, paragraphs
from farm.report.layout import named
from farm.report.numbers import milliseconds, percent, positive
from farm.report.selection import Selected, Selection, select
from farm.report.summaries import carbon_source, trials_record

COLUMNS = Columns(
    always=("model", "rate_per_s", "policy"),
    context=(
        *("machine", "device", "arrivals", "requests", "preprocess", "precision"),
        *("weights", "images", "channels_last", "threads"),
    ),
)
#: Factors of a load; different loads are never averaged.
LOAD = ("arrivals", "preprocess", "rate_per_s", "policy")
#: Columns of the second table, most of which have intervals.
_SURE = (
    Column("response_mean_s", "ms mean\n(95%)", Form.POSITIVE, 1e3),
    Column("response_p99_s", "ms p99\n(95%)", Form.POSITIVE, 1e3),
    Column("wait_s", "ms\nwaited", scale=1e3),
    Column("served_per_s", "served\n/s"),
    Column("net_j_per_request", "net J/request\n(95%)", Form.NET),
)


@dataclass(frozen=True, slots=True)
class Results:
    """Figures of each load of a sweep."""

    selected: Selected
    lives: Sequence[Live]


def results(data: SweepData, selection: Selection) -> Results:
    """Filter and group the trials of a sweep; different loads are never averaged.

    Raises:
        InputError: the selection does not fit the sweep.
    """
    chosen = selection.without_targets(data.record.kind)
    return grouped(data.record, unit_samples(data), data.requests, chosen)


def grouped(
    sweep: SweepRecord, found: Sequence[UnitSample], requests: Mapping[str, Sequence[Requests]], selection: Selection
) -> Results:
    """Filter and group samples; `requests` has the windows of each trial."""
    selected = select(sweep, found, selection, COLUMNS)
    apart = tuple(name for name in LOAD if name in selected.averaged)
    if apart:
        selected = select(sweep, found, replace(selection, by=(*selection.by, *apart)), COLUMNS)
    by = [name for name in selected.keys if name not in LOAD] + [name for name in LOAD if name in selected.keys]
    return Results(selected, sorted(summarise(selected.samples, requests, by, selection.include_flagged), key=_place))


def _place(live: Live) -> tuple[tuple[object, ...], ...]:
    """Return a sort key: rates by size, policies by time-out and then by batch size."""
    return tuple(_policy_place(value) if name == "policy" else order(value) for name, value in live.work.key)


def _policy_place(value: Scalar) -> tuple[float, int]:
    policy = Policy.parse(str(value))
    return policy.timeout_s, policy.size


def document(found: Results) -> Document:
    """Return figures, intervals, notes, charts, and the best policies under each load."""
    lives = found.lives
    if not lives:
        return found.selected.unmeasured()
    how = "measured live: requests arrived in real time, whatever the server did"
    keys = [key(name) for name in spelt_key(lives[0])]
    return found.selected.with_context(
        Document(
            [
                *paragraphs([*found.selected.caption(), how]),
                Table([*keys, *columns.COLUMNS], [_row(live) for live in lives]),
                Table([*keys, *_SURE], [_sure(live) for live in lives]),
                *notes(_notes(lives)),
                *charts.figures(lives, found.selected),
                *findings(sentences(lives)),
            ],
            rows=[_record(live) for live in lives],
        )
    )


def _row(live: Live) -> Row:
    doubtful = {"net_j_per_request": "!"} if live.work.is_doubtful else {}
    return Row({**spelt_key(live), **columns.values(live.figures)}, columns.marks(live.figures) | doubtful)


def _sure(live: Live) -> Row:
    times = {} if live.figures.is_saturated else live.figures.response_s
    known = {columns.time_name(name): value for name, value in times.items()}
    wait_s = None if live.figures.is_saturated else live.wait_s
    rest = {"wait_s": wait_s, "served_per_s": live.work.units_per_s, "net_j_per_request": live.work.net_j}
    return Row({**spelt_key(live), **known, **rest})


def _notes(lives: Sequence[Live]) -> list[str]:
    figures = [live.figures for live in lives]
    own = [
        "Response times count from the moment when a request was due until its answer. They cover the requests of all "
        f"trials, without the first {percent(WARM_UP)} of each window, because each window begins with an empty queue; "
        "all requests of a trace count. Joules cover all requests.",
        "load: the rate divided by the rate at which the warm-up served full batches back to back.",
        "J: joules of a request; gross includes the idle power between batches, net does not. Intervals: over trials.",
    ]
    if any(f.is_saturated for f in figures):
        own.append("! load: at 1 or more the queue grows without bound, so there are no response times.")
    elif any(Flag.SATURATED in live.work.flags for live in lives):
        own.append("Some trials were saturated, although the rows that include them are not.")
    if weak := columns.unclaimed(figures, columns.SHOWN):
        own.append(f"* rests on fewer requests than a claim needs: {weak}.")
    if late := [live for live in lives if live.is_late]:
        worst = max(late, key=lambda live: live.late_s or 0.0)
        own.append(
            f"Requests came late: one in 100 by {milliseconds(worst.late_s)} ms or more ({named(spelt_key(worst))}), "
            f"which is over {percent(LATE)} of the median response time. Response times include this delay, because "
            "they count from the moment when a request was due."
        )
    if not all(may_rank_energy(live.work.quality) for live in lives):
        own.append(energy_notes.SECONDS_DECIDE)
    own += energy_notes.spread(
        value for live in lives for value in (live.work.net_j, live.figures.response_s.get("mean"))
    )
    own += energy_notes.wide(live.work.net_j for live in lives)
    return [*own, *energy_notes.reservations([live.work for live in lives])]


def sentences(lives: Sequence[Live]) -> list[str]:
    """Return for each load the policy that answers soonest, and the one that takes the least energy."""
    return [sentence for alike in by_load(lives) for sentence in _sentences(alike)]


def by_load(lives: Iterable[Live]) -> list[list[Live]]:
    """Group loads that differ only in the policy, and whose joules were obtained in the same way."""
    groups: dict[object, list[Live]] = {}
    for live in lives:
        rest = tuple(item for item in live.work.key if item[0] != "policy")
        groups.setdefault((rest, live.work.quality, live.work.simulated), []).append(live)
    return list(groups.values())


def _sentences(lives: Sequence[Live]) -> list[str]:
    who = named({name: value for name, value in spelt_key(lives[0]).items() if name != "policy"}) or "all"
    is_net = are_net([live for live in lives if live.is_comparable])
    found = []
    fast, cheap = soonest(lives), least_energy(lives, is_net)
    if fast is not None:
        each = (f"{positive(in_ms(value))} ms" for value in (fast.value, fast.next_value))
        found.append(f"{who}: {policy(fast.best)} answers soonest, on average in {_compare(fast, *each)}.")
    if cheap is not None:
        own = f"{positive(cheap.value)} J {'net' if is_net else 'gross'} per request"
        found.append(
            f"{who}: {policy(cheap.best)} takes the least energy, {_compare(cheap, own, positive(cheap.next_value))}."
        )
    saturated = [policy(live) for live in lives if live.figures.is_saturated and not live.work.is_doubtful]
    if saturated:
        found.append(f"{who}: {', '.join(saturated)} cannot keep up.")
    return found


def policy(live: Live) -> str:
    """Return the policy of a group."""
    return str(dict(live.work.key).get("policy", "it"))


def _compare(least: Least, own: str, other: str) -> str:
    """Return a value with that of the next policy, and whether the two surely differ."""
    return f"{own}, {energy_notes.less(least.lead, policy(least.next))} ({other}){energy_notes.doubt(least.is_clear)}"


_WAIT = Column("wait_s", form=Form.INTERVAL)


def _record(live: Live) -> Record:
    work = live.work
    return {
        **trials_record(work),
        "arrivals_per_s": live.rate_per_s,
        "served_per_s": work.units_per_s,
        **columns.record(live.figures),
        **dict(_WAIT.records(None if live.figures.is_saturated else columns.duration(live.wait_s))),
        "late_p99_s": live.late_s,
        "late": live.is_late,
        "carbon_g_per_request": work.carbon_g,
        "carbon_source": carbon_source(work),
        "response_times": "live",
    }
