"""`farm import`. Modules are imported on use, so that help is fast."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from farm.cli.output import Line, opened

if TYPE_CHECKING:
    from farm.model import Import


def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV or Parquet: a row a trial in one domain.")],
    *,
    columns: Annotated[
        list[str] | None,
        typer.Option(
            "--map",
            metavar="OURS=COLUMN",
            help="gross_j, net_j, net_j_low, net_j_high, duration_s, units, accuracy, machine, hardware_class, "
            "domain, quality or repetition; may be repeated. Columns of these names need none.",
        ),
    ] = None,
    factor: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME[=COLUMN]", help="A factor, and its column's name; may be repeated."),
    ] = None,
    unit: Annotated[str, typer.Option(metavar="NAME", help="Unit of the work: image, step, ...")] = "run",
    units: Annotated[int, typer.Option(min=1, max=10**15, help="Units of work in each row.")] = 1,
    machine: Annotated[str | None, typer.Option(metavar="NAME", help="The machine that measured all rows.")] = None,
    hardware_class: Annotated[
        str | None, typer.Option("--hardware-class", metavar="NAME", help="The hardware class of that machine.")
    ] = None,
    domain: Annotated[
        str | None, typer.Option(metavar="NAME", help="The domain of all rows: gpu, cpu, dram or wall.")
    ] = None,
    quality: Annotated[
        str, typer.Option(metavar="NAME", help="The quality of the joules: counter, sampled, modelled or unknown.")
    ] = "unknown",
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="The name of the sweep; default the name of the file.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would be imported, store nothing.")] = False,
) -> Line:
    """Take measurements made elsewhere, as a sweep marked imported."""
    from farm.exchange import importing
    from farm.exchange.importing import UNKNOWN, parse_pairs
    from farm.model import Domain, Mapped, Quality
    from farm.model.errors import InputError

    for option, value, known in (("--domain", domain, tuple(Domain)), ("--quality", quality, (*Quality, UNKNOWN))):
        if value is not None and value not in known:
            raise InputError(f"{option}: expected {', '.join(known)}, got {value!r}")
    mapping = parse_pairs("--map", columns or [])
    given = {"machine": machine, "hardware_class": hardware_class, "domain": domain, "quality": quality}
    constants = {role: value for role, value in given.items() if value is not None and role not in mapping}
    if quality == UNKNOWN:
        constants.pop("quality", None)
    if units > 1 and "units" not in mapping:
        constants["units"] = str(units)
    factors = parse_pairs("--factor", factor or [], is_name_enough=True)
    found = importing.read(file, name, Mapped(mapping, factors, unit, constants))
    if dry_run:
        return Line(f"would import {_described(found)}")
    with opened(create=True) as (store, settings):
        if store.add_import(found, settings.submitter):
            return Line(f"imported {_described(found)}")
        stored = store.find_sweep(found.id).name
    return Line(f"is there already: {_described(replace(found, name=stored))}")


def _listed(names: list[str], most: int = 5) -> str:
    """Return the names, or the first of them and how many there are."""
    return ", ".join(names) if len(names) <= most else f"{', '.join(names[:most])} and {len(names) - most} more"


def _described(found: "Import") -> str:
    from farm.report.numbers import several

    points = len({str(sorted(t.factors.items(), key=str)) for t in found.trials})
    machines = sorted({t.machine for t in found.trials})
    qualities = sorted({t.quality or "unknown" for t in found.trials})
    known = [
        word
        for word, is_there in (
            ("gross joules", any(t.gross_j is not None for t in found.trials)),
            ("net joules", any(t.net_j is not None for t in found.trials)),
            ("seconds", any(t.duration_s is not None for t in found.trials)),
        )
        if is_there
    ]
    return (
        f"{found.name} ({found.id}): {several(len(found.trials), 'trial')} of {several(points, 'point')} "
        f"on {_listed(machines)}\n"
        f"{' and '.join(sorted({t.domain for t in found.trials}))} joules, quality {', '.join(qualities)}: "
        f"{', '.join(known)} of each {found.mapped.unit}; what the file does not give stays unknown"
    )
