"""A probe's findings in sentences, for `farm doctor --probe` and `farm machines NAME`. Pure."""

from collections.abc import Iterator

from farm.model import Check, Probe

#: The two sources of a GPU's power.
_SENSORS = {"instant": "read as it is published", "smoothed": "smoothed over a second by the driver"}


def findings(probe: Probe) -> Iterator[Check]:
    """Yield a finding for each meter, and a note for each fact that is unknown."""
    meters = (
        ("sensor", _sensor(probe), True),
        ("counter", _counter(probe), probe.counter_trusted is not False),
        ("rapl", _every(probe.rapl_update_period_s), True),
    )
    for name, facts, is_good in meters:
        if facts:
            yield Check(name=f"probe {name}", state="ok" if is_good else "note", detail="; ".join(facts))
    yield from (Check(name="probe", state="note", detail=note) for note in probe.notes)


def _sensor(probe: Probe) -> list[str]:
    facts = _every(probe.sensor_update_period_s)
    if probe.averaging_window_s is not None:
        facts.append(f"each value is the mean over {duration(probe.averaging_window_s)}")
    if probe.sensor is not None:
        facts.append(_SENSORS[probe.sensor])
    return facts


def _counter(probe: Probe) -> list[str]:
    facts = _every(probe.counter_update_period_s)
    if probe.counter_update_period_u_s is not None:
        facts.append(f"standard uncertainty of that {duration(probe.counter_update_period_u_s)}")
    if probe.counter_update_jitter_s is not None:
        facts.append(f"two updates differ in lateness by {duration(probe.counter_update_jitter_s)} on average")
    ratios = {"idle": probe.counter_over_power_idle, "under load": probe.counter_over_power_load}
    known = [f"{ratio:.3f} {when}" for when, ratio in ratios.items() if ratio is not None]
    if known:
        facts.append(f"counts {', '.join(known)} of the integrated power")
    if probe.counter_trusted is not None:
        facts.append("trusted" if probe.counter_trusted else "not trusted: trials integrate power instead")
    return facts


def _every(period_s: float | None) -> list[str]:
    return [] if period_s is None else [f"new every {duration(period_s)}"]


def duration(seconds: float) -> str:
    """Return a duration with three digits, in s, ms or µs."""
    for scale, unit in ((1.0, "s"), (1e3, "ms")):
        if seconds * scale >= 0.9995:
            return f"{seconds * scale:.3g} {unit}"
    return f"{seconds * 1e6:.3g} µs"
