"""Charts of bars on a terminal."""

import re
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farm.analysis.intervals import Interval, Median
from farm.cli import output
from farm.cli.output import Shown
from farm.cli.results import results
from farm.model import Scalar
from farm.report.bars import ASCII, BLOCKS, Drawn, drawn
from farm.report.document import Bar, Bars, Column, Document, Figure, Form, Paragraph, Value
from farm.report.terminal import Screen, styled, text
from tests.golden import assert_golden
from tests.reports import batching
from tests.summaries import ends, widest

ENERGY = Column("net_j", "net J\nper image", Form.NET_MEAN)
SCREEN = Screen(80, has_styles=False, has_unicode=True)


def bars(*of: tuple[Mapping[str, Scalar], Value], doubtful: int | None = None) -> Bars:
    return Bars(ENERGY, [Bar(labels, value, place == doubtful) for place, (labels, value) in enumerate(of)])


def batches(**values: Value) -> Bars:
    """Bars of batch sizes of one network: `batches(b1=2.0, b4=1.0)`."""
    return Bars(
        ENERGY, [Bar({"model": "alexnet", "batch_size": int(name[1:])}, value) for name, value in values.items()]
    )


def lengths(chart: Drawn) -> list[int]:
    return [len(line.bar) for line in chart.lines if line.value]


def figure(of: Bars | None) -> Figure:
    return Figure("Energy", "What is seen.", {}, bars=of)


NETWORKS = bars(
    ({"model": "alexnet", "batch_size": 1}, ends(4.0, 0.8)),
    ({"model": "alexnet", "batch_size": 16}, ends(1.0, 0.01)),
    ({"model": "vgg11", "batch_size": 1}, ends(8.0, 20.0)),
    ({"model": "vgg11", "batch_size": 16}, None),
    ({"model": "vgg11", "batch_size": 64}, ends(-1.0, 3.0)),
    doubtful=2,
)


@pytest.mark.parametrize(("name", "screen"), [("blocks", SCREEN), ("ascii", Screen(60, False, False))])
def test_a_person_reads_a_bar_a_row(name: str, screen: Screen) -> None:
    assert_golden(f"chart-{name}.txt", styled(Document([figure(NETWORKS)]), screen))


def test_a_bar_is_as_long_as_its_value_and_the_axis_begins_at_0() -> None:
    four, two, one = lengths(drawn(batches(b1=4.0, b4=2.0, b16=1.0), 80, ASCII))
    assert [two / four, one / four] == pytest.approx([1 / 2, 1 / 4], abs=0.02)


def test_a_bar_of_what_is_unknown_or_not_above_0_is_empty() -> None:
    assert lengths(drawn(batches(b1=1.0, b4=None, b16=ends(0.0, 1.0), b64=-1.0), 80, BLOCKS))[1:] == [0, 0, 0]
    assert lengths(drawn(batches(b1=None), 80, BLOCKS)) == [0]


@pytest.mark.parametrize("value", [Interval(2.0, 1.0, 4.0), Median(2.0, 1.0, 4.0)])
def test_an_interval_is_drawn_from_its_lower_end_to_its_upper_one(value: Value) -> None:
    of = Bars(Column("s", "s", Form.MEAN), [Bar({"batch": 1}, 4.0), Bar({"batch": 4}, value)])
    longest, bar = (line.bar for line in drawn(of, 80, ASCII).lines)
    assert [bar.count(sign) / len(longest) for sign in "#=-"] == pytest.approx([1 / 4, 1 / 4, 1 / 2], abs=0.03)
    assert bar.endswith("|")


def test_a_wide_interval_shortens_no_bar_to_nothing_and_its_end_is_no_end() -> None:
    chart = drawn(batches(b1=ends(1.0, 500.0), b4=1.0), 80, BLOCKS)
    wide, plain = (line.bar for line in chart.lines)
    assert wide.endswith("►")
    assert len(plain) > len(wide) / 2
    assert "► it ends further away" in chart.notes[0]


def test_signs_that_are_not_drawn_are_not_explained() -> None:
    assert drawn(batches(b1=2.0, b4=Interval(1.0, None, None)), 80, BLOCKS).notes == []


