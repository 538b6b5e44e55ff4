"""Charts drawn as SVG and PNG, without a browser or a network, in a process of their own."""

import atexit
import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from html import escape
from importlib.util import find_spec
from math import isfinite
from signal import SIGALRM, Signals
from threading import Lock
from typing import Any

from farm.model.errors import InputError
from farm.model.text import LINES, clipped, visible
from farm.model.words import LARGEST_VALUE
from farm.report.document import Figure

#: Colours that a chart takes from its page; a separate chart is dark on white.
_PAGE_COLOUR = re.compile(r"var\(--\w+, (#\w+)\)|currentColor")
_INK, _PAPER = "#1b1f24", "white"
#: Limits of one chart: values in its data, and seconds to draw it.
MOST_VALUES, MOST_S = 30_000, 60.0
#: Characters of the library's words on what is wrong.
_MOST_WORDS = 200
_PROGRAM = "the program that draws charts"


@dataclass(frozen=True, slots=True)
class Undrawn:
    """What a report has in place of a drawing."""

    reason: str


def drawn(spec: Mapping[str, Any]) -> str | Undrawn:
    """Return an SVG for a page; every function here raises InputError if the library is missing."""
    found = _renderer().draw("svg", spec)
    return found if isinstance(found, Undrawn) else visible(found.decode(), LINES)


def alone(figure: Figure) -> str | Undrawn:
    """Return an SVG for a file of its own, which also says what it shows to readers who cannot see it."""
    found = drawn(_on_paper(figure.spec))
    if isinstance(found, Undrawn):
        return found
    head, end, rest = found.partition(">")
    name, caption = (escape(visible(text)) for text in (figure.name, figure.caption))
    return f"{head}{end}<title>{name}</title><desc>{caption}</desc>{rest}"


def picture(spec: Mapping[str, Any]) -> bytes | Undrawn:
    """Return a PNG in a resolution for print."""
    return _renderer().draw("png", _on_paper(spec))


def notes(figures: Sequence[Figure], drawings: Sequence[str | bytes | Undrawn]) -> list[str]:
    """Return a line for each figure that could not be drawn."""
    return [
        f"figure {number}, {figure.name}, is not drawn: {drawing.reason}"
        for number, (figure, drawing) in enumerate(zip(figures, drawings, strict=True), start=1)
        if isinstance(drawing, Undrawn)
    ]


def check() -> None:
    """Raise InputError if the library that draws is missing."""
    if find_spec("vl_convert") is None:
        raise InputError("charts need vl-convert: pip install 'wattfarm[report]'")


def _on_paper(spec: Mapping[str, Any]) -> dict[str, Any]:
    text = _PAGE_COLOUR.sub(lambda colour: colour[1] or _INK, json.dumps({**spec, "background": _PAPER}))
    plain: dict[str, Any] = json.loads(text)
    return plain


@cache
def _renderer() -> "Renderer":
    """Return the renderer that all charts share: its library takes a second to load."""
    check()
    renderer = Renderer()
    atexit.register(renderer.close)
    return renderer


@dataclass(slots=True)
class Renderer:
    """A process that draws one chart after the other; it is started on use, and again after it died.

    Threads may share a renderer.
    """

    limit_s: float = MOST_S  #: a chart that takes longer is given up
    _process: subprocess.Popen[bytes] | None = None
    _lock: Lock = field(default_factory=Lock)

    def draw(self, form: str, spec: Mapping[str, Any]) -> bytes | Undrawn:
        """Return a chart as svg or png, or why it could not be drawn."""
        values = sum(len(part.get("data", {}).get("values", ())) for part in (spec, *spec.get("layer", ())))
        if values > MOST_VALUES:
            return Undrawn(f"it has {values:,} values, and a chart shows at most {MOST_VALUES:,}")
        request = json.dumps({"form": form, "spec": _safe(spec), "limit_s": self.limit_s}).encode() + b"\n"
        with self._lock:
            return self._ask(request)

    def close(self) -> None:
        """End the process; the next use starts another."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.communicate()

    def _ask(self, request: bytes) -> bytes | Undrawn:
        try:
            process = self._process = self._process or _started()
        except OSError as error:
            return Undrawn(f"{_PROGRAM} does not start ({error.strerror})")
        if process.stdin is None or process.stdout is None:
            raise TypeError("the process that draws has no pipes")
        with suppress(BrokenPipeError):
            process.stdin.write(request)
            process.stdin.flush()
        head = process.stdout.readline()
        answer: dict[str, Any] = json.loads(head) if head.endswith(b"\n") else {"length": 1}
        drawing = process.stdout.read(answer["length"])
        if len(drawing) < answer["length"]:
            return Undrawn(self._end())
        problem = answer.get("problem")
        return drawing if problem is None else Undrawn(f"{_PROGRAM} says: {clipped(visible(problem), _MOST_WORDS)}")

    def _end(self) -> str:
        """Forget a process that died, and return why it did."""
        process, self._process = self._process, None
        if process is None:
            raise TypeError("no process has died")
        with suppress(BrokenPipeError):
            process.communicate()
        status = process.returncode
        if status == -SIGALRM:
            return f"{_PROGRAM} took longer than {self.limit_s:g} s"
        return f"{_PROGRAM} ended " + (f"with {Signals(-status).name}" if status < 0 else f"with exit status {status}")


def _started() -> subprocess.Popen[bytes]:
    """Start the process; -P: it imports nothing from the folder in which the user works."""
    command = [sys.executable, "-P", "-m", "farm.report.chart_process"]
    environment = os.environ | {"RUST_BACKTRACE": "0"}
    pipe = subprocess.PIPE
    return subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL)


def _safe(value: Any) -> Any:
    """Return a part of a chart with visible text, and without numbers that no scale has room for."""
    match value:
        case str():
            return visible(value, LINES)
        case float():
            return value if isfinite(value) and abs(value) <= LARGEST_VALUE else None
        case Mapping():
            return {name: _safe(own) for name, own in value.items()}
        case list() | tuple():
            return [_safe(own) for own in value]
    return value
