"""`farm reproduce`. Modules are imported on use, so that help is fast."""

from collections.abc import Generator, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from farm.cli.options import Fresh, IncludeFlagged, Json, as_form
from farm.cli.output import Output, Shown, opened
from farm.cli.report import chosen_format, write
from farm.cli.run import Ran, measured, outcome

if TYPE_CHECKING:
    from farm.model import SweepRecord
    from farm.settings import Settings
    from farm.store import Store

#: What a report of ours has in its first lines.
_OURS = '<meta name="generator" content="Wattfarm">'


def reproduce(
    study: Annotated[str, typer.Argument(metavar="batching|training", help="The study to repeat.")],
    *,
    quick: Annotated[
        bool, typer.Option("--quick", help="Run smaller sweeps: minutes on two cores, less certain.")
    ] = False,
    no_run: Annotated[bool, typer.Option("--no-run", help="Use what was measured so far, measure nothing.")] = False,
    fresh: Fresh = False,
    include_flagged: IncludeFlagged = False,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", help="The report; default reproduce-STUDY.html."),
    ] = None,
    as_json: Json = False,
) -> Iterator[Output]:
    """Repeat a study, and set the outcome beside its claims.

    Ctrl-C finishes the running trial and stops; the same command goes on from there.
    """
    from farm.cli.loading import load_material, load_report
    from farm.model.errors import InputError, redacted
    from farm.studies import reproduction
    from farm.studies.reproduction_view import document

    paper = reproduction.find(study)
    if no_run and fresh:
        raise InputError("--fresh measures again, --no-run does not measure: choose one")
    path = output or _default(paper.name)
    form = chosen_format(None, path)
    reproduction.check(form == "html")
    names = reproduction.sweeps_of(paper, quick)
    with opened(create=not no_run) as (store, settings):
        found = _known(store, names) if no_run else (yield from _measured(names, store, settings, fresh, as_json))
        late = next((ran for ran in found if not ran.progress.is_over and not no_run), None)
        if late is not None:
            yield late.stopped(f"farm reproduce {paper.name}{' --quick' if quick else ''}")
            return
        sweeps = [ran.sweep for ran in found]
        if not sweeps:
            raise InputError(f"nothing of {', '.join(names)} was measured yet: leave out --no-run")
        missing = [name for name in names if name not in {sweep.name for sweep in sweeps}]
        data = load_report(store, sweeps)
        claims = reproduction.reproduction(paper, data, missing, include_flagged)
        yield Shown(document(claims), as_form(as_json))
        database = redacted(settings.store_url)
        material = load_material(store, data, [], database, datetime.now(UTC), include_flagged)
        yield write(material, form, path, claims)
        for ran in found:
            yield outcome(ran.progress, store, ran.sweep)


def _default(study: str) -> Path:
    """Beside the user's files: none of them is overwritten but a report. Raises InputError."""
    from farm.model.errors import InputError

    path = Path(f"reproduce-{study}.html")
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            is_ours = _OURS in file.read(1000)
    except FileNotFoundError:
        return path
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror or error}") from None
    if not is_ours:
        raise InputError(f"{path} is there, and no report of Wattfarm: rename it, or choose another name by -o")
    return path


def _known(store: "Store", names: Sequence[str]) -> list[Ran]:
    """The latest sweep of each name; none of one that was never submitted."""
    latest: dict[str, SweepRecord] = {}
    for sweep in store.sweeps():
        latest.setdefault(sweep.name, sweep)
    return [Ran(latest[name], store.progress(latest[name].id)) for name in names if name in latest]


def _measured(
    names: Sequence[str], store: "Store", settings: "Settings", fresh: bool, quiet: bool
) -> Generator[Output, None, list[Ran]]:
    """Measure one sweep after the other, until one is interrupted."""
    from farm.kinds import parse_sweep, ready_made
    from farm.scheduling.embedded import Interrupts

    interrupts, found = Interrupts(), []
    for name in names:
        text = ready_made.text(name)
        sweep = parse_sweep(text, f"{name}.yaml", Path.cwd())
        found.append((yield from measured(sweep, text, store, settings, interrupts, fresh, quiet)))
        if interrupts.count:
            break
    return found
