"""README and docs/ name only what exists: sweeps plan, commands parse or run, files and links are there."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token
from typer import Typer
from typer.main import get_command
from typer.testing import CliRunner

from farm.cli.app import app
from farm.settings import Settings
from farm.settings.origins import OF_COMPOSE
from farm.store.views import IDENTITY, ROWS, VIEWS, ViewColumn
from tests.contract.store_records import record
from tests.golden import UPDATE
from tests.reports import batching

ROOT = Path(__file__).parents[2]
DECISIONS = sorted((ROOT / "docs" / "decisions").glob("*.md"))
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "deploy/README.md")),
    *sorted((ROOT / "docs").glob("*.md")),
]
#: Pages whose code works without any other package; tests/acceptance/test_plugin.py runs that of the other one.
OWN = [page for page in PAGES if page.name != "extending.md"]
LONGEST = {"README.md": 150, "CONTRIBUTING.md": 150}
#: Options of other programs that the text names.
FOREIGN_OPTIONS = {"--profile"}
#: Commands that change nothing and end soon: they are run.
READERS = {
    *("across", "analyze", "compare", "export", "import", "init", "machines", "query", "report", "response"),
    *("results", "schema", "status", "submit"),
}
#: Sweeps and trials that the prepared home lacks: commands that name them are parsed only.
ABSENT = {"3f0c9a1be24d5e67.1", "quickstart", "serving", "serving-quick", "training"}


@dataclass(frozen=True)
class Page:
    """What a Markdown file contains."""

    path: Path
    tokens: Sequence[Token]

    @classmethod
    @cache
    def read(cls, path: Path) -> "Page":
        return cls(path, MarkdownIt("commonmark").enable("table").parse(path.read_text(encoding="utf-8")))

    @property
    def inline(self) -> Iterator[Token]:
        return (child for token in self.tokens for child in token.children or ())

    @property
    def code(self) -> list[str]:
        """Spans of code within the text."""
        return [token.content for token in self.inline if token.type == "code_inline"]

    @property
    def links(self) -> list[str]:
        return [str(token.attrs["href"]) for token in self.inline if token.type == "link_open"]

    @property
    def anchors(self) -> set[str]:
        titles = [
            after.content
            for token, after in zip(self.tokens, self.tokens[1:], strict=False)
            if token.type == "heading_open"
        ]
        return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}

    def blocks(self, language: str) -> list[str]:
        """Fenced blocks of a language; indented ones are `sh`."""
        return [
            token.content
            for token in self.tokens
            if (token.type == "fence" and token.info == language) or (token.type == "code_block" and language == "sh")
        ]

    @property
    def commands(self) -> list[list[str]]:
        """Each simple command of the shell blocks, in words."""
        lines = [line for block in self.blocks("sh") for line in block.replace("\\\n", " ").splitlines()]
        return [words for line in lines for words in simple_commands(line)]


def simple_commands(line: str) -> Iterator[list[str]]:
    """The commands of a line, without assignments and `sudo`; what follows `--` is a command too."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    words: list[str] = []
    for word in [*lexer, ";"]:
        if not re.fullmatch(r"[();<>|&]+|--", word):
            words.append(word)
            continue
        while words and (re.match(r"\w+=", words[0]) or words[0] == "sudo"):
            words.pop(0)
        if words:
            yield words
        words = []


def commands_of(program: str) -> list[list[str]]:
    """The arguments of each call of a program, on any page."""
    found = [words[1:] for page in OWN for words in Page.read(page).commands if Path(words[0]).name == program]
    return [list(words) for words in dict.fromkeys(map(tuple, found))]


@cache
def command_tree() -> Any:
    """The command line with the commands of other packages."""
    tree: Any = get_command(app)
    for entry in entry_points(group="wattfarm.commands"):
        joined = Typer()
        joined.command(entry.name)(entry.load())
        tree.commands[entry.name] = get_command(joined)
    return tree


def resolved(words: Sequence[str]) -> tuple[Any, list[str]]:
    """The command that words name, and its arguments."""
    command, rest = command_tree(), list(words)
    while rest and rest[0] in getattr(command, "commands", {}):
        command = command.commands[rest.pop(0)]
    assert command is not command_tree() or not rest or rest[0].startswith("-"), f"there is no `farm {' '.join(words)}`"
    return command, rest


