"""`farm report`. Modules are imported on use, so that help is fast."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from farm.cli.options import CountryCode, IncludeFlagged, carbon_of
from farm.cli.output import Written, opened

if TYPE_CHECKING:
    from farm.studies.paper.material import Material
    from farm.studies.reproduction import Reproduction

FORMATS = ("html", "md", "json")


def report(
    sweeps: Annotated[
        list[str] | None, typer.Argument(metavar="SWEEP...", help="Names or ids of sweeps; default the latest.")
    ] = None,
    *,
    form: Annotated[
        str | None, typer.Option("--format", metavar="NAME", help="html, md or json; default FILE's suffix.")
    ] = None,
    trial: Annotated[
        list[str] | None,
        typer.Option(
            metavar="JOB.ATTEMPT", help="Show the power trace of this trial; may be repeated; default one a device."
        ),
    ] = None,
    include_flagged: IncludeFlagged = False,
    country: CountryCode = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", help="Write to this file; html needs one.")
    ] = None,
    charts: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Write each chart there too, as SVG and PNG.")
    ] = None,
) -> Written:
    """Write sweeps up as a paper would: one file to read or print."""
    from farm.cli.loading import load_material, load_report
    from farm.model.errors import redacted

    chosen, carbon = chosen_format(form, output), carbon_of(country)
    with opened() as (store, settings):
        found = [store.find_sweep(name) for name in sweeps] if sweeps else [store.find_sweep()]
        distinct = list({sweep.id: sweep for sweep in found}.values())
        data, database = load_report(store, distinct, carbon), redacted(settings.store_url)
        material = load_material(store, data, trial or [], database, datetime.now(UTC), include_flagged)
        del data  # drawing charts takes memory too
    written = write(material, chosen, output)
    return written if charts is None else replace(written, notes=[*written.notes, *_draw(material, charts)])


def chosen_format(name: str | None, path: Path | None) -> str:
    """html, md or json: as asked for, or as the file's suffix has it; raises InputError."""
    from farm.model.errors import InputError

    suffix = path.suffix.removeprefix(".").lower() if path is not None else ""
    if name is None and path is None:
        raise InputError("a report is a file: add -o report.html, or --format md or json to print it")
    if (name or suffix) not in FORMATS:
        if name is not None:
            raise InputError(f"--format: expected {', '.join(FORMATS)}, got {name!r}")
        raise InputError(f"{path}: expected a name that ends in .html, .md or .json, or --format")
    if name == "html" and path is None:
        raise InputError("--format html needs a file: add -o report.html")
    return name or suffix


def write(material: "Material", form: str, path: Path | None, claims: "Reproduction | None" = None) -> Written:
    """The report; with the claims of a study, where it is about one."""
    from farm.report import html, markdown
    from farm.report.files import json_text
    from farm.studies.paper import record, sections

    if claims is None:
        document, own = sections.document(material), {}
    else:
        from farm.studies import reproduction_view as view

        document = sections.document(material, view.sections(claims), f"Repeated: {claims.paper.title}")
        own = {"reproduction": view.record(claims)}
    if form == "json":
        return Written(json_text(record.report_record(material) | own), path)
    if form == "md":
        return Written(markdown.report(document), path)
    page = html.page(document)
    return Written(page.text, path, page.notes)


def _draw(material: "Material", folder: Path) -> list[str]:
    """Every chart by itself, numbered as in the report; returns what was done, and which could not be drawn."""
    from farm.model.errors import InputError
    from farm.report import svg
    from farm.report.files import write_bytes, write_text
    from farm.report.numbers import several
    from farm.studies.paper import sections

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"--charts: {folder}: {error.strerror or error}") from None
    figures = sections.document(material).figures
    drawings: list[bytes | svg.Undrawn] = []
    for number, figure in enumerate(figures, start=1):
        drawing, picture = svg.alone(figure), svg.picture(figure.spec)
        if isinstance(drawing, str) and isinstance(picture, bytes):
            write_text(drawing, folder / f"figure-{number}.svg")
            write_bytes(picture, folder / f"figure-{number}.png")
        drawings.append(drawing if isinstance(drawing, svg.Undrawn) else picture)
    undrawn = svg.notes(figures, drawings)
    return [*undrawn, f"wrote {several(len(figures) - len(undrawn), 'chart')} to {folder}"]
