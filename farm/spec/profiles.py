"""Profiles: a longer trial measures more precisely."""

from collections.abc import Mapping

from farm.model import MeasureSettings


def _settings(profile: str, window_s: float, windows: int, min_iterations: int) -> MeasureSettings:
    return MeasureSettings(
        profile=profile,
        window_s=window_s,
        windows=windows,
        min_iterations=min_iterations,
        idle_s=window_s,
        cool_down_max_s=window_s,
        context_idle_s=window_s / 2,
        warmup_s=0.3 * window_s,
        warmup_max_s=6 * window_s,
        latency_s=0.0,
        latency_max_batches=100_000,
        guard_s=0.25,
        poll_period_s=0.1,
    )


#: The settings of each profile; a sweep may change single fields.
PROFILES: Mapping[str, MeasureSettings] = {
    "full": _settings("full", window_s=10, windows=3, min_iterations=32),
    "screening": _settings("screening", window_s=5, windows=2, min_iterations=32),
    "quick": _settings("quick", window_s=2, windows=1, min_iterations=8),
}
