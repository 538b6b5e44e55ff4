"""`farm results` and `farm export`. Modules are imported on use, so that help is fast."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated

import typer

from farm.cli.options import (
    AnySweep,
    CountryCode,
    DomainName,
    FormatName,
    IncludeFlagged,
    Json,
    NoChart,
    Output,
    Raw,
    Where,
    as_raw,
    carbon_of,
    share,
    table_format,
)
from farm.cli.output import Rows, Shown, is_terminal, opened
from farm.cli.status import planned


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
            parser=share,
            help="Show the joules until this accuracy, such as 90%; may be repeated.",
        ),
    ] = None,
    budget: Annotated[
        bool, typer.Option("--budget", help="Show where the uncertainty of net joules comes from.")
    ] = False,
    no_chart: NoChart = False,
    form: FormatName = None,
    output: Output = None,
    as_json: Json = False,
    raw: Raw = False,
) -> Shown:
    """Print results, grouped and summed up."""
    from farm.exchange.loading import load, load_results
    from farm.kinds import views
    from farm.model import Need
    from farm.report.selection import Selection
    from farm.scheduling.status import progress, revisions

    chosen = table_format(form, output, as_json, raw)
    selected = Selection.parse(by, where or [], domain, include_flagged, target_accuracy or [])
    carbon = carbon_of(country)
    with opened() as (store, _):
        record = store.find_sweep(sweep)
        notes = revisions.note(store.other_revisions(record.name, record.id))
        if budget:
            data = load(store, record, (Need.WORK,), selected.domain, carbon)
            return Shown(views.uncertainty(data, selected), chosen, output, notes)
        data = load_results(store, record, selected.domain, carbon)
        so_far = progress.in_progress(store.progress(record.id, planned(store, record)), datetime.now(UTC))
    found = views.view(data, selected)
    shown = found.without_charts() if no_chart else found
    return Shown(shown, chosen, output, [*(f"farm: note: {line}" for line in so_far), *notes])


def export(
    sweep: AnySweep = None,
    *,
    rows: Annotated[
        str, typer.Option("--rows", metavar="NAME", help="measurement (window x domain), batch, request or epoch.")
    ] = "measurement",
    country: CountryCode = None,
    form: Annotated[
        str | None,
        typer.Option("--format", metavar="NAME", help="csv, json or parquet; default FILE's suffix, or csv."),
    ] = None,
    output: Output = None,
    raw: Raw = False,
) -> Iterator[Rows | Shown]:
    """Write all that was measured, row by row."""
    from farm.exchange import exports
    from farm.report import files
    from farm.report.selection import parse_choice

    wanted = parse_choice("--rows", rows, exports.Rows)
    chosen, carbon = as_raw(files.chosen(form, output, files.FLAT), raw), carbon_of(country)
    with opened() as (store, _):
        sheet = exports.exported(store, store.find_sweep(sweep), wanted, carbon)
        if form is None and output is None and is_terminal():
            yield Shown(exports.preview(sheet))
        else:
            yield Rows(sheet, chosen, output)
