"""`farm response --live`: simulated response times and joules compared with live ones for each load."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from farm.analysis.aggregate import UnitSample
from farm.analysis.rules import may_rank_energy
from farm.analysis.samples import idle_w, unit_samples
from farm.kinds.serving import columns
from farm.kinds.serving.figures import needed
from farm.kinds.serving.live import results as live
from farm.kinds.serving.live.trials import Live, spelt_key
from farm.kinds.serving.simulated.agreement import COMPARED, Agreement, Pair, agreements
from farm.kinds.serving.simulated.assess import REQUESTS, assess
from farm.kinds.serving.simulated.batches import MeasuredServices, measured_services
from farm.kinds.serving.simulated.service import Service, net_per_unit
from farm.load.arrivals import PROCESSES, Arrivals, Recorded
from farm.load.policy import Policy
from farm.model import WARM_UP, Requests, SweepData
from farm.model.errors import InputError
from farm.report import notes as energy_notes
from farm.report.document import Block, Column, Document, Form, Record, Row, Table, findings, key, notes, paragraphs
from farm.report.layout import named
from farm.report.numbers import number, percent
from farm.report.selection import Labels, Selection

#: Labels that a live trial must share with the batches that simulate it.
ALIKE = ("model", "machine", "device", "precision", "weights", "channels_last", "threads", "simulated")
_TIMES = (
    Column("simulated_response_mean_s", "ms mean\nsim.", scale=1e3),
    Column("live_response_mean_s", "\nlive", Form.INTERVAL, 1e3),
    Column("ratio_response_mean", "\nratio"),
    Column("simulated_response_p99_s", "ms p99\nsim.", scale=1e3),
    Column("live_response_p99_s", "\nlive", scale=1e3),
    Column("ratio_response_p99", "\nratio"),
    Column("simulated_mean_batch", "batch\nsim.", Form.COUNT),
    Column("live_mean_batch", "\nlive", Form.COUNT),
)
_JOULES = (
    Column("simulated_gross_j_per_request", "J gross\nsim.", Form.NET_MEAN),
    Column("live_gross_j_per_request", "\nlive", Form.NET_MEAN),
    Column("ratio_gross_j_per_request", "\nratio"),
    Column("simulated_net_j_per_request", "J net\nsim.", Form.NET_MEAN),
    Column("live_net_j_per_request", "\nlive", Form.NET_MEAN),
    Column("ratio_net_j_per_request", "\nratio"),
)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Loads of a live sweep, with a simulation of each if batches for it were measured."""

    served: MeasuredServices
    live: live.Results
    pairs: Sequence[Pair]
    without: Sequence[Live]  #: loads for which no batches were measured


def compare_with_live(
    data: SweepData, lived: SweepData, selection: Selection, requests: int = REQUESTS, seed: int = 1
) -> Comparison:
    """Simulate each load of the live sweep `lived` over the batches of another sweep.

    Raises:
        InputError: a sweep is of another kind, or has measured nothing that can be shown.
    """
    record, times = lived.record, lived.requests
    if record.kind != "serving":
        raise InputError(f"--live: {record.name}: of kind {record.kind}: expected a sweep of kind serving")
    batches, idle = measured_services(data, selection), idle_w(lived)
    found = [replace(one, net_j=net_per_unit(one, idle)) for one in unit_samples(lived)]
    shown = live.grouped(record, found, times, selection)
    if not shown.lives:
        raise InputError(shown.selected.nothing().replace("\n", ": "))
    paired = [(one, _service(batches, shown, one)) for one in shown.lives]
    pairs = [
        Pair(one, assess(service, arrivals, _policy(one), requests, seed), _are_alike(service, one))
        for one, service in paired
        if service is not None and (arrivals := _arrivals(_labels(shown, one), shown.selected.samples, times))
    ]
    done = {id(pair.live) for pair in pairs}
    return Comparison(batches, shown, pairs, [one for one in shown.lives if id(one) not in done])


def _labels(shown: live.Results, one: Live) -> Labels:
    return {**shown.selected.shared, **one.work.labels, "simulated": one.work.simulated}


def _service(batches: MeasuredServices, shown: live.Results, one: Live) -> Service | None:
    """Return the batches of the same network in the same place; None if there are none, or none large enough."""
    wanted = _labels(shown, one)
    for service in batches.services:
        own = {**batches.selected.shared, **service.labels, "simulated": service.simulated}
        is_same = all(own.get(name) == wanted.get(name) for name in ALIKE) and not own.get("compile")
        if is_same and _policy(one).size <= service.largest:
            return service
    return None


def _are_alike(service: Service, one: Live) -> bool:
    """Return True if joules may be compared: obtained in the same way, and not modelled."""
    return service.quality is one.work.quality and may_rank_energy(service.quality)


def _policy(one: Live) -> Policy:
    return Policy.parse(str(one.work.labels["policy"]))


def _arrivals(
    wanted: Labels, found: Sequence[UnitSample], requests: Mapping[str, Sequence[Requests]]
) -> Arrivals | None:
    """Return the arrival process of a load; for a trace, the recorded arrivals. None: the trace is too short."""
    rate_per_s, process = wanted.get("rate_per_s"), str(wanted.get("arrivals"))
    if isinstance(rate_per_s, int | float):
        return PROCESSES[process](rate_per_s)
    alike = (s for s in found if all(s.labels.get(name) == wanted.get(name) for name in live.LOAD))
    stamps_s = next((own[0].arrival_s for s in alike if (own := requests.get(str(s.labels["trial"])))), ())
    return Recorded(process, stamps_s) if len(set(stamps_s)) > 1 else None


