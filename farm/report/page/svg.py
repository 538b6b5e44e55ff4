"""Charts drawn as SVG, without a browser or a network."""

from collections.abc import Mapping
from typing import Any

from farm.errors import InputError


def drawn(spec: Mapping[str, Any]) -> str:
    """An SVG to stand inside a page; raises InputError where the library is missing."""
    try:
        import vl_convert  # noqa: PLC0415 - large, and for charts alone
    except ModuleNotFoundError:
        raise InputError("charts need vl-convert: pip install 'wattfarm[report]'") from None
    svg: str = vl_convert.vegalite_to_svg(dict(spec), allowed_base_urls=[])
    return svg
