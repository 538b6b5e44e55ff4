"""Simulated response times beside live ones, load by load: for `farm response --live`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from farm.analysis.aggregate import Sample
from farm.analysis.samples import samples
from farm.errors import InputError
from farm.kinds.serving.columns import figures_record, in_ms, joules, time_cell
from farm.kinds.serving.figures import WARM_UP, needed
from farm.kinds.serving.live import results as live
from farm.kinds.serving.live.trials import Live
from farm.kinds.serving.simulated.agreement import Agreement, Pair, agreements
from farm.kinds.serving.simulated.assess import REQUESTS, assess
from farm.kinds.serving.simulated.batches import Served, idle_w, served
from farm.kinds.serving.simulated.service import Service, net_per_unit
from farm.load.arrivals import PROCESSES, Arrivals, Recorded
from farm.load.policy import Policy
from farm.model import Quality, Requests, Scalar, SweepRecord, WindowKind
from farm.report import notes
from farm.report.grids import Row, grids, named
from farm.report.numbers import UNKNOWN, count, interval, number, percent
from farm.report.selection import Labels, Selection
from farm.store import Store

#: What a live trial must share with the batches that stand for it.
ALIKE = ("model", "machine", "device", "precision", "weights", "channels_last", "threads", "simulated")
_TIMES = ("ms mean\nsim.", "\nlive", "\nratio", "ms p99\nsim.", "\nlive", "\nratio", "batch\nsim.", "\nlive")
_JOULES = ("J gross\nsim.", "\nlive", "\nratio", "J net\nsim.", "\nlive", "\nratio")


@dataclass(frozen=True, slots=True)
class Beside:
    """Every load of a live sweep that the measured batches can simulate, and those that they cannot."""

    served: Served
    live: live.Results
    pairs: Sequence[Pair]
    without: Sequence[Live]  #: nobody timed batches for them

    def rendered(self) -> RenderableType:
        """Caption, times, joules, footnotes, sentences."""
        captions = [*self.served.selected.caption(), "beside live requests:", *self.live.selected.caption()]
        parts: list[RenderableType] = [Text("\n".join((*captions, "")))]
        if self.pairs:
            parts.append(grids([Row(live.shown(pair.live), _times(pair)) for pair in self.pairs], _TIMES))
            parts.append(grids([Row(live.shown(pair.live), _joules(pair)) for pair in self.pairs], _JOULES))
        sentences = Table.grid(padding=(0, 1))
        for sentence in self.sentences():
            sentences.add_row("•", sentence)
        return Group(*parts, *(Text(note, style="dim") for note in self._footnotes()), sentences)

    def sentences(self) -> list[str]:
        """How far the two are apart, and what could not be compared."""
        found = [_sentence(agreement) for agreement in agreements(self.pairs)]
        if self.without:
            those = "; ".join(named(dict(live.shown(one))) for one in self.without)
            title = self.served.selected.title
            found.append(f"Not simulated, since {title} timed no such batches on the same machine: {those}.")
        return found

    def _footnotes(self) -> list[str]:
        figures = [figures for pair in self.pairs for figures in (pair.simulated, pair.live.figures)]
        own = [
            "sim.: simulated over measured batches, none of them under load; ratio: simulated over live.",
            f"Times without the first {percent(WARM_UP)} of the requests, live of each window.",
            "J: of a request; net: above the idle of the loaded network.",
        ]
        if any(f.is_saturated for f in figures):
            own.append("– where one of the two is saturated: its queue grows without bound.")
        if any(f.response_s and not f.is_claim("p99") for f in figures):
            own.append(f"* fewer measured batches, or requests, than a claim needs: p99 {needed('p99')}.")
        if any(pair.live.work.labels.get("preprocess") for pair in self.pairs) or self.live.selected.shared.get(
            "preprocess"
        ):
            own.append(
                "preprocess: live images were decoded and resized while they were served, batches had them ready."
            )
        if any(pair.ratio(what) is None for pair in self.pairs for what in ("gross J", "net J")):
            own.append("Joules that are unknown, within their noise, or of different quality have no ratio.")
        if any(pair.live.is_late for pair in self.pairs):
            own.append("Some live requests came late: `farm results` of that sweep tells which.")
        own += notes.spread(pair.live.figures.response_s.get("mean") for pair in self.pairs)
        return [*own, *notes.reservations([one.work for one in self.live.lives])]

    def record(self) -> dict[str, Any]:
        """All of it, for scripts."""
        return {
            "agreement": [_agreement_record(agreement) for agreement in agreements(self.pairs)],
            "loads": self.records(),
            "without_batches": [dict(one.work.key) for one in self.without],
        }

    def records(self) -> list[dict[str, Scalar]]:
        """A row a load, for csv and parquet."""
        return [_record(pair) for pair in self.pairs]


def beside(
    store: Store,
    sweep: SweepRecord,
    lived: SweepRecord,
    selection: Selection,
    requests: int = REQUESTS,
    seed: int = 1,
) -> Beside:
    """Simulate each load of a live sweep over the batches of another sweep; raises InputError where there are none."""
    if lived.kind != "serving":
        raise InputError(f"--live: {lived.name}: of kind {lived.kind}: expected a sweep of kind serving")
    batches = served(store, sweep, selection)
    trials = list(store.trial_rows(lived.id))
    rows = list(store.measurement_rows(lived.id, kinds=[WindowKind.MEASURE]))
    idle = idle_w(trials, rows, selection.domain)
    found = [replace(one, net_j=net_per_unit(one, idle)) for one in samples(trials, rows, selection.domain)]
    times = store.requests(lived.id)
    shown = live.grouped(lived, found, times, selection)
    if not shown.lives:
        raise InputError(shown.selected.nothing().replace("\n", ": "))
    paired = [(one, _service(batches, shown, one)) for one in shown.lives]
    pairs = [
        Pair(one, assess(service, arrivals, _policy(one), requests, seed), _are_alike(service, one))
        for one, service in paired
        if service is not None and (arrivals := _arrivals(_labels(shown, one), shown.selected.samples, times))
    ]
    done = {id(pair.live) for pair in pairs}
    return Beside(batches, shown, pairs, [one for one in shown.lives if id(one) not in done])


def _labels(shown: live.Results, one: Live) -> Labels:
    return {**shown.selected.shared, **one.work.labels, "simulated": one.work.simulated}


def _service(batches: Served, shown: live.Results, one: Live) -> Service | None:
    """The batches of the same network in the same place; None where there are none, or none as large."""
    wanted = _labels(shown, one)
    for service in batches.services:
        own = {**batches.selected.shared, **service.labels, "simulated": service.simulated}
        is_same = all(own.get(name) == wanted.get(name) for name in ALIKE) and not own.get("compile")
        if is_same and _policy(one).size <= service.largest:
            return service
    return None


def _are_alike(service: Service, one: Live) -> bool:
    """Whether their joules may be compared: obtained in the same way, and not modelled (see `BURSTS`)."""
    return service.quality is one.work.quality is not Quality.MODELLED


def _policy(one: Live) -> Policy:
    return Policy.parse(str(one.work.labels["policy"]))


def _arrivals(wanted: Labels, found: Sequence[Sample], requests: Mapping[str, Sequence[Requests]]) -> Arrivals | None:
    """The process of a load; of a trace what came of it. None where a trace is too short to have a rate."""
    rate_per_s, process = wanted.get("rate_per_s"), str(wanted.get("arrivals"))
    if isinstance(rate_per_s, int | float):
        return PROCESSES[process](rate_per_s)
    alike = (s for s in found if all(s.labels.get(name) == wanted.get(name) for name in live.LOAD))
    stamps_s = next((own[0].arrival_s for s in alike if (own := requests.get(str(s.labels["trial"])))), ())
    return Recorded(process, stamps_s) if len(set(stamps_s)) > 1 else None


def _times(pair: Pair) -> list[str]:
    response_s, figures = pair.live.figures.response_s, pair.live.figures
    mean = UNKNOWN if figures.is_saturated else interval(in_ms(response_s.get("mean")))
    return [
        time_cell(pair.simulated, "mean"),
        f"{mean}{'!' if pair.live.work.is_doubtful else ''}",
        _ratio(pair, "mean response"),
        time_cell(pair.simulated, "p99"),
        time_cell(figures, "p99"),
        _ratio(pair, "p99 response"),
        count(pair.simulated.mean_batch),
        count(figures.mean_batch),
    ]


def _joules(pair: Pair) -> list[str]:
    simulated, lived = pair.simulated, pair.live.figures
    return [
        *(joules(simulated.gross_j), joules(lived.gross_j), _ratio(pair, "gross J")),
        *(joules(simulated.net_j), joules(lived.net_j), _ratio(pair, "net J")),
    ]


def _ratio(pair: Pair, what: str) -> str:
    return number(pair.ratio(what))


def _sentence(agreement: Agreement) -> str:
    loads = agreement.loads
    sure = "" if agreement.held is None else f"; {agreement.held} of {loads} live intervals hold the simulated figure"
    if loads == 1:
        return f"{agreement.what}: simulated and live differ by {_percent(agreement.worst)}{sure}."
    apart = f"{_percent(agreement.median)} (median of {loads} loads)"
    worst = f"{_percent(agreement.worst)} ({named(dict(live.shown(agreement.worst_pair.live)))})"
    return f"{agreement.what}: simulated and live differ by {apart}, at most by {worst}{sure}."


def _percent(share: float) -> str:
    return f"{number(share * 100, 2)}%"


def _agreement_record(agreement: Agreement) -> dict[str, Any]:
    return {
        "what": agreement.what,
        "loads": agreement.loads,
        "median_off": agreement.median,
        "worst_off": agreement.worst,
        "worst": dict(agreement.worst_pair.live.work.key),
        "live_intervals_that_hold": agreement.held,
    }


def _record(pair: Pair) -> dict[str, Scalar]:
    each = {"simulated": figures_record(pair.simulated), "live": figures_record(pair.live.figures)}
    figures = {f"{side}_{name}": value for side, record in each.items() for name, value in record.items()}
    return {
        **pair.live.work.labels,
        "trials": pair.live.work.trials,
        "quality": pair.live.work.quality.value if pair.live.work.quality else None,
        "ratio_response_mean": pair.ratio("mean response"),
        "ratio_response_p99": pair.ratio("p99 response"),
        "ratio_service": pair.ratio("service time"),
        "ratio_gross_j_per_request": pair.ratio("gross J"),
        "ratio_net_j_per_request": pair.ratio("net J"),
        **figures,
    }
