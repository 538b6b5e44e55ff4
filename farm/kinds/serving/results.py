"""The results of a sweep of kind serving: what requests that came in real time waited for, and took in joules."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePath

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from farm.analysis.aggregate import Key, UnitSample
from farm.analysis.samples import unit_samples
from farm.analysis.statistics.data import order
from farm.kinds.serving.live import BURSTS, LATE, Least, least_energy, soonest, summarise
from farm.kinds.serving.loads import HEADINGS, SHOWN, cells, figures_record, in_ms, lasting
from farm.kinds.serving.simulated import Live, Policy
from farm.kinds.serving.sweep import PROCESSES
from farm.kinds.serving.times import WARM_UP, needed
from farm.load.rates import spelt_per_s
from farm.model import Flag, Quality, Requests, Scalar, SweepData, SweepRecord
from farm.report import notes
from farm.report.columns import Columns
from farm.report.grids import Row, grids, named
from farm.report.numbers import UNKNOWN, interval, milliseconds, net, number, percent
from farm.report.results import doubt, trials_record
from farm.report.selection import Selected, Selection, select

COLUMNS = Columns(
    always=("model", "rate_per_s", "policy"),
    context=(
        *("machine", "device", "arrivals", "requests", "preprocess", "precision"),
        *("weights", "images", "channels_last", "threads"),
    ),
)
#: What a load is: no row is a mean over several.
LOAD = ("arrivals", "preprocess", "rate_per_s", "policy")
_SURE = ("ms mean\n(95%)", "ms p99\n(95%)", "ms\nwaited", "served\n/s", "net J/request\n(95%)")


@dataclass(frozen=True, slots=True)
class Results:
    """Loads, each with what came of it."""

    selected: Selected
    lives: Sequence[Live]

    def rendered(self) -> RenderableType:
        """Caption, figures, how sure they are, footnotes, sentences."""
        if not self.lives:
            return Text(self.selected.nothing())
        how = "measured live: requests came in real time, whatever the server did"
        caption = Text("\n".join((*self.selected.caption(), how, "")))
        figures = grids([Row(shown(live), _cells(live)) for live in self.lives], HEADINGS)
        sure = grids([Row(shown(live), _sure(live)) for live in self.lives], _SURE)
        footnotes = [Text(note, style="dim") for note in _footnotes(self.lives)]
        sentences = Table.grid(padding=(0, 1))
        for sentence in self.sentences():
            sentences.add_row("•", sentence)
        return Group(caption, figures, sure, *footnotes, sentences)

    def sentences(self) -> list[str]:
        """Under each load the policy that answers soonest, and the one that takes the least joules."""
        return [sentence for alike in _by_load(self.lives) for sentence in _sentences(alike)]

    def records(self) -> list[dict[str, Scalar]]:
        """For csv, json and parquet."""
        return [_record(live) for live in self.lives]


def results(data: SweepData, selection: Selection) -> Results:
    """Filter and group; raises InputError as `select` does. Different loads are never averaged."""
    chosen = selection.without_targets(data.record.kind)
    return grouped(data.record, unit_samples(data), data.requests, chosen)


def grouped(
    sweep: SweepRecord, found: Sequence[UnitSample], requests: Mapping[str, Sequence[Requests]], selection: Selection
) -> Results:
    """The same, from samples and the requests of each trial."""
    selected = select(sweep, found, selection, COLUMNS)
    apart = tuple(name for name in LOAD if name in selected.averaged)
    if apart:
        selected = select(sweep, found, replace(selection, by=(*selection.by, *apart)), COLUMNS)
    by = [name for name in selected.keys if name not in LOAD] + [name for name in LOAD if name in selected.keys]
    return Results(selected, sorted(summarise(selected.samples, requests, by, selection.include_flagged), key=_place))


def _place(live: Live) -> tuple[tuple[object, ...], ...]:
    """Rates by size, policies by how long they wait, then by the size of their batches."""
    return tuple(_policy_place(value) if name == "policy" else order(value) for name, value in live.work.key)


def _policy_place(value: Scalar) -> tuple[float, int]:
    policy = Policy.parse(str(value))
    return policy.timeout_s, policy.size


def shown(live: Live) -> Key:
    """Its key as people read it: rates with their unit, also that of a trace, which goes by its file's name."""
    return tuple(_shown(name, value, live) for name, value in live.work.key)


def _shown(name: str, value: Scalar, live: Live) -> tuple[str, Scalar]:
    if name == "rate_per_s":
        return "rate", UNKNOWN if live.rate_per_s is None else spelt_per_s(float(f"{live.rate_per_s:.4g}"))
    if name == "arrivals" and value not in PROCESSES:
        return name, f"trace {PurePath(str(value)).name}"
    return name, value


