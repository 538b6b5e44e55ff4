"""Options that several commands share, and what they say."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from farm.model import CarbonFactor
    from farm.report.files import Format
    from farm.report.selection import Selection

SweepFile = Annotated[Path, typer.Argument(metavar="SWEEP.yaml", help="The sweep to measure.")]
Fresh = Annotated[bool, typer.Option("--fresh", help="Measure all points again; older results stay.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print the plan, and do nothing.")]
AllowModels = Annotated[
    list[str] | None,
    typer.Option("--allow-models", metavar="NAMES", help="Run networks of this package too: my_package.*"),
]
When = Annotated[
    str | None,
    typer.Option("--when", metavar="CONDITION", help="Hold the jobs until 'carbon < 200' (g/kWh, FARM_CARBON_NOW)."),
]
Deadline = Annotated[
    str | None, typer.Option("--deadline", metavar="DURATION", help="Hold them no longer than that; default 24h.")
]
AnySweep = Annotated[str | None, typer.Argument(metavar="SWEEP", help="A sweep's name or id; default the latest.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]
FormatName = Annotated[
    str | None, typer.Option("--format", metavar="NAME", help="table, csv, json or parquet; default FILE's suffix.")
]
Output = Annotated[Path | None, typer.Option("-o", "--output", metavar="FILE", help="Write to this file.")]
Raw = Annotated[bool, typer.Option("--raw", help="In CSV, keep text that a spreadsheet computes: =A1+1.")]
Where = Annotated[
    list[str] | None,
    typer.Option(
        "--where", metavar="NAME=VALUE", help="Use only these trials: model=alexnet, 'batch_size>=8'; repeatable."
    ),
]
DomainName = Annotated[
    str | None, typer.Option("--domain", metavar="NAME", help="gpu, cpu, dram or wall; default the trial's own device.")
]
CountryCode = Annotated[
    str | None,
    typer.Option("--country", metavar="CODE", help="Compute grams as if all electricity was of this country: DEU."),
]
IncludeFlagged = Annotated[bool, typer.Option("--include-flagged", help="Use flagged trials too.")]

NoChart = Annotated[bool, typer.Option("--no-chart", help="Leave out the chart that a terminal shows.")]


def share(text: str) -> float:
    """Read a share such as 5% or 0.05; raises BadParameter, which ends the command with one line."""
    from farm.model import durations

    percent = durations.share(text)
    try:
        return float(text) if percent is None else percent
    except ValueError:
        raise typer.BadParameter(f"expected a share such as 5% or 0.05, got {text!r}") from None


def as_form(as_json: bool) -> "Format | None":
    """The form of what has no rows: JSON for scripts, or for people."""
    from farm.report.files import Format

    return Format.JSON if as_json else None


def table_format(form: str | None, output: Path | None, as_json: bool, raw: bool = False) -> "Format":
    """The format of a table: --json, --format, or the suffix of the file; raises InputError."""
    from farm.report import files

    return as_raw(files.chosen("json" if as_json else form, output, files.FORMATS), raw)


def as_raw(form: "Format", raw: bool) -> "Format":
    """The format that --raw makes of CSV; raises InputError for another one."""
    from farm.model.errors import InputError
    from farm.report.files import Format

    if raw and form is not Format.CSV:
        raise InputError("--raw is for CSV: add --format csv, or -o FILE.csv")
    return Format.RAW if raw else form


def carbon_of(country: str | None) -> "CarbonFactor | None":
    """The carbon intensity that --country asks for; raises InputError for a country without a known one."""
    from farm.model import CarbonFactor, CarbonSource
    from farm.model.errors import InputError

    if country is None:
        return None
    try:
        stated = CarbonSource(country=country.upper()).looked_up()
    except InputError:
        raise InputError(
            f"--country: no intensity is known for {country!r}: expected an ISO 3166 alpha-3 code such as NLD"
        ) from None
    return CarbonFactor(stated.g_per_kwh, source=f"{stated.source}, by --country")


def selection(
    where: list[str] | None,
    domain: str | None,
    include_flagged: bool = False,
    by: str | None = None,
    option: str = "--where",
) -> "Selection":
    """The trials that --where, --domain and --include-flagged leave, and what --by groups them by."""
    from farm.report.selection import Selection

    return Selection.parse(by, where or [], domain, include_flagged, option=option)
