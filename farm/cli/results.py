"""`farm results` and `farm export`. Modules are imported on use, so that help is fast."""

from collections.abc import Iterator
from typing import Annotated

import typer

from farm.cli.options import AnySweep, DomainName, FormatName, IncludeFlagged, Json, Output, Where, table_format
from farm.cli.output import Rows, Shown, opened


def results(
    sweep: AnySweep = None,
    *,
    by: Annotated[str | None, typer.Option(metavar="NAMES", help="Group by these: model,batch_size,machine.")] = None,
    where: Where = None,
    domain: DomainName = None,
    include_flagged: IncludeFlagged = False,
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
    from farm.scheduling.status import revisions

    chosen = table_format(form, output, as_json)
    selected = Selection.parse(by, where or [], domain, include_flagged, target_accuracy or [])
    with opened() as (store, _):
        record = store.find_sweep(sweep)
        notes = revisions.note(store.other_revisions(record.name, record.id))
        if budget:
            data = load(store, record, (Need.WORK,), selected.domain)
            return Shown(views.uncertainty(data, selected), chosen, output, notes)
        data = load_results(store, record, selected.domain)
    return Shown(views.view(data, selected), chosen, output, notes)


def export(
    sweep: AnySweep = None,
    *,
    rows: Annotated[
        str, typer.Option("--rows", metavar="NAME", help="measurement (window x domain), batch or request.")
    ] = "measurement",
    form: FormatName = None,
    output: Output = None,
) -> Iterator[Rows]:
    """Write all that was measured, row by row."""
    from farm.exchange import exports
    from farm.report import files
    from farm.report.selection import parse_choice

    wanted = parse_choice("--rows", rows, exports.Rows)
    chosen = files.chosen(form, output, files.FLAT)
    with opened() as (store, _):
        yield Rows(exports.exported(store, store.find_sweep(sweep), wanted), chosen, output)
