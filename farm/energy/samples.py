"""The samples of a trial from its windows. This is the only place that defines a sample. Pure."""

from collections.abc import Collection, Iterable, Mapping, Sequence

from pydantic import JsonValue

from farm.model import Domain, Flag, Measurement, Quality, SampleFigures, TrialReport, Window, WindowKind
from farm.model.energies import Joules, combined, known_sum, own_domain, parts, sum_of, total

#: The windows whose units make a sample: batches of an inference, images of a training, calls of a layer.
#: Validation is not part of a sample: it processes other images, and the network learns nothing from them.
WORK = (WindowKind.MEASURE, WindowKind.TRAINING)


def samples_of(report: TrialReport) -> list[SampleFigures]:
    """Return the samples of a trial; a failed trial has none."""
    return [] if report.failure else samples(report.windows, report.measurements, report.facts, report.flags)


def samples(
    windows: Iterable[Window],
    measurements: Iterable[Measurement],
    facts: Mapping[str, JsonValue],
    flags: Collection[Flag],
) -> list[SampleFigures]:
    """Return a sample for each metered domain, and always for the device's own; then one for each part.

    A trial that takes a network apart has parts, one for each of its windows. Its whole is the sum of the passes that
    run the whole network, each scaled to the units of the first one: the other parts must add up to this sum. The parts
    of a program are the windows that it marks, and lie within the window of its run; those of one name are one part.

    Args:
        windows: all windows of the trial.
        measurements: one for each window and domain.
        facts: the facts of the workload: device, unit, parts.
        flags: the flags of the whole trial.
    """
    known = [window for window in windows if window.kind in (*WORK, WindowKind.MARKED)]
    work = [window for window in known if window.kind in WORK]
    measured = [m for m in measurements if m.window_kind in (*WORK, WindowKind.MARKED)]
    domains = sorted({own_domain(facts), *(m.domain for m in measured)})
    each = parts(facts)
    stretches = [[w for w in known if _belongs(w, index, part)] for index, part in enumerate(each)]
    wholes = [stretch for stretch, part in zip(stretches, each, strict=True) if part["kind"] == "whole"]
    passes = wholes or [work]
    found = []
    for domain in domains:
        own = {(m.window_kind, m.window_index): m for m in measured if m.domain == domain}
        if all(passes):
            found.append(_sample(None, domain, passes, own, facts, flags))
        found += [
            _sample(index, domain, [stretch], own, facts, flags) for index, stretch in enumerate(stretches) if stretch
        ]
    return found


def _belongs(window: Window, index: int, part: Mapping[str, JsonValue]) -> bool:
    """Return whether a window is one of a part's: those that it names, or the window of work with its index."""
    marked = part.get("windows")
    if isinstance(marked, list):
        return window.kind is WindowKind.MARKED and window.index in marked
    return window.kind in WORK and window.index == index


def _sample(
    part: int | None,
    domain: Domain,
    passes: Sequence[Sequence[Window]],
    measured: Mapping[tuple[WindowKind, int], Measurement],
    facts: Mapping[str, JsonValue],
    flags: Collection[Flag],
) -> SampleFigures:
    units = [sum(window.units or 0 for window in windows) for windows in passes]
    shares = [1.0, *(units[0] / count if count else None for count in units[1:])]
    metered = [[m for w in windows if (m := measured.get((w.kind, w.index)))] for windows in passes]
    joules = total(Joules() if s is None else sum_of(m).times(s) for s, m in zip(shares, metered, strict=True))
    durations = [known_sum(window.duration_s or None for window in windows) for windows in passes]
    every = [m for own in metered for m in own]
    device, unit = facts.get("device"), facts.get("unit")
    return SampleFigures(
        domain=domain,
        part=part,
        own_device=domain == own_domain(facts),
        device=None if device is None else str(device),
        unit=None if unit is None else str(unit),
        units=units[0],
        duration_s=known_sum(None if s is None or d is None else s * d for s, d in zip(shares, durations, strict=True)),
        gross_j=joules.gross,
        gross_u_j=combined(joules.gross_budget),
        gross_shared_u_j=combined(joules.gross_budget, shared=True),
        net_j=joules.net,
        net_u_j=joules.net_u,
        net_shared_u_j=combined(joules.net_budget, shared=True),
        idle_w=next((w for m in reversed(every) if (w := _idle_w(m)) is not None), None),
        quality=worst_quality(every) if joules.gross is not None else None,
        flags=tuple(sorted({*flags, *(flag for m in every for flag in m.flags)})),
    )


def _idle_w(measured: Measurement) -> float | None:
    """Return the power of the loaded model, or where that is unknown the baseline that was chosen."""
    return measured.baseline_w if measured.baseline_context_w is None else measured.baseline_context_w


def worst_quality(measured: Iterable[Measurement]) -> Quality | None:
    """Return the worst quality of the measurements; None where none has joules."""
    return max((m.quality for m in measured if m.quality), key=lambda q: q.rank, default=None)