def _cells(live: Live) -> list[str]:
    *rest, net_j = cells(live.figures)
    return [*rest, f"{net_j}{'!' if live.work.is_doubtful else ''}"]


def _sure(live: Live) -> list[str]:
    served_per_s, net_j = number(live.work.units_per_s), net(live.work.net_j)
    if live.figures.is_saturated:
        return [UNKNOWN, UNKNOWN, UNKNOWN, served_per_s, net_j]
    response_s = live.figures.response_s
    waited = milliseconds(live.wait_s.mean if live.wait_s else None)
    return [*(interval(in_ms(response_s.get(name))) for name in ("mean", "p99")), waited, served_per_s, net_j]


def _footnotes(lives: Sequence[Live]) -> list[str]:
    figures = [live.figures for live in lives]
    own = [
        "Response times: from when a request was to come to its answer, requests of all trials together, without the "
        f"first {percent(WARM_UP)} of each window, which begins with an empty queue (of a trace all). Joules: of all.",
        "load: rate over what the warm-up served at best, in full batches back to back.",
        "J: of a request; gross: with the idle between batches, net: above it. Intervals are over trials.",
    ]
    if any(f.is_saturated for f in figures):
        own.append("A load of 1 or more (!) is saturated: the queue grows without bound, and has no response times.")
    elif any(Flag.SATURATED in live.work.flags for live in lives):
        own.append("Some trials found themselves saturated, their rows on the whole are not.")
    weak = [name for name in SHOWN if any(f.response_s and not f.is_claim(name) for f in figures)]
    if weak:
        own.append(f"* fewer requests than a claim needs: {', '.join(f'{name} {needed(name)}' for name in weak)}.")
    late = [live for live in lives if live.is_late]
    if late:
        worst = max(late, key=lambda live: live.late_s or 0.0)
        where = f"{milliseconds(worst.late_s)} ms or more ({named(dict(shown(worst)))})"
        own.append(
            f"Requests came late: one in 100 by {where}, over {percent(LATE)} of the median response. Response times "
            "hold that: they count from when a request was to come."
        )
    if any(live.work.quality is Quality.MODELLED for live in lives):
        own.append(f"No policy is said to take less energy: {BURSTS}.")
    own += notes.spread(value for live in lives for value in (live.work.net_j, live.figures.response_s.get("mean")))
    return [*own, *notes.reservations([live.work for live in lives])]


def _by_load(lives: Iterable[Live]) -> list[list[Live]]:
    """Alike in all but the policy, and in how their joules were obtained."""
    groups: dict[object, list[Live]] = {}
    for live in lives:
        rest = tuple(item for item in live.work.key if item[0] != "policy")
        groups.setdefault((rest, live.work.quality, live.work.simulated), []).append(live)
    return list(groups.values())


def _sentences(lives: Sequence[Live]) -> list[str]:
    who = named({name: value for name, value in shown(lives[0]) if name != "policy"}) or "all"
    is_net = are_net([live for live in lives if live.is_comparable])
    found = []
    fast, cheap = soonest(lives), least_energy(lives, is_net)
    if fast is not None:
        each = (f"{interval(in_ms(value))} ms" for value in (fast.value, fast.next_value))
        found.append(f"{who}: {_policy(fast.best)} answers soonest, on average in {_held(fast, *each)}.")
    if cheap is not None:
        kind = f"J {'net' if is_net else 'gross'} per request"
        own = f"{interval(cheap.value)} {kind}"
        found.append(
            f"{who}: {_policy(cheap.best)} takes the least energy, {_held(cheap, own, interval(cheap.next_value))}."
        )
    saturated = [_policy(live) for live in lives if live.figures.is_saturated and not live.work.is_doubtful]
    if saturated:
        found.append(f"{who}: {', '.join(saturated)} cannot keep up.")
    return found


def are_net(lives: Sequence[Live]) -> bool:
    """Whether net joules may be compared: all of them stand out of their uncertainty."""
    joules = [live.work.net_j for live in lives]
    return all(value is not None and value.mean > 0 and (value.low is None or value.low > 0) for value in joules)


def _policy(live: Live) -> str:
    return str(dict(live.work.key).get("policy", "it"))


def _held(least: Least, own: str, other: str) -> str:
    """A value beside the next, and whether there is anything between them."""
    return f"{own}, {percent(least.share)} less than {_policy(least.next)} ({other}){doubt(least.is_clear)}"


def _record(live: Live) -> dict[str, Scalar]:
    work = live.work
    return {
        **trials_record(work),
        "arrivals_per_s": live.rate_per_s,
        "served_per_s": work.units_per_s,
        **figures_record(live.figures),
        **lasting("wait_s", None if live.figures.is_saturated else live.wait_s),
        "late_p99_s": live.late_s,
        "late": live.is_late,
        "carbon_g_per_request": work.carbon_g,
        "response_times": "live",
    }
