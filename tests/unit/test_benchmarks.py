"""The table of the benchmarks, from made-up figures; the benchmarks themselves are no tests."""

import importlib.util

import pytest
from rich.console import Console

from tests.benchmarks import queue
from tests.benchmarks.__main__ import BENCHMARKS
from tests.benchmarks.figures import Figure, machine_line, table


@pytest.mark.parametrize(
    ("figure", "measured", "required", "verdict"),
    [
        (Figure(what="a", value=0.979, digits=3, at_least=0.98, how=""), "0.979", "≥ 0.980", "not met"),
        (Figure(what="a", value=0.98, digits=3, at_least=0.98, how=""), "0.980", "≥ 0.980", "met"),
        (Figure(what="a", value=0.51, unit="s", at_most=0.5, how=""), "0.51 s", "≤ 0.50 s", "not met"),
        (Figure(what="a", value=0.0, unit="s", at_most=0.5, how=""), "0.00 s", "≤ 0.50 s", "met"),
        (Figure(what="a", value=1234.5, unit="MiB", digits=0, how=""), "1,234 MiB", "", ""),
        (Figure(what="a", value=None, at_most=0.5, how="no Redis"), "–", "≤ 0.50", "not measured"),
    ],
)
def test_figure_says_what_was_measured_required_and_whether_it_is_met(
    figure: Figure, measured: str, required: str, verdict: str
) -> None:
    assert (figure.measured, figure.required, figure.verdict) == (measured, required, verdict)


def test_table_shows_every_figure_the_machine_and_how_it_was_obtained() -> None:
    figures = [
        Figure(what="speed", value=3.0, unit="/s", at_least=2.0, how="counted"),
        Figure(what="weight", value=None, how="no scales"),
    ]
    console = Console(width=100)
    with console.capture() as captured:
        console.print(table(figures, machine_line(load_before=0.5)))
    rows = [line.split() for line in captured.get().splitlines()]
    assert ["speed", "3.00", "/s", "≥", "2.00", "/s", "met"] in rows
    assert ["weight", "–", "not", "measured"] in rows
    for part in ("cores, load 0.5 at the start", "speed: counted", "weight: no scales"):
        assert part in captured.get()


def test_every_benchmark_has_its_module() -> None:
    names = [*BENCHMARKS.values(), *queue.BENCHMARKS.values()]
    missing = [name for name in names if importlib.util.find_spec(f"tests.benchmarks.{name}") is None]
    assert missing == []