def document(found: Comparison) -> Document:
    """Return times and joules of each load, simulated and live, and how far the two differ."""
    captions = [*found.served.selected.caption(), "beside live requests:", *found.live.selected.caption()]
    return Document(
        [
            *paragraphs(captions),
            *(_tables(found.pairs) if found.pairs else []),
            *notes(_notes(found)),
            *findings(sentences(found)),
        ],
        rows=[_record(pair) for pair in found.pairs],
        record={
            "agreement": [_agreement_record(agreement) for agreement in agreements(found.pairs)],
            "loads": [_record(pair) for pair in found.pairs],
            "without_batches": [dict(one.work.key) for one in found.without],
        },
    )


def _tables(pairs: Sequence[Pair]) -> list[Block]:
    keys, rows = [key(name) for name in spelt_key(pairs[0].live)], [_row(pair) for pair in pairs]
    return [Table([*keys, *_TIMES], rows), Table([*keys, *_JOULES], rows)]


def _row(pair: Pair) -> Row:
    doubtful = {"live_response_mean_s": "!"} if pair.live.work.is_doubtful else {}
    sides = {"simulated": pair.simulated, "live": pair.live.figures}
    values = {f"{side}_{name}": value for side, own in sides.items() for name, value in columns.values(own).items()}
    times = {} if pair.live.figures.is_saturated else pair.live.figures.response_s
    marks = {f"{side}_{name}": mark for side, own in sides.items() for name, mark in columns.marks(own).items()}
    return Row(
        {**spelt_key(pair.live), **values, "live_response_mean_s": times.get("mean")} | _ratios(pair), marks | doubtful
    )


def _ratios(pair: Pair) -> dict[str, float | None]:
    return {f"ratio_{name}": pair.ratio(name) for name in COMPARED}


def _notes(found: Comparison) -> list[str]:
    pairs, shared = found.pairs, found.live.selected.shared
    figures = [figures for pair in pairs for figures in (pair.simulated, pair.live.figures)]
    own = [
        "sim.: simulated over batches that were not measured under load; ratio: simulated divided by live.",
        f"Times leave out the first {percent(WARM_UP)} of the simulated requests, and of the live ones in each window.",
        "J: joules of a request; net: above the idle power of the loaded network.",
    ]
    if any(f.is_saturated for f in figures):
        own.append("A dash stands for a saturated load, whose queue grows without bound.")
    if any(f.response_s and not f.is_claim("p99") for f in figures):
        own.append(f"* rests on fewer measured batches, or requests, than a claim needs: p99 {needed('p99')}.")
    if any(pair.live.work.labels.get("preprocess") for pair in pairs) or shared.get("preprocess"):
        own.append("preprocess: live images were decoded and resized while being served; simulated ones were ready.")
    if any(pair.ratio(name) is None for pair in pairs for name in COMPARED if name.endswith("per_request")):
        own.append("Joules that are unknown, within their noise, or of different quality have no ratio.")
    if any(pair.live.is_late for pair in pairs):
        own.append("Some live requests came late: `farm results` of that sweep names them.")
    own += energy_notes.spread(pair.live.figures.response_s.get("mean") for pair in pairs)
    return [*own, *energy_notes.reservations([one.work for one in found.live.lives])]


def sentences(found: Comparison) -> list[str]:
    """Return how far simulated and live figures differ, and which loads could not be compared."""
    compared = [_sentence(agreement) for agreement in agreements(found.pairs)]
    if found.without:
        loads = "; ".join(named(spelt_key(one)) for one in found.without)
        title = found.served.selected.title
        compared.append(f"Not simulated, because {title} has no such batches from the same machine: {loads}.")
    return compared


def _sentence(agreement: Agreement) -> str:
    loads = agreement.loads
    sure = (
        "" if agreement.held is None else f"; {agreement.held} of {loads} live intervals include the simulated figure"
    )
    if loads == 1:
        return f"{agreement.what}: simulated and live differ by {_percent(agreement.worst)}{sure}."
    apart = f"{_percent(agreement.median)} (median of {loads} loads)"
    worst = f"{_percent(agreement.worst)} ({named(spelt_key(agreement.worst_pair.live))})"
    return f"{agreement.what}: simulated and live differ by {apart}, at most by {worst}{sure}."


def _percent(share: float) -> str:
    return f"{number(share * 100, 2)}%"


def _agreement_record(agreement: Agreement) -> Record:
    return {
        "what": agreement.what,
        "loads": agreement.loads,
        "median_off": agreement.median,
        "worst_off": agreement.worst,
        "worst": dict(agreement.worst_pair.live.work.key),
        "live_intervals_that_hold": agreement.held,
    }


def _record(pair: Pair) -> Record:
    sides = {"simulated": columns.record(pair.simulated), "live": columns.record(pair.live.figures)}
    return {
        **pair.live.work.labels,
        "trials": pair.live.work.trials,
        "quality": pair.live.work.quality.value if pair.live.work.quality else None,
        **_ratios(pair),
        **{f"{side}_{name}": value for side, record in sides.items() for name, value in record.items()},
    }
