"""Charts drawn as SVG and PNG, without a browser or a network."""

import json
import re
from collections.abc import Mapping
from html import escape
from types import ModuleType
from typing import Any

from farm.model.errors import InputError
from farm.report.document import Figure

#: Colours that a chart takes from its page; a separate chart is dark on white.
_PAGE_COLOUR = re.compile(r"var\(--\w+, (#\w+)\)|currentColor")
_INK, _PAPER = "#1b1f24", "white"
_PIXELS = 3  #: pixels of a PNG for each pixel of the chart


def drawn(spec: Mapping[str, Any]) -> str:
    """Return an SVG for a page; every function here raises InputError if the library is missing."""
    svg: str = library().vegalite_to_svg(dict(spec), allowed_base_urls=[])
    return svg


def alone(figure: Figure) -> str:
    """Return an SVG for a file of its own, which also says what it shows to readers who cannot see it."""
    head, end, rest = drawn(_on_paper(figure.spec)).partition(">")
    return f"{head}{end}<title>{escape(figure.name)}</title><desc>{escape(figure.caption)}</desc>{rest}"


def picture(spec: Mapping[str, Any]) -> bytes:
    """Return a PNG in a resolution for print."""
    png: bytes = library().vegalite_to_png(_on_paper(spec), scale=_PIXELS, allowed_base_urls=[])
    return png


def _on_paper(spec: Mapping[str, Any]) -> dict[str, Any]:
    text = _PAGE_COLOUR.sub(lambda colour: colour[1] or _INK, json.dumps({**spec, "background": _PAPER}))
    plain: dict[str, Any] = json.loads(text)
    return plain


def library() -> ModuleType:
    """Return the library that draws; raises InputError if it is missing."""
    try:
        import vl_convert  # noqa: PLC0415 - large, and for charts alone
    except ModuleNotFoundError:
        raise InputError("charts need vl-convert: pip install 'wattfarm[report]'") from None
    library: ModuleType = vl_convert
    return library
