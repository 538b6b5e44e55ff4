"""Sentences of a report about methods, settings, flags and the state of a sweep."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence, Set

from farm.model import Baseline, Domain, Flag, JobState, MeasureSettings, Quality, StoppingRule
from farm.report.document import Value
from farm.report.numbers import label, percent, several
from farm.studies.paper.material import Material, Studied

MODELLED = "Modelled joules are estimates from load and rated power; nothing measured them."
SIMULATED = "Simulated hardware: these joules are not real."
IMPORTED = "Imported: measured elsewhere; this farm does not know how."
METHOD = (
    "A trial is a fresh process. It is metered while the loaded network waits and while the network works. The idle "
    "machine is metered before some trials, and its power is modelled from recent idles in between. Gross energy is "
    "all joules of a window. The baseline is the idle power of the same machine. Net energy = gross energy - baseline "
    "power x duration."
)
UNCERTAINTY = (
    "The unit of replication is the trial, not the window or the batch. Intervals are 95 % intervals over trials. Two "
    "parts are combined by the root of the sum of squares, with degrees of freedom by Welch and Satterthwaite (GUM): "
    "the spread between trials over the root of their number, and the uncertainty that all trials share. A single "
    "trial has no interval. A disturbed trial is flagged; it is left out if other trials measured the same point. A "
    "dash marks an unknown value."
)
RATIOS = (
    "Configurations are compared within blocks (repetitions of a sweep on one machine), on logarithms: ratios are of "
    "geometric means, with 95 % intervals by Student's t and variances moderated over the configurations of the "
    "machine. Several ratios are corrected by Holm's method; what is called the best of several pays for the selection."
)
BASELINES: Mapping[Baseline, str] = {
    Baseline.BARE: "bare: net energy subtracts the power of the idle machine without a trial process",
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
    Flag.RESUMED: "the trial continued from a checkpoint: the joules before the interruption are in no window",
    Flag.SATURATED: "requests came faster than they can be served: the queue grew without bound",
    Flag.THROTTLED: "the clock was lowered: heat, power brake or hardware",
    Flag.TOO_SHORT: "a window was too short for the meter's update period",
}

#: What the notes of a trial say where it has a flag; flags without such a note say what they mean.
SIGNS: Mapping[Flag, re.Pattern[str]] = {
    Flag.CONTAMINATED: re.compile(
        "other programs used|the hypervisor took|programs waited for a CPU|process .* used the GPU too"
    ),
    Flag.ALIAS_RISK: re.compile("in step with the power sensor|random pauses were added"),
    Flag.COUNTER_UNTRUSTED: re.compile("energy counter stood still"),
    Flag.NO_STEADY_STATE: re.compile("^no steady state"),
}


def title(material: Material) -> str:
    """Return the title of a report: the names of its sweeps."""
    return ", ".join(dict.fromkeys(study.record.name for study in material.studies))


def status(study: Studied) -> str:
    """Return how much of a sweep was measured, and where."""
    places = Counter(f"{t.machine} ({t.hardware_class})" for t in study.trials if t.machine and t.failure is None)
    where = f" on {', '.join(places)}" if places else ""
    done = f"{study.count(JobState.DONE)} of {several(study.progress.total, 'job')} measured{where}"
    points = {tuple(sorted((name, label(value)) for name, value in point.items())) for point in study.plan.points}
    parts = [f"kind {study.record.kind}, {several(len(points), 'point')}", done]
    failed, cancelled = study.count(JobState.FAILED), study.count(JobState.CANCELLED)
    parts += [f"{failed} failed"] if failed else []
    parts += [f"{cancelled} cancelled"] if cancelled else []
    parts += [f"{study.progress.to_go} still to go"] if study.progress.to_go else []
    return f"{study.record.name}: {'; '.join(parts)}."


def alerts(study: Studied) -> list[str]:
    """Return warnings about joules that this farm did not measure."""
    found = [SIMULATED] if any(trial.simulated for trial in study.trials) else []
    found += [IMPORTED] if study.record.imported else []
    return found + ([MODELLED] if any(quality is Quality.MODELLED for _, _, quality in study.meters) else [])


def repetition(rule: StoppingRule) -> str:
    """Return how often each point is repeated."""
    if rule.is_fixed:
        return f"{rule.min}, in fresh processes"
    return f"{rule.min} to {rule.max}, until the 95 % interval is within {percent(rule.target)} of the mean"


def settings(measure: MeasureSettings, unheeded: Set[str]) -> list[tuple[str, str]]:
    """Return each setting with its unit, without the settings that trials of the kind do not use."""
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


def meter(domain: Domain, source: str | None, quality: Quality | None, windows: int) -> Sequence[Value]:
    """Return a row of the table of meters."""
    worth = "unknown" if quality is None else QUALITIES[quality]
    return [domain.value, source or "none", worth, windows]
