"""What a report says in sentences of its own."""

from collections import Counter
from collections.abc import Mapping, Sequence, Set

from farm.analysis.aggregate import Summary
from farm.kinds.layers import results as layers
from farm.kinds.layers.costs import LayersSummary
from farm.kinds.training import results as training
from farm.kinds.training.runs import TrainingSummary
from farm.model import Baseline, Domain, Flag, JobState, MeasureSettings, Quality, StoppingRule
from farm.report import tables
from farm.report.numbers import count, label, net, percent, percent_interval, several
from farm.report.paper import charts
from farm.report.paper.material import Material, Studied
from farm.report.paper.material import count as jobs

MODELLED = "Modelled joules are estimates from load and rated power; they say nothing of the hardware."
SIMULATED = "Simulated hardware: these are no real joules."
IMPORTED = "Imported: measured elsewhere, by means that this farm does not know."
METHOD = (
    "A trial is a fresh process. It is metered while the machine idles, while the loaded network waits, while it works "
    "and while the machine idles again. Gross energy is all joules of a window; the baseline is the idle power of the "
    "same machine beside the trial; net = gross - baseline power x duration."
)
UNCERTAINTY = (
    "The unit of replication is the trial, not the window or the batch. Intervals are 95 %, over trials: the wider of "
    "Student's t and a BCa bootstrap, with the meters' own uncertainty. A trial that something disturbed is flagged, "
    "and left out wherever others measured the same; what is unknown is a dash, never 0."
)
BASELINES: Mapping[Baseline, str] = {
    Baseline.BARE: "bare: net energy subtracts the power of the idle machine, with no trial process alive",
    Baseline.CONTEXT: "context: net energy subtracts the idle power with the network loaded",
}
QUALITIES: Mapping[Quality, str] = {
    Quality.COUNTER: "counted by the hardware",
    Quality.SAMPLED: "integrated from power readings",
    Quality.MODELLED: "MODELLED: an estimate",
}
FLAGS: Mapping[Flag, str] = {
    Flag.ALIAS_RISK: "batches may run in step with the power sensor",
    Flag.BASELINE_DRIFT: "the idle before and after differ",
    Flag.BELOW_NOISE: "the net energy is within its uncertainty: a bound, not a value",
    Flag.CONTAMINATED: "other programs ran",
    Flag.COUNTER_RESET: "the energy counter went backwards",
    Flag.COUNTER_UNTRUSTED: "the counter was found wrong, or stood still: power was integrated instead",
    Flag.METER_LOST: "a meter was lost",
    Flag.NO_STEADY_STATE: "the warm-up never settled",
    Flag.POWER_CAPPED: "the board ran at its power limit",
    Flag.RESUMED: "it went on from a checkpoint: the joules before the cut are in no window",
    Flag.SATURATED: "requests came faster than they can be served: the queue grew without bound",
    Flag.THROTTLED: "the clock was lowered: heat, power brake or hardware",
    Flag.TOO_SHORT: "a window was too short for the meter's update period",
}


def title(material: Material) -> str:
    """Of the report."""
    return ", ".join(dict.fromkeys(study.record.name for study in material.studies))


def status(study: Studied) -> str:
    """How much was measured, where."""
    places = Counter(f"{t.machine} ({t.hardware_class})" for t in study.trials if t.machine and t.failure is None)
    where = f" on {', '.join(places)}" if places else ""
    done = f"{jobs(study, JobState.DONE)} of {several(study.progress.total, 'job')} measured{where}"
    points = {tuple(sorted((name, label(value)) for name, value in point.items())) for point in study.points}
    parts = [f"kind {study.record.kind}, {several(len(points), 'point')}", done]
    failed, cancelled = jobs(study, JobState.FAILED), jobs(study, JobState.CANCELLED)
    parts += [f"{failed} failed"] if failed else []
    parts += [f"{cancelled} cancelled"] if cancelled else []
    parts += [f"{study.progress.to_go} still to go"] if study.progress.to_go else []
    doubted = sum(not sample.is_valid for sample in study.samples)
    parts += [f"a flag doubts {several(doubted, 'trial')}"] if doubted else []
    return f"{study.record.name}: {'; '.join(parts)}."


def alerts(study: Studied) -> list[str]:
    """What nobody may take for a measurement."""
    found = [SIMULATED] if any(trial.simulated for trial in study.trials) else []
    found += [IMPORTED] if study.record.imported else []
    return found + ([MODELLED] if any(quality is Quality.MODELLED for _, _, quality in study.meters) else [])


def findings(study: Studied) -> list[str]:
    """The sentences below the results of the command line; of kinds that have none, the gist of each row."""
    match study.view:
        case training.Results():
            return [_trained(summary) for summary in study.view.summaries]
        case layers.Results():
            return [_taken_apart(summary) for summary in study.view.summaries]
        case _:
            return tables.findings(study.view.rendered())


def _trained(summary: TrainingSummary) -> str:
    reached, work = percent_interval(summary.last_accuracy), summary.work
    after = f"accuracy {reached} % after {count(summary.epochs.mean)} epochs"
    return f"{charts.label(work)}: {after}, for {net(work.net_j)} J net per image of training{_kind(work)}."


def _kind(work: Summary) -> str:
    words = ["modelled"] if work.quality is Quality.MODELLED else []
    words += ["simulated"] if work.simulated else []
    return f" ({', '.join(words)})" if words else ""


def _taken_apart(summary: LayersSummary) -> str:
    """Which type of layer takes most, and whether the layers explain the whole."""
    ranked = sorted((t for t in summary.costs.types if t.share is not None), key=lambda t: -(t.share or 0.0))
    if not ranked:
        return f"{charts.label(summary.whole)}: the shares of its layers are unknown."
    most = f"{ranked[0].type} takes most, {percent(ranked[0].share or 0.0)} of the energy of all layers"
    open_ = [closure.pass_ for closure in summary.costs.closures if closure.is_closed is False]
    doubt = f"; alone they do not explain the whole ({', '.join(open_)})" if open_ else ""
    return f"{charts.label(summary.whole)}: {most}{_kind(summary.whole)}{doubt}."


def repetition(rule: StoppingRule) -> str:
    """How often each point is repeated."""
    if rule.is_fixed:
        return f"{rule.min}, in fresh processes"
    return f"{rule.min} to {rule.max}, until the 95 % interval is within {percent(rule.target)} of the mean"


def settings(measure: MeasureSettings, unheeded: Set[str]) -> list[tuple[str, str]]:
    """Return each setting with its unit, but for those that trials of the kind do not use."""
    windows = "" if "windows" in unheeded else f"{measure.windows} "
    batches = "" if "min_iterations" in unheeded else f" and {measure.min_iterations} batches"
    named = {
        "baseline": BASELINES[measure.baseline],
        "measure windows": f"{windows}of at least {measure.window_s:g} s{batches}",
    }
    rest = measure.model_dump(exclude={"profile", "baseline", "windows", "window_s", "min_iterations", *unheeded})
    for name, value in rest.items():
        unit = " s" if name.endswith("_s") else ""
        named[name.removesuffix("_s").replace("_", " ")] = f"{value:g}{unit}"
    return list(named.items())


def meter(domain: Domain, source: str | None, quality: Quality | None, windows: int) -> Sequence[str]:
    """A row of the table of meters."""
    worth = "unknown" if quality is None else QUALITIES[quality]
    return [domain.value, source or "none", worth, str(windows)]
