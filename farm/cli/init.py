"""`farm init` and `farm schema`: how a sweep file begins. Modules are imported on use."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from farm.cli.output import Line, Shown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from farm.report.document import Document


def schema() -> Line:
    """Print the JSON Schema of a sweep, for editors."""
    from farm.kinds import json_schema

    return Line("", json_schema(), as_json=True)


def init(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="A ready-made sweep; without it all are listed.")
    ] = None,
) -> Line | Shown:
    """Copy a ready-made sweep into the current folder."""
    from farm.kinds import ready_made

    if name is None:
        return Shown(_listed(ready_made.described()))
    if name == "list":
        return Line("\n".join(ready_made.names()))
    path = ready_made.copy(name, Path.cwd()).name
    return Line(f"wrote {path}: edit it, then `farm run {path}`")


def _listed(described: "Mapping[str, str]") -> "Document":
    from farm.report.document import Column, Document, Form, Paragraph, Row, Table

    columns = [Column("name", "sweep", Form.TEXT), Column("question", "", Form.TEXT)]
    rows = [Row({"name": name, "question": question}) for name, question in described.items()]
    how = "`farm init NAME` copies one into the current folder. Those that end in -quick take minutes on a laptop."
    return Document([Table(columns, rows), Paragraph(how)])
