"""`farm query`. Modules are imported on use, so that help is fast."""

from typing import Annotated

import typer

from farm.cli.options import FormatName, Json, Output, table_format
from farm.cli.output import Shown, opened


def query(
    statement: Annotated[
        str | None, typer.Argument(metavar="SQL", help='"select ..." of the views; without it the views are described.')
    ] = None,
    limit: Annotated[int, typer.Option(min=1, metavar="ROWS", help="Return at most so many rows.")] = 10_000,
    form: FormatName = None,
    output: Output = None,
    as_json: Json = False,
) -> Shown:
    """Ask the database in SQL; it can only be read."""
    from farm.exchange import queried

    chosen = table_format(form, output, as_json)
    if statement is None:
        return Shown(queried.views(), chosen, output)
    with opened() as (store, _):
        found = store.query(statement, limit)
    notes = (f"farm: note: only the first {limit} rows: --limit {10 * limit} gives more",) if found.is_cut else ()
    return Shown(queried.document(found), chosen, output, notes)
