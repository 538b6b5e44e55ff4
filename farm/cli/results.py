"""`farm results` and `farm export`. Modules are imported on use, so that help is fast."""

from collections.abc import Iterator
from typing import Annotated

import typer

from farm.cli.options import (
    AnySweep,
    CountryCode,
    DomainName,
    FormatName,
    IncludeFlagged,
    Json,
    Output,
    Where,
    carbon_of,
    table_format,
)
from farm.cli.output import Rows, Shown, opened


def results(
    sweep: AnySweep = None,
    *,
    by: Annotated[str | None, typer.Option(metavar="NAMES", help="Group by these: model,batch_size,machine.")] = None,
    where: Where = None,
    domain: DomainName = None,
    include_flagged: IncludeFlagged = False,
    country: CountryCode = None,
    target_accuracy: Annotated[
        list[float] | None,
        typer.Option(
            "--target-accuracy",
            metavar="SHARE",
            help="Show the joules until this accuracy, such as 0.9; may be repeated.",
        ),
    ] = None,
    budget: Annotated[
        bool, typer.Option("--budget", help="Show where the uncertainty of net joules comes from.")
    ] = False,
    form: FormatName = None,
    output: Output = None,
    as_json: Json = False,
) -> Shown:
    """Print results, grouped and summed up."""
    from farm.exchange.loading import load, load_results
    from farm.kinds import views
    from farm.model import Need
    from farm.report.selection import Selection

    chosen = table_format(form, output, as_json)
    selected = Selection.parse(by, where or [], domain, include_flagged, target_accuracy or [])
    carbon = carbon_of(country)
    with opened() as (store, _):
        record = store.find_sweep(sweep)
        if budget:
            data = load(store, record, (Need.WORK,), selected.domain, carbon)
            return Shown(views.uncertainty(data, selected), chosen, output)
        data = load_results(store, record, selected.domain, carbon)
    return Shown(views.view(data, selected), chosen, output)


def export(
    sweep: AnySweep = None,
    *,
    rows: Annotated[
        str, typer.Option("--rows", metavar="NAME", help="measurement (window x domain), batch or request.")
    ] = "measurement",
    country: CountryCode = None,
    form: FormatName = None,
    output: Output = None,
) -> Iterator[Rows]:
    """Write all that was measured, row by row."""
    from farm.exchange import exports
    from farm.report import files
    from farm.report.selection import parse_choice

    wanted = parse_choice("--rows", rows, exports.Rows)
    chosen, carbon = files.chosen(form, output, files.FLAT), carbon_of(country)
    with opened() as (store, _):
        yield Rows(exports.exported(store, store.find_sweep(sweep), wanted, carbon), chosen, output)
