"""The profiles: how much time a trial takes to measure, and how well it measures."""

from collections.abc import Mapping

from farm.model import MeasureSettings

#: What each profile does, in seconds unless the name says otherwise; a sweep may change single fields.
PROFILES: Mapping[str, MeasureSettings] = {
    "full": MeasureSettings(
        profile="full",
        window_s=10,
        windows=3,
        min_iterations=32,
        idle_s=10,
        cool_down_max_s=120,
        context_idle_s=10,
        warmup_s=3,
        warmup_max_s=60,
        latency_s=10,
        latency_max_batches=1000,
        guard_s=0.25,
        poll_period_s=0.1,
    ),
    "screening": MeasureSettings(
        profile="screening",
        window_s=5,
        windows=2,
        min_iterations=32,
        idle_s=5,
        cool_down_max_s=60,
        context_idle_s=5,
        warmup_s=1.5,
        warmup_max_s=30,
        latency_s=5,
        latency_max_batches=1000,
        guard_s=0.25,
        poll_period_s=0.1,
    ),
    "quick": MeasureSettings(
        profile="quick",
        window_s=2,
        windows=1,
        min_iterations=8,
        idle_s=2,
        cool_down_max_s=24,
        context_idle_s=2,
        warmup_s=0.6,
        warmup_max_s=12,
        latency_s=2,
        latency_max_batches=1000,
        guard_s=0.25,
        poll_period_s=0.1,
    ),
}
