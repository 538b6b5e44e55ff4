"""`farm across`. Modules are imported on use, so that help is fast."""

from typing import Annotated

import typer

from farm.cli.options import (
    CountryCode,
    DomainName,
    FormatName,
    IncludeFlagged,
    Json,
    Output,
    Raw,
    Where,
    carbon_of,
    selection,
    table_format,
)
from farm.cli.output import Shown, opened


def across(
    sweeps: Annotated[
        list[str] | None, typer.Argument(metavar="SWEEP...", help="Names or ids of sweeps; default the latest.")
    ] = None,
    *,
    by: Annotated[
        str | None, typer.Option(metavar="NAMES", help="Factors that make a configuration: model,batch_size.")
    ] = None,
    relative_to: Annotated[
        str | None,
        typer.Option(
            "--relative-to",
            metavar="NAME=VALUE",
            help="Show ratios to this configuration on the same machine: batch_size=1.",
        ),
    ] = None,
    of: Annotated[
        str | None, typer.Option("--of", metavar="NAME", help="Compare net, gross, seconds or grams; default net.")
    ] = None,
    median: Annotated[
        bool, typer.Option("--median", help="Show medians and their intervals; files have both.")
    ] = False,
    where: Where = None,
    domain: DomainName = None,
    include_flagged: IncludeFlagged = False,
    country: CountryCode = None,
    form: FormatName = None,
    output: Output = None,
    as_json: Json = False,
    raw: Raw = False,
) -> Shown:
    """Compare configurations across machines and sweeps."""
    from farm.exchange.loading import count_once, load
    from farm.model import Need
    from farm.report import across as report

    chosen = table_format(form, output, as_json, raw)
    selected = selection(where, domain, include_flagged, by)
    reference, figure = report.parse_reference(relative_to), report.parse_figure(of)
    carbon = carbon_of(country)
    with opened() as (store, _):
        found = [store.find_sweep(name) for name in sweeps] if sweeps else [store.find_sweep()]
        distinct = list({sweep.id: sweep for sweep in found}.values())
        data = count_once(load(store, sweep, (Need.MEASURES,), selected.domain, carbon) for sweep in distinct)
    return Shown(report.document(report.view(data, selected, reference, figure, median)), chosen, output)
