"""The process that draws charts: one chart that it cannot bear costs that chart, and says why."""

import sys
from collections.abc import Iterator
from math import inf, nan
from typing import Any

import pytest

from farm.model.errors import InputError
from farm.report import html, svg
from farm.report.document import Figure, Report, Section
from tests.reports import Page


def spec(*values: Any, name: str = "x") -> dict[str, Any]:
    return {
        "data": {"values": [{"a": place, "b": value, "c": name} for place, value in enumerate(values)]},
        "mark": "point",
        "encoding": {
            "x": {"field": "a", "type": "quantitative"},
            "y": {"field": "b", "type": "quantitative"},
            "color": {"field": "c", "type": "nominal", "title": name},
        },
        "config": {"aria": False},
    }


@pytest.fixture(scope="module")
def renderer() -> Iterator[svg.Renderer]:
    renderer = svg.Renderer()
    yield renderer
    renderer.close()


def text(found: bytes | svg.Undrawn) -> str:
    assert isinstance(found, bytes), found
    return found.decode()


@pytest.mark.parametrize("name", ["a\x1b[31mb\0\u202e\ud800\uffff", "x" * 1000, "</text><script>alert(1)</script>"])
def test_names_of_any_kind_are_drawn(renderer: svg.Renderer, name: str) -> None:
    drawn = text(renderer.draw("svg", spec(1, 2, name=name)))
    assert "script" not in {tag for tag, _ in Page(drawn).tags}


@pytest.mark.parametrize("value", [nan, inf, -inf, 1e308, -1e308, 5e-324, None])
def test_numbers_of_any_size_are_drawn(renderer: svg.Renderer, value: float | None) -> None:
    assert "<svg" in text(renderer.draw("svg", spec(1.0, value, 2.0)))


def test_a_chart_has_so_many_values_at_most(renderer: svg.Renderer) -> None:
    found = renderer.draw("svg", spec(*[1] * (svg.MOST_VALUES + 1)))
    assert found == svg.Undrawn("it has 30,001 values, and a chart shows at most 30,000")


def test_a_chart_that_ends_its_process_leaves_the_next_one_alone(
    renderer: svg.Renderer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(svg, "_safe", lambda value: value)
    assert renderer.draw("svg", spec(1, name="\x1b")) == svg.Undrawn("the program that draws charts ended with SIGABRT")
    monkeypatch.undo()
    assert "<svg" in text(renderer.draw("svg", spec(1)))
    assert renderer.draw("png", spec(1)).startswith(b"\x89PNG")  # type: ignore[union-attr]


def test_a_chart_that_takes_too_long_is_given_up() -> None:
    renderer = svg.Renderer(limit_s=0.05)
    found = renderer.draw("svg", spec(*range(svg.MOST_VALUES)))
    assert found == svg.Undrawn("the program that draws charts took longer than 0.05 s")
    renderer.close()


def test_a_chart_that_is_wrong_is_named_in_a_few_words(renderer: svg.Renderer) -> None:
    found = renderer.draw("svg", {"mark": "nonsense"})
    assert isinstance(found, svg.Undrawn)
    assert found.reason.startswith("the program that draws charts says: Vega-Lite to SVG conversion failed: ")
    assert len(found.reason) < 300


def test_a_program_that_does_not_start_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("farm.report.svg.sys.executable", "/nowhere/python")
    found = svg.Renderer().draw("svg", spec(1))
    assert found == svg.Undrawn("the program that draws charts does not start (No such file or directory)")


def test_a_page_is_complete_without_a_figure_that_cannot_be_drawn() -> None:
    figures = [Figure("the bad one", "", spec(*[1] * 40_000)), Figure("the good one", "", spec(1))]
    made = html.page(Report("r", "", [Section("s", "s", figures)]))
    page = Page(made.text)
    assert len(page.all("figure")) == 2
    assert len(page.all("svg")) == 1
    reason = "it has 40,000 values, and a chart shows at most 30,000"
    assert f"Not drawn: {reason}." in page.text
    assert made.notes == [f"figure 1, the bad one, is not drawn: {reason}"]


def test_the_library_is_missed_before_anything_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    with pytest.raises(InputError, match="charts need vl-convert"):
        svg.check()
