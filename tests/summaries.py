"""Rows, samples and summaries for tests of analysis and report."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from io import StringIO
from typing import Any

from rich.console import Console, RenderableType

from farm.analysis.aggregate import Summary, UnitSample
from farm.analysis.intervals import Interval
from farm.model import Budget, CarbonFactor, Domain, MeasurementRow, Point, Quality, Scalar, TrialRow, WindowKind

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
POINT: Point = {
    "model": "alexnet", "batch_size": 4, "precision": "fp32", "device": "auto", "compile": False, "threads": None,
}  # fmt: skip


def rendered(view: RenderableType, width: int = 80) -> str:
    """As a terminal of that width shows it."""
    console = Console(file=StringIO(), width=width, markup=False, emoji=False, highlight=False, color_system=None)
    with console.capture() as captured:
        console.print(view)
    return captured.get()


def ends(mean: float, half_width: float | None = None) -> Interval:
    if half_width is None:
        return Interval(mean, None, None)
    return Interval(mean, mean - half_width, mean + half_width)


def sample(batch_size: int = 4, **changes: Any) -> UnitSample:
    plain = UnitSample(
        labels={"model": "alexnet", "batch_size": batch_size},
        quality=Quality.COUNTER,
        simulated=False,
        units_per_s=100.0,
        gross_j=2.0,
        gross_u_j=0.02,
        gross_shared_u_j=0.0,
        net_j=1.0,
        net_u_j=0.01,
        net_shared_u_j=0.0,
        latencies_s=(0.010, 0.011),
        carbon=CarbonFactor(),
        flags=(),
    )
    return replace(plain, **changes)


def summary(key: dict[str, Scalar] | None = None, **changes: Any) -> Summary:
    plain = Summary(
        key=tuple((key or {"model": "alexnet", "batch_size": 4}).items()),
        quality=Quality.COUNTER,
        simulated=False,
        trials=2,
        left_out=0,
        is_doubtful=False,
        flags={},
        units_per_s=123.456,
        p50_s=0.0321,
        p95_s=0.0345,
        p99_s=0.0456,
        batches=500,
        gross_j=ends(0.2531, 0.0021),
        net_j=ends(0.1234, 0.0021),
        carbon_g=2.3e-5,
    )
    return replace(plain, **changes)


def batches(**net_by_batch: Interval | None) -> list[Summary]:
    """Summaries of one model by batch size: `batches(b1=ends(2, 0.1), b4=ends(1, 0.1))`; gross is one joule more."""
    return [
        summary(
            {"model": "alexnet", "batch_size": int(name[1:])},
            net_j=net,
            gross_j=ends(net.mean + 1, net.half_width) if net else None,
        )
        for name, net in net_by_batch.items()
    ]


def measurement_row(**changes: Any) -> MeasurementRow:
    """A measure window of 2 s with 10 images: 20 J gross, 10 J net, u = 0.5 J."""
    plain = MeasurementRow(
        sweep="abcdef012345",
        job="job",
        trial="job.1",
        attempt=1,
        machine="lab1",
        hardware_class="cpu-2",
        environment="env",
        kind="inference",
        factors=POINT,
        repetition=0,
        window=WindowKind.MEASURE,
        window_index=0,
        begin_at_ns=10**9,
        end_at_ns=3 * 10**9,
        started_at_utc=NOON,
        duration_s=2.0,
        units=10,
        domain=Domain.CPU,
        quality=Quality.COUNTER,
        source="rapl",
        gross_j=20.0,
        gross_u_j=0.1,
        baseline_w=5.0,
        baseline_bare_w=4.0,
        baseline_context_w=5.0,
        net_j=10.0,
        net_j_low=9.0,
        net_j_high=11.0,
        mean_w=10.0,
        temperature_c=None,
        clock_hz=None,
        flags=(),
        simulated=False,
        imported=False,
        sweep_name="batching",
        machine_id="m1",
        failure=None,
        net_u_random_j=None,
        net_u_shared_j=None,
        budget=Budget(),
    )
    return replace(plain, **changes)


@dataclass(frozen=True, slots=True)
class TimedRow(TrialRow):
    """A trial with the times of its batches, which the store keeps apart."""

    latencies_s: tuple[float, ...]


def trial_row(**changes: Any) -> TimedRow:
    plain = TimedRow(
        sweep="abcdef012345",
        sweep_name="batching",
        job="job",
        trial="job.1",
        attempt=1,
        machine="lab1",
        machine_id="m1",
        hardware_class="cpu-2",
        environment="env",
        kind="inference",
        factors=POINT,
        target="any",
        block=0,
        repetition=0,
        started_at_utc=NOON,
        finished_at_utc=NOON,
        duration_s=9.0,
        overhead_s=None,
        failure=None,
        facts={"device": "cpu", "unit": "image"},
        carbon=CarbonFactor(360.0, 1.0, "given outright"),
        flags=(),
        notes=(),
        latencies_s=(0.01, 0.02),
        log_tail="",
        stopped=None,
        simulated=False,
        imported=False,
        asked=None,
        epochs=(),
    )
    return replace(plain, **changes)


def widest(text: str) -> int:
    return max((len(line.rstrip()) for line in text.splitlines()), default=0)
