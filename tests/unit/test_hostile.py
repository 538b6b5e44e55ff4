"""No text of others is obeyed: by a browser, by a renderer of Markdown, by a terminal."""

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from farm.cli import app
from farm.model.text import visible
from farm.report import html, markdown
from tests import hostile
from tests.contract.store_records import SWEEP
from tests.reports import Page

#: What our templates and the library that draws charts write.
TAGS = """
    a body caption code dd details div dl dt figcaption figure g h1 h2 h3 head header html li line main meta nav ol p
    path pre section small span strong style summary svg table tbody td text th thead title tr tspan ul"""
ATTRIBUTES = """
    aria-hidden aria-label aria-labelledby aria-roledescription charset class colspan content d data-heading display dy
    fill fill-opacity font-family font-size font-weight height href http-equiv id lang name opacity pointer-events role
    scope stroke stroke-dasharray stroke-linejoin stroke-miterlimit stroke-opacity stroke-width tabindex text-anchor
    transform version viewbox width x x2 xmlns xmlns:xlink y2"""
#: Attributes whose text is shown to readers.
SHOWN = {"aria-label", "data-heading"}


class Written(NamedTuple):
    """A report in two forms."""

    html: html.Page
    markdown: str


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Written]:
    found = hostile.reports(tmp_path_factory.mktemp("hostile"))
    return {name: Written(html.page(report), markdown.report(report)) for name, report in found}


def test_a_page_holds_attacks_as_text_only(reports: dict[str, Written]) -> None:
    for name, (made, _) in reports.items():
        page = Page(made.text)
        assert {tag for tag, _ in page.tags} <= set(TAGS.split()), name
        assert {attribute for _, own in page.tags for attribute in own} <= set(ATTRIBUTES.split()), name
        values = [(one, value or "") for _, own in page.tags for one, value in own.items() if one not in SHOWN]
        assert not [value for _, value in values if hostile.TITLE in value or "canary" in value or value == "49"], name
        assert all(re.fullmatch(r"#[a-z-]+", value) for one, value in values if one == "href"), name
        assert len(page.all("style")) == 1, name
        assert visible(made.text, "\n\t") == made.text, name


def test_a_page_shows_every_attack_and_every_figure(reports: dict[str, Written]) -> None:
    for name, (made, _) in reports.items():
        text = " ".join("".join(Page(made.text).text).split())
        assert made.notes == [], name
        missing = [kind for kind, attack in hostile.ATTACKS.items() if _words(attack) not in _words(text)]
        assert missing == [], name


def _words(text: str) -> str:
    """Without what a page takes as the layout of text: backticks of commands, spaces."""
    return re.sub(r"[`\s]|\\\\n", "", visible(text, "\n\t"))


def test_a_page_allows_no_script_and_no_request(reports: dict[str, Written]) -> None:
    for made, _ in reports.values():
        (policy,) = [one["content"] for one in Page(made.text).all("meta") if one.get("http-equiv")]
        assert policy == (
            "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
        )


def test_rendered_markdown_holds_attacks_as_text_only(reports: dict[str, Written]) -> None:
    renderer = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    for name, (_, text) in reports.items():
        tokens = list(_all(renderer.parse(text)))
        kinds = {token.type for token in tokens}
        assert not kinds & {"html_block", "html_inline", "image", "link_open"}, name
        headings = [after.content for token, after in pairwise(tokens) if token.type == "heading_open"]
        assert "forged" not in headings, name
        assert visible(text, "\n\t") == text, name


def _all(tokens: list[Token]) -> Iterator[Token]:
    for token in tokens:
        yield token
        yield from _all(token.children or [])


COMMANDS = (
    "list", "status", f"status {SWEEP}", f"status {SWEEP} --points", "machines", f"results {SWEEP}",
    f"results {SWEEP} --by machine,batch_size", "results", f"logs {SWEEP}", f"logs {SWEEP}-99", "timeline",
    f"across {SWEEP}",    f"analyze {SWEEP}", f"compare {SWEEP} {SWEEP}", f"report {SWEEP} --format md",
    f"results {SWEEP} --where nothing=1", "results nobody\x1b[2J", "status --json", "machines --json",
)  # fmt: skip


def test_no_command_prints_what_a_terminal_obeys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FARM_HOME", str(tmp_path))
    monkeypatch.setenv("FARM_DATABASE_URL", url := f"sqlite:///{tmp_path / 'farm.db'}")
    with hostile.stored(url, tmp_path):
        pass
    for name in ("atexit.register", "gc.set_threshold"):  # those of a process that ends with its command
        monkeypatch.setattr(f"farm.cli.app.{name}", lambda *_: None)
    seen = ""
    for command in COMMANDS:
        for debug in ([], ["--debug"]):
            monkeypatch.setattr("sys.argv", ["farm", *command.split(" "), *debug])
            with pytest.raises(SystemExit) as end:
                app.main()
            printed = "".join(capsys.readouterr())
            assert end.value.code in {0, 1, 2}, (command, printed)
            assert printed, command
            assert visible(printed, "\n\t") == printed, command
            seen += printed
    assert r"\x1b[2J\x1b]0;title\x07" in seen
