"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

AnySweep = Annotated[str | None, typer.Argument(metavar="SWEEP", help="A sweep's name or id; default the latest.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]
FormatName = Annotated[
    str | None, typer.Option("--format", metavar="NAME", help="table, csv, json or parquet; default FILE's suffix.")
]
Output = Annotated[Path | None, typer.Option("-o", "--output", metavar="FILE", help="Write to this file.")]
Where = Annotated[
    list[str] | None, typer.Option("--where", metavar="NAME=VALUE", help="Only these trials; may be repeated.")
]
DomainName = Annotated[
    str | None, typer.Option("--domain", metavar="NAME", help="gpu, cpu, dram or wall; default the trial's own device.")
]
IncludeFlagged = Annotated[bool, typer.Option("--include-flagged", help="Also trials that a flag leaves out.")]