def options(command: Any) -> set[str]:
    """Its options, and those of its commands."""
    own = {name for parameter in command.params for name in parameter.opts} | {"-h", "--help", "--debug"}
    return own.union(*(options(child) for child in getattr(command, "commands", {}).values()))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files that the pages name, and a farm that measured the sweeps that they name."""
    folder = tmp_path_factory.mktemp("docs")
    url = f"sqlite:///{folder / 'farm.db'}"
    for number, name in enumerate(("monday", "tuesday", "batching")):
        with batching(url, record().model_copy(update={"id": f"{number}" * 12, "name": name})):
            pass
    (folder / "sweep.yaml").write_text(Page.read(ROOT / "docs" / "sweeps.md").blocks("yaml")[0])
    (folder / "theirs.csv").write_text("Energy,Time,Host,Model,BS\n120,2.5,gpu7,alexnet,16\n")
    runs = [
        f"{10 + relu + lr + run / 10},{relu},{lr},{beta1}"
        for relu in (0, 1) for lr in (1, 2, 3) for beta1 in (1, 2) for run in range(4)
    ]  # fmt: skip
    (folder / "runs.csv").write_text("\n".join(["energy,relu,lr,beta1", *runs]))
    return folder


@pytest.fixture
def at_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FARM_HOME", str(home))
    monkeypatch.chdir(home)
    return home


@pytest.mark.parametrize("page", OWN, ids=lambda page: str(page.relative_to(ROOT)))
def test_each_sweep_is_planned(page: Path, at_home: Path) -> None:
    for text in Page.read(page).blocks("yaml"):
        (at_home / "written.yaml").write_text(text)
        done = CliRunner().invoke(app, ["submit", "--dry-run", "written.yaml"])
        assert done.exit_code == 0, f"{done.exception}\n{text}"


@pytest.mark.parametrize("words", commands_of("farm"), ids=" ".join)
def test_each_command_parses(words: list[str], at_home: Path) -> None:
    command, arguments = resolved(words)
    assert command.make_context(" ".join(words), arguments).command is command


@pytest.mark.parametrize(
    "words", [words for words in commands_of("farm") if words[0] in READERS and not ABSENT & set(words)], ids=" ".join
)
def test_each_command_that_reads_runs(words: list[str], at_home: Path) -> None:
    done = CliRunner().invoke(app, ["--dry-run" if word == "--wait" else word for word in words])
    assert done.exit_code == 0, done.exception


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_options_in_the_text_exist(page: Path) -> None:
    every = options(command_tree()) | FOREIGN_OPTIONS
    for code in Page.read(page).code:
        words = code.partition(" -- ")[0].split()
        if words[0] == "farm" and words[1:] and words[1].islower():
            command, _ = resolved([word for word in words[1:] if re.fullmatch("[a-z]+", word)][:2])
            assert {word for word in words if word.startswith("--")} <= options(command), code
        elif words[0].startswith("--"):
            assert words[0] in every, code


def test_each_command_is_documented() -> None:
    documented = Page.read(ROOT / "docs" / "commands.md").code
    tree = command_tree().commands
    names = [*(set(tree) - {"db"}), *(f"db {name}" for name in tree["db"].commands)]
    assert [name for name in names if not any(f"{code} ".startswith(f"farm {name} ") for code in documented)] == []


def test_each_setting_is_documented_and_no_other() -> None:
    known = {f"FARM_{name.upper()}" for name in Settings.model_fields}
    named = {name for page in PAGES for name in re.findall(r"\bFARM_[A-Z_]*[A-Z]\b(?!_)", page.read_text())}
    assert named - set(OF_COMPOSE) <= known
    assert known <= named


@pytest.mark.parametrize("page", [*PAGES, *DECISIONS], ids=lambda page: str(page.relative_to(ROOT)))
def test_each_link_leads_somewhere(page: Path) -> None:
    for link in Page.read(page).links:
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if link.startswith("https://"):
            continue
        assert target.exists(), link
        assert not anchor or anchor in Page.read(target).anchors, link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_each_file_that_is_named_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    named = set(re.findall(r"(?<![\w./-])(?:farm|workers|tests|deploy|docs)/[\w./-]*\w", text))
    placeholders = re.compile(r"\b[A-Z]{2,}\b(?!\.md)")
    assert [n for n in named if not placeholders.search(n) and not (ROOT / n).exists()] == []


def test_each_target_of_make_exists() -> None:
    made = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {name for words in commands_of("make") for name in words if not name.startswith("-")}
    spans = [code.split() for page in PAGES for code in Page.read(page).code]
    named |= {name for words in spans if words[0] == "make" for name in words[1:]}
    assert {"demo", "test"} <= named
    assert named <= made


@pytest.mark.parametrize("page", OWN, ids=lambda page: str(page.relative_to(ROOT)))
def test_other_code_is_well_formed(page: Path, home: Path) -> None:
    for text in Page.read(page).blocks("toml"):
        tomllib.loads(text)
    for text in Page.read(page).blocks("python"):
        env = {**os.environ, "FARM_HOME": str(home)}
        subprocess.run([sys.executable, "-c", text], check=True, cwd=home, env=env, capture_output=True)
    for text in Page.read(page).blocks("c"):
        if compiler := shutil.which("cc"):
            subprocess.run([compiler, "-fsyntax-only", "-Wall", "-x", "c", "-"], check=True, input=text, text=True)
    known = {"yaml", "sh", "toml", "python", "text", "c"}
    assert {token.info for token in Page.read(page).tokens if token.type == "fence"} <= known


def described_views() -> str:
    """The sections of docs/sql.md on the views: every column with its type and meaning."""

    def table(columns: Mapping[str, ViewColumn]) -> list[str]:
        rows = [f"| `{name}` | {column.type.__name__} | {column.meaning} |" for name, column in columns.items()]
        return ["| column | type | meaning |", "|---|---|---|", *rows, ""]

    lines = ["Every view has these columns; `v_point` has those up to `hardware_class`.", "", *table(IDENTITY)]
    for view, columns in VIEWS.items():
        own = {name: column for name, column in columns.items() if name not in IDENTITY}
        lines += [f"### {view}", "", f"{ROWS[view][0].upper()}{ROWS[view][1:]}.", "", *table(own)]
    return "\n".join(lines)


def test_every_column_of_every_view_is_described() -> None:
    page = ROOT / "docs" / "sql.md"
    before, heading, described = page.read_text(encoding="utf-8").partition("## The views\n\n")
    if os.environ.get(UPDATE):
        page.write_text(f"{before}{heading}{described_views()}", encoding="utf-8")
    else:
        assert described == described_views(), "run `pytest --update-golden`"


@pytest.mark.parametrize("name", LONGEST)
def test_papers_stay_short(name: str) -> None:
    assert len((ROOT / name).read_text(encoding="utf-8").splitlines()) <= LONGEST[name]
