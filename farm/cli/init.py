"""`farm init` and `farm schema`: how a sweep file begins. Modules are imported on use."""

from pathlib import Path
from typing import Annotated

import typer

from farm.cli.output import Line


def schema() -> Line:
    """Print the JSON Schema of a sweep, for editors."""
    from farm.kinds import json_schema

    return Line("", json_schema(), as_json=True)


def init(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A ready-made sweep; `farm init list` names them.")],
) -> Line:
    """Copy a ready-made sweep into the current folder."""
    from farm.kinds import ready_made

    if name == "list":
        return Line("\n".join(ready_made.names()))
    path = ready_made.copy(name, Path.cwd()).name
    return Line(f"wrote {path}: edit it, then `farm run {path}`")
