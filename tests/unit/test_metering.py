"""The arithmetic of the metering benchmark; the benchmark itself is no test."""

from datetime import UTC, datetime

import pytest

from farm.model import Window, WindowKind
from tests.benchmarks.bench_metering import cpu_share


@pytest.mark.parametrize(
    ("begin_at_ns", "end_at_ns", "expected"),
    [(100, 200, 0.0), (200, 300, 0.5), (150, 250, 0.25), (225, 275, 0.5), (100, 400, 0.2)],
)
def test_cpu_time_within_a_window_is_linear_between_notes(begin_at_ns: int, end_at_ns: int, expected: float) -> None:
    notes = [(100, 1000), (200, 1000), (300, 1050), (400, 1060)]
    window = Window(
        kind=WindowKind.MEASURE,
        begin_at_ns=begin_at_ns,
        end_at_ns=end_at_ns,
        started_at_utc=datetime(2026, 1, 1, tzinfo=UTC),
    )
    assert cpu_share(notes, window) == pytest.approx(expected)
