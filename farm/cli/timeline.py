"""`farm timeline`. Modules are imported on use, so that help is fast."""

from typing import Annotated

import typer

from farm.cli.options import (
    AnySweep,
    DomainName,
    FormatName,
    IncludeFlagged,
    Json,
    Output,
    Raw,
    Where,
    selection,
    table_format,
)
from farm.cli.output import Shown, opened


def timeline(
    sweep: AnySweep = None,
    *,
    accuracy: Annotated[
        str,
        typer.Option(metavar="NAME", help="Published with v1 weights, nearest to the papers, or the default ones."),
    ] = "v1",
    of: Annotated[
        str | None, typer.Option("--of", metavar="NAME", help="net or gross J; default net where all are known.")
    ] = None,
    where: Where = None,
    domain: DomainName = None,
    include_flagged: IncludeFlagged = False,
    form: FormatName = None,
    output: Output = None,
    as_json: Json = False,
    raw: Raw = False,
) -> Shown:
    """Set joules per image against accuracy and year of publication."""
    from farm.exchange.loading import load
    from farm.studies import timeline_view

    chosen = table_format(form, output, as_json, raw)
    weights, figure = timeline_view.parse_accuracy(accuracy), timeline_view.parse_figure(of)
    selected = selection(where, domain, include_flagged)
    with opened() as (store, _):
        data = load(store, store.find_sweep(sweep), domain=selected.domain)
    return Shown(timeline_view.document(timeline_view.view(data, selected, weights, figure)), chosen, output)
