"""`farm models` and `farm datasets`: what may stand in a sweep. Modules are imported on use."""

from typing import Annotated

import typer

from farm.cli.options import Json, as_form
from farm.cli.output import Shown

Pattern = Annotated[str | None, typer.Argument(metavar="PATTERN", help="A part of the names, or such as 'resnet*'.")]


def models(pattern: Pattern = None, as_json: Json = False) -> Shown:
    """List the networks that a sweep may name."""
    from farm.kinds import levels

    return Shown(levels.models(pattern), as_form(as_json))


def datasets(pattern: Pattern = None, as_json: Json = False) -> Shown:
    """List the data sets that a sweep may name."""
    from farm.kinds import levels

    return Shown(levels.datasets(pattern), as_form(as_json))
