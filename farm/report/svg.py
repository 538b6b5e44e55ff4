"""Charts drawn as SVG and PNG, without a browser or a network."""

import json
import re
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from farm.model.errors import InputError

#: A chart in a page has the page's colours; one by itself is dark on white.
_OF_PAGE = re.compile(r"var\(--\w+, (#\w+)\)|currentColor")
_INK, _PAPER = "#1b1f24", "white"
_PIXELS = 3  #: of a PNG to one of the chart


def drawn(spec: Mapping[str, Any]) -> str:
    """An SVG to stand inside a page; raises InputError where the library is missing, as all of these do."""
    svg: str = library().vegalite_to_svg(dict(spec), allowed_base_urls=[])
    return svg


def alone(spec: Mapping[str, Any]) -> str:
    """An SVG to stand by itself."""
    return drawn(_on_paper(spec))


def picture(spec: Mapping[str, Any]) -> bytes:
    """A PNG, sharp enough to print."""
    png: bytes = library().vegalite_to_png(_on_paper(spec), scale=_PIXELS, allowed_base_urls=[])
    return png


def _on_paper(spec: Mapping[str, Any]) -> dict[str, Any]:
    text = _OF_PAGE.sub(lambda colour: colour[1] or _INK, json.dumps({**spec, "background": _PAPER}))
    plain: dict[str, Any] = json.loads(text)
    return plain


def library() -> ModuleType:
    """That draws; raises InputError where it is missing."""
    try:
        import vl_convert  # noqa: PLC0415 - large, and for charts alone
    except ModuleNotFoundError:
        raise InputError("charts need vl-convert: pip install 'wattfarm[report]'") from None
    library: ModuleType = vl_convert
    return library
