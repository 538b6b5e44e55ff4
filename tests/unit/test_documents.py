"""Documents: tables laid out, and each renderer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farm.analysis.intervals import Interval, Median
from farm.report import html, markdown
from farm.report.document import (
    Alert,
    Block,
    Code,
    Column,
    Document,
    Facts,
    Figure,
    Findings,
    Form,
    Heading,
    Note,
    Paragraph,
    Report,
    Row,
    Section,
    Table,
    Value,
    key,
)
from farm.report.layout import formatted, laid_out
from farm.report.terminal import text
from tests.golden import assert_golden
from tests.reports import Page
from tests.summaries import widest

EVIL = '<b onclick="x()">*bold* `code` [link](x)</b>'
ENERGY = Column("net_j_per_unit", "net J\n/image", Form.NET)
TABLE = Table(
    [key("model"), key("batch_size"), ENERGY, Column("carbon_g", "gCO2e\n/1000", scale=1000), Column("secret_s")],
    [
        Row({"model": "alexnet", "batch_size": 1, "net_j_per_unit": Interval(2.0, 1.5, 2.5), "carbon_g": 0.002}),
        Row({"model": "alexnet", "batch_size": 16, "net_j_per_unit": Interval(0.1, -0.2, 0.4)}),
        Row({"model": "vgg11", "batch_size": 1, "net_j_per_unit": Interval(4.0, 3.0, 5.0)}, {"net_j_per_unit": "!"}),
    ],
    "Results",
    {"vgg11": "published 69 %"},
)
BLOCKS: tuple[Block, ...] = (
    Paragraph("batching (abc)"),
    Alert("SIMULATED hardware: these joules are not real"),
    TABLE,
    Note("! marks a row whose trials are all flagged."),
    Findings(["alexnet: batch 16 takes least.", "vgg11: cannot tell."]),
    Heading("Machine"),
    Facts([("cpu model", "EPYC [9]"), ("ram", "8.00 GiB")], "lab1"),
    Code("farm run ```x```\n"),
)


# Tables


def test_a_model_is_the_heading_of_its_rows_and_marks_stand_behind_values() -> None:
    grid = laid_out(TABLE)
    assert [(group.heading, group.note) for group in grid.groups] == [("alexnet", ""), ("vgg11", "published 69 %")]
    assert grid.groups[0].cells == [["1", "2.00 ± 0.50", "2.00"], ["16", "< 0.40", "–"]]
    assert grid.groups[1].cells == [["1", "4.0 ± 1.0!", "–"]]


@pytest.mark.parametrize(("width", "headings"), [(80, [""]), (24, ["machine lab1", "machine lab2"])])
def test_keys_become_headings_where_the_page_is_too_narrow(width: int, headings: list[str]) -> None:
    rows = [Row({"machine": f"lab{n}", "device": "cuda", "s": 1.0}) for n in (1, 2)]
    grid = laid_out(Table([key("machine"), key("device"), Column("s", "s per batch")], rows), width)
    assert [group.heading for group in grid.groups] == headings
    flat = laid_out(Table([key("machine"), key("device"), Column("s", "s per batch")], rows, is_flat=True), width)
    assert [group.heading for group in flat.groups] == [""]


def test_files_have_the_ends_of_intervals_and_what_people_do_not_see() -> None:
    first, second, _ = TABLE.records()
    assert list(first) == [
        "model", "batch_size", "net_j_per_unit", "net_j_per_unit_low", "net_j_per_unit_high", "carbon_g", "secret_s",
    ]  # fmt: skip
    assert list(first.values()) == ["alexnet", 1, 2.0, 1.5, 2.5, 0.002, None]
    assert second["carbon_g"] is None


@pytest.mark.parametrize(
    ("value", "form", "shown"),
    [
        (None, Form.NUMBER, "–"),
        (None, Form.NET, "–"),
        (True, Form.NUMBER, "true"),
        ("out of memory", Form.COUNT, "out of memory"),
        (0.123456, Form.NUMBER, "0.123"),
        (16, Form.TEXT, "16"),
        (1763722800000000123, Form.COUNT, "1763722800000000123"),
        (2.5, Form.COUNT, "2.5"),
        (0.256, Form.PERCENT, "26%"),
        (-0.5, Form.CHANGE, "-50.0%"),
        (0.5, Form.SHARE, "0.500"),
        (0.0001, Form.P_VALUE, "<.001"),
        (Interval(1.0, 0.9, 1.1), Form.INTERVAL, "1.00 ± 0.10"),
        (Interval(1.0, 1.0 - 1e-16, 1.0 + 1e-16), Form.INTERVAL, "1.00"),
        (Interval(1.0, None, None), Form.INTERVAL, "1.00 (no interval)"),
        (Interval(1.0, None, None), Form.POSITIVE, "1.00 (n=1)"),
        (Interval(2.0, -3.0, 7.0), Form.POSITIVE, "2.00 (cannot tell)"),
        (Interval(0.2347, 1.67e-14, 3.29e12), Form.RATIO, "0.235 (cannot tell)"),
        (Interval(1.0, None, None), Form.RATIO, "1.00 (no interval)"),
        (Interval(0.88, 0.3, 1.5), Form.PERCENT_INTERVAL, "88.0 (30 to 100)"),
        (Interval(-1.0, -2.0, -0.5), Form.NET, "≤ 0"),
        (Interval(1.0, 0.9, 1.1), Form.MEAN, "1.00"),
        (Interval(-3.0, -4.0, -2.0), Form.MEAN, "-3.00"),
        (Interval(1.0, 0.9, 1.1), Form.ESTIMATE, "1.000 (0.9000 to 1.100)"),
        (Interval(0.5, 0.4, 0.6), Form.PERCENT_INTERVAL, "50 ± 10"),
        (Median(1.0, 0.9, 1.2), Form.MEDIAN, "1.00 [0.90, 1.20]"),
        (Median(1.0, -0.9, 1.2), Form.NET_MEDIAN, "< 1.2"),
    ],
)
def test_each_form_writes_its_values(value: Value, form: Form, shown: str) -> None:
    assert formatted(value, Column("x", "x", form)) == shown


# Renderers


def test_a_document_on_a_terminal() -> None:
    assert_golden("document.txt", text(Document(BLOCKS)))


def test_a_document_in_markdown() -> None:
    assert_golden("document.md", markdown.text(Document(BLOCKS)))


def test_columns_of_words_shrink_before_anything_is_cut() -> None:
    columns = [Column("name", "name", Form.TEXT), Column("j", "J"), Column("why", "why", Form.TEXT)]
    shown = text(Document([Table(columns, [Row({"name": "n" * 60, "j": 1.0, "why": "because of " * 8})])]))
    assert widest(shown) <= 80
    assert shown.count("n" * 10) > 1
    assert "1.00" in shown


@given(st.lists(st.text("x", min_size=1, max_size=30), min_size=8, max_size=12))
def test_a_table_too_wide_for_the_page_is_shown_row_by_row_and_no_number_is_cut(names: list[str]) -> None:
    columns = [Column(f"{place}", f"{name}{place}") for place, name in enumerate(names)]
    shown = text(Document([Table(columns, [Row({column.name: 1234567.0 for column in columns})])]))
    assert shown.count("1.2e+06") + shown.count("1230000") == len(columns)
    assert widest(shown) <= 80


def test_text_never_becomes_markup_of_markdown() -> None:
    assert markdown.text(Document([Paragraph(EVIL), Heading("`a`")])) == (
        '\\<b onclick="x()"\\>\\*bold\\* `code` \\[link\\](x)\\</b\\>\n\n### \\`a\\`\n'
    )
    assert markdown.text(Document([Note("``<b>` and `<i>")])) == "*\\``<b>` and \\`\\<i\\>*\n"
    (heading, rule, row) = markdown.text(Document([Table([key("a|b")], [Row({"a|b": "c|d\ne"})])])).splitlines()
    assert (heading, rule, row) == ("| a\\|b |", "| --- |", "| c\\|d\\\\ne |")


def test_text_never_becomes_markup_of_html() -> None:
    evil: list[Block] = [
        *(kind(EVIL) for kind in (Paragraph, Heading, Note, Alert, Code)),
        Findings([EVIL]),
        Facts([(EVIL, EVIL)], EVIL),
        Table([key("model", EVIL), key("b", EVIL)], [Row({"model": EVIL, "b": EVIL}, {"b": EVIL})], EVIL, {EVIL: EVIL}),
    ]
    page = Page(html.page(Report(EVIL, EVIL, [Section("s", EVIL, evil)])).text)
    assert not page.all("b")
    assert len(page.all("code")) == 5, "a command in each sentence, and the block of code"
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]
    assert "".join(page.text).replace("`", "").count(EVIL.replace("`", "")) == 20


def test_only_a_long_report_has_contents() -> None:
    short, long = (
        Page(html.page(Report("r", "", [Section("s", EVIL, [Paragraph("A sentence.")] * count)])).text)
        for count in (3, 30)
    )
    assert (len(short.all("nav")), len(long.all("nav"))) == (0, 1)
    assert [link["href"] for link in long.all("a")] == ["#s"]
    assert not long.all("b")


def test_a_phone_scrolls_numbers_and_stacks_texts() -> None:
    numbers = Table([Column(f"n{n}", "joules per image") for n in range(5)], [Row({"n1": 1.0})])
    texts = Table([key("flag"), key("meaning")], [Row({"flag": "contaminated", "meaning": "other programs ran " * 3})])
    small = Table([key("a"), key("b")], [Row({"a": "x", "b": "y"})])
    page = Page(html.page(Report("r", "", [Section("s", "s", [numbers, texts, small])])).text)
    assert [tag["class"] for tag in page.all("div")] == ["scrolls wide", "scrolls cards", "scrolls"]
    assert [cell["data-heading"] for cell in page.all("td") if "data-heading" in cell] == ["flag", "meaning"]


def test_a_page_counts_its_figures_and_describes_them() -> None:
    bar = {"data": {"values": [{"x": 1}]}, "mark": "bar", "encoding": {"x": {"field": "x", "type": "quantitative"}}}
    figures = [Figure(f"Figure of {name}", "A bar.", bar) for name in ("energy", "time")]
    report = Report("r", "", [Section(f"s{n}", f"{n}", [figure]) for n, figure in enumerate(figures)])
    page = Page(html.page(report).text)
    assert len(page.all("svg")) == 2
    assert [a["aria-label"] for _, a in page.tags if a.get("role") == "img"] == [
        "Figure of energy. A bar.", "Figure of time. A bar.",
    ]  # fmt: skip
    assert "Figure 2. Figure of time." in "".join(page.text)
    assert "**Figure 2. Figure of time.** A bar. (Drawn in HTML.)" in markdown.report(report)


def test_a_document_gives_scripts_its_first_table_unless_it_has_rows_or_a_record_of_its_own() -> None:
    assert Document(BLOCKS).records() == Document(BLOCKS).json() == TABLE.records()
    assert Document(BLOCKS, rows=[{"a": 1}]).records() == [{"a": 1}]
    assert Document(BLOCKS, record={"all": True}).json() == {"all": True}
    assert Document([Paragraph("nothing")]).records() == []
    assert Document(BLOCKS).findings == ["alexnet: batch 16 takes least.", "vgg11: cannot tell."]