def test_labels_are_a_title_a_heading_and_a_name() -> None:
    chart = drawn(NETWORKS, 80, BLOCKS)
    assert [line.name for line in chart.lines if line.is_heading] == ["alexnet", "vgg11"]
    assert chart.lines[1].name.split() == ["batch", "1"]
    alone = drawn(batches(b1=2.0, b4=1.0), 80, BLOCKS)
    assert (alone.title, [line.is_heading for line in alone.lines]) == ("net J per image: alexnet", [False, False])
    by_text = bars(({"strategy": "gp"}, 1.0), ({"strategy": "tpe"}, 2.0))
    assert [line.name.strip() for line in drawn(by_text, 80, BLOCKS).lines] == ["gp", "tpe"]


def test_of_many_rows_the_least_and_the_greatest_are_drawn_in_their_order() -> None:
    chart = drawn(batches(**{f"b{n}": float(n % 50) + 1 for n in range(1, 51)}), 80, BLOCKS)
    sizes = [int(line.name.split()[1]) for line in chart.lines]
    assert sizes == [*range(1, 15), *range(35, 51)]
    assert chart.notes == ["20 rows between the 15 least and the 15 greatest are not drawn."]


NAMES = st.text("abcdefgh_", min_size=1, max_size=40)
VALUES = st.none() | st.floats(-10, 1e6) | st.builds(ends, st.floats(0.001, 1e6), st.floats(0, 1e6))


@given(st.lists(st.tuples(NAMES, NAMES, VALUES), min_size=1, max_size=40), st.integers(40, 200), st.booleans())
def test_a_line_fits_every_terminal_and_no_name_is_cut(
    rows: list[tuple[str, str, Value]], width: int, is_ascii: bool
) -> None:
    of = bars(*(({"model": model, "precision": precision}, value) for model, precision, value in rows))
    chart = drawn(of, width, ASCII if is_ascii else BLOCKS)
    lines = [f"{line.name}{line.value}{line.bar}" for line in chart.lines]
    assert max(map(len, lines)) <= max(width, 44)
    assert not is_ascii or "".join(line.bar for line in chart.lines).isascii()
    if len(rows) <= 30:
        assert all(name in "\n".join([chart.title, *lines]) for labels in rows for name in labels[:2])


def test_a_narrow_terminal_gets_narrow_charts() -> None:
    for width in (40, 50, 60):
        assert widest(styled(Document([figure(NETWORKS)]), Screen(width, False, True))) <= width


def test_text_for_a_file_has_no_chart_and_a_chart_without_bars_is_not_shown() -> None:
    document = Document([Paragraph("batching"), figure(NETWORKS)])
    assert text(document) == "batching\n"
    assert "█" in styled(document, SCREEN)
    assert styled(document.without_charts(), SCREEN) == "batching\n"
    assert styled(Document([Paragraph("batching"), figure(None)]), SCREEN) == "batching\n"


@pytest.mark.parametrize(
    ("term", "no_color", "has_unicode", "has_styles"),
    [("xterm", "", True, True), ("xterm", "1", True, False), ("dumb", "", False, False)],
)
def test_a_terminal_gets_what_it_can_show(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    term: str,
    no_color: str,
    has_unicode: bool,
    has_styles: bool,
) -> None:
    monkeypatch.setenv("TERM", term)
    monkeypatch.setenv("NO_COLOR", no_color)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    output.write(Shown(Document([figure(NETWORKS)])))
    seen = capsys.readouterr().out
    assert ("█" in seen, "\x1b[" in seen) == (has_unicode, has_styles)


def test_what_has_no_utf_8_gets_ascii() -> None:
    shown = styled(Document([Paragraph("1.0 ± 0.1 – é"), figure(NETWORKS)]), Screen(80, True, False))
    assert shown.isascii()
    assert shown.startswith("1.0 +- 0.1 - ?\n")


def test_a_pipe_gets_no_chart(capsys: pytest.CaptureFixture[str]) -> None:
    output.write(Shown(Document([Paragraph("batching"), figure(NETWORKS)])))
    assert not re.search("[█#]", capsys.readouterr().out)


def test_results_have_a_chart_unless_nobody_wants_it(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FARM_DATABASE_URL", sqlite_url)
    with batching(sqlite_url):
        shown, without = (styled(results(no_chart=no_chart).document, SCREEN) for no_chart in (False, True))
    assert "cpu net J per image" in shown
    assert "batch 16" in shown
    assert "█" not in without
