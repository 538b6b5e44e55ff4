"""Reports of hostile text in a real browser: no script of theirs runs, and nothing is requested."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import NamedTuple

import pytest
from markdown_it import MarkdownIt

from farm.report import html, markdown
from tests import hostile

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
#: Without it a page has nothing but its escaping.
_POLICY = re.compile(r'<meta http-equiv="Content-Security-Policy"[^>]*>')

pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")]


class Looked(NamedTuple):
    """What became of a page in the browser."""

    dom: str
    log: list[str]  #: lines of the console
    requests: list[str]


class Browser:
    """Chromium without a window, and the server that attacks want it to ask."""

    def __init__(self, folder: Path) -> None:
        requests = self.requests = list[str]()

        class Noted(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                requests.append(self.path)
                self.send_error(404)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
                pass

        self.folder, self.server = folder, ThreadingHTTPServer(("127.0.0.1", 0), Noted)
        Thread(target=self.server.serve_forever, daemon=True).start()

    def look(self, page: str) -> Looked:
        self.requests.clear()
        file = self.folder / "page.html"
        file.write_text(page.replace(hostile.CANARY, f"http://127.0.0.1:{self.server.server_port}/canary"))
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        options += [
            f"--user-data-dir={self.folder / 'profile'}",
            "--enable-logging=stderr",
            "--virtual-time-budget=2000",
        ]
        assert CHROMIUM is not None
        done = subprocess.run(
            [CHROMIUM, *options, "--dump-dom", file.as_uri()], capture_output=True, text=True, check=True, timeout=120
        )
        log = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
        return Looked(done.stdout, log, list(self.requests))


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    browser = Browser(tmp_path_factory.mktemp("browser"))
    yield browser
    browser.server.shutdown()
    browser.server.server_close()


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    renderer = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    found: dict[str, str] = {}
    for name, report in hostile.reports(tmp_path_factory.mktemp("hostile")):
        found[name] = html.page(report).text
        found[f"{name} of Markdown"] = f"<!DOCTYPE html><title>x</title>{renderer.render(markdown.report(report))}"
    return found


@pytest.mark.parametrize("kind", ["script", "handler", "svg", "style", "end"])
def test_an_attack_that_is_not_escaped_is_noticed(browser: Browser, kind: str) -> None:
    begin = {"svg": "<svg><text>", "style": "<style>", "end": "<table><td>"}.get(kind, "")
    seen = browser.look(f"<!DOCTYPE html><title>x</title>{begin}{hostile.ATTACKS[kind]}")
    assert f"<title>{hostile.TITLE}</title>" in seen.dom or seen.requests


def test_no_report_obeys_an_attack_even_without_its_policy(browser: Browser, pages: dict[str, str]) -> None:
    for name, page in pages.items():
        for shown in (page, _POLICY.sub("", page)):
            seen = browser.look(shown)
            assert f"<title>{hostile.TITLE}</title>" not in seen.dom, name
            assert (seen.requests, seen.log) == ([], []), name
