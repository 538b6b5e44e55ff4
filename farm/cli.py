"""The command line: the only place that prints or exits. Modules are imported on use, so that help is fast."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from farm.model import SweepRecord
    from farm.report.files import Format
    from farm.report.views import Selection
    from farm.settings import Settings
    from farm.store import Progress, Store

app = typer.Typer(
    name="farm",
    help="Measure what deep learning costs: joules, seconds, grams of CO2.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
db = typer.Typer(help="Look after the database's schema.", no_args_is_help=True)
app.add_typer(db, name="db")

SweepFile = Annotated[Path, typer.Argument(metavar="SWEEP.yaml", help="The sweep to measure.")]
SweepName = Annotated[str | None, typer.Argument(metavar="[SWEEP]", help="A sweep's name or id; default the latest.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]
SOME_TRIALS_FAILED = 1


def main() -> None:
    """Run the command; an error that a user can act on is one clear line and an exit status."""
    from farm.errors import FarmError

    debug = "--debug" in sys.argv
    arguments = [a for a in sys.argv[1:] if a != "--debug"]
    try:
        _add_worker(arguments)
        app(args=arguments, prog_name="farm")
    except FarmError as error:
        if debug:
            raise
        for line in str(error).splitlines():
            print(f"farm: {line}", file=sys.stderr)
        sys.exit(error.exit_status)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)


def _add_worker(arguments: list[str]) -> None:
    """`farm worker` lives in a package that this one never imports; an entry point leads there."""
    if "worker" in arguments[:1] or not arguments or arguments[0] in {"-h", "--help"}:
        for entry in entry_points(group="farm.commands"):
            command = entry.load() if "worker" in arguments[:1] else _later(entry.name)
            app.command(entry.name)(command)


@app.command()
def run(
    sweep: SweepFile,
    fresh: Annotated[bool, typer.Option("--fresh", help="Measure all of it again, beside the old results.")] = False,
    as_json: Json = False,
) -> None:
    """Measure a sweep on this machine; needs no server. Ctrl-C stops after the running trial, twice stops now."""
    from farm import embedded, submission
    from farm.report import progress as display
    from farm.report.files import Format
    from farm.spec import load_sweep

    loaded, text = load_sweep(sweep), sweep.read_text()
    with _store(create=True) as (store, settings):
        submitted = submission.enqueue(loaded, text, store, settings, fresh)
        _warn(submitted.warnings)
        interrupts = embedded.Interrupts()
        with interrupts.caught(), display.live(loaded.name, enabled=not as_json) as show:
            end = embedded.run(submitted.sweep_id, store, settings, interrupts, show)
        _print_results(store, store.find_sweep(submitted.sweep_id), Format.JSON if as_json else Format.TABLE)
        _print_failures(store, submitted.sweep_id)
    if not end.is_over:
        print(f"farm: stopped with {end.open} jobs to go: `farm run {sweep}` goes on from here", file=sys.stderr)
        raise typer.Exit(130)
    _exit_by(end)


@app.command()
def submit(
    sweep: SweepFile,
    wait: Annotated[bool, typer.Option("--wait", help="Stay until all is measured.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan, submit nothing.")] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Measure all of it again, beside the old results.")] = False,
    as_json: Json = False,
) -> None:
    """Queue a sweep for the farm's workers."""
    from farm import submission
    from farm.report import plans
    from farm.spec import load_sweep

    loaded, text = load_sweep(sweep), sweep.read_text()
    with _store(create=True) as (store, settings):
        if dry_run:
            made = submission.planned(loaded, store, fresh)
            _print(plans.record(made) if as_json else plans.described(loaded, made), as_json)
            return
        submitted = submission.enqueue(loaded, text, store, settings, fresh)
        _warn(submitted.warnings)
        submission.publish(store, settings)
        if as_json:
            _print({"sweep": submitted.sweep_id, "jobs": submitted.jobs, "added": submitted.added}, as_json)
        else:
            already = submitted.jobs - submitted.added
            known = f", {already} of its {submitted.jobs} jobs were there already" if already else ""
            print(f"submitted {loaded.name} ({submitted.sweep_id}): {submitted.added} jobs queued{known}")
        if wait:
            _exit_by(_follow(store, submitted.sweep_id, loaded.name, quiet=as_json))


@app.command()
def watch(sweep: SweepName = None) -> None:
    """Follow a sweep until it is over; Ctrl-C stops watching, not the sweep."""
    with _store() as (store, _):
        found = store.find_sweep(sweep)
        _exit_by(_follow(store, found.id, found.name))


@app.command()
def status(sweep: SweepName = None, as_json: Json = False) -> None:
    """Show how sweeps stand; with a sweep, also what runs and what failed."""
    from farm.report import progress as display

    with _store() as (store, _):
        chosen = [store.find_sweep(sweep)] if sweep else store.sweeps()
        states = [(record, store.progress(record.id)) for record in chosen]
        _print(display.status_records(states) if as_json else display.status_table(states), as_json)
        if sweep and not as_json:
            _print_failures(store, chosen[0].id)


@app.command()
def cancel(sweep: Annotated[str, typer.Argument(metavar="SWEEP", help="A sweep's name or id.")]) -> None:
    """Cancel what is queued, and stop what runs within a heartbeat; results so far stay."""
    with _store() as (store, _):
        found = store.find_sweep(sweep)
        queued, running = store.cancel(found.id)
        print(f"cancelled {found.name} ({found.id}): {queued} queued jobs, {running} running ones asked to stop")


@app.command()
def retry(sweep: Annotated[str, typer.Argument(metavar="SWEEP", help="A sweep's name or id.")]) -> None:
    """Queue a sweep's failed jobs again; the failed trials stay beside the new ones."""
    from farm import submission

    with _store() as (store, settings):
        found = store.find_sweep(sweep)
        count = store.retry(found.id, settings.max_attempts)
        submission.publish(store, settings)
        print(f"retrying {found.name} ({found.id}): {count} jobs queued again")


@app.command()
def results(
    sweep: SweepName = None,
    by: Annotated[str | None, typer.Option(help="Group by these, e.g. model,batch_size,machine.")] = None,
    where: Annotated[list[str] | None, typer.Option(help="Only these, e.g. model=alexnet; may be repeated.")] = None,
    domain: Annotated[str | None, typer.Option(help="gpu, cpu, dram or wall; default the trial's own device.")] = None,
    form: Annotated[str, typer.Option("--format", help="table, csv, json or parquet.")] = "table",
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Write to this file.")] = None,
    as_json: Json = False,
) -> None:
    """Print results, grouped and summed up."""
    from farm.report import views
    from farm.report.files import Format

    chosen = Format.JSON if as_json else _choice(Format, form, "--format")
    with _store() as (store, _):
        selected = views.Selection.parse(by, where or [], domain)
        _print_results(store, store.find_sweep(sweep), chosen, selected, output)


@app.command()
def export(
    sweep: SweepName = None,
    form: Annotated[str, typer.Option("--format", help="csv, json or parquet.")] = "csv",
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Write to this file.")] = None,
) -> None:
    """Write every measurement: one row per window and domain."""
    from farm.report import exports
    from farm.report.files import Format

    with _store() as (store, _):
        records = exports.records(store.measurement_rows(store.find_sweep(sweep).id))
        _emit(records, _choice(Format, form, "--format"), output)


@app.command()
def machines(as_json: Json = False) -> None:
    """List the machines of the farm."""
    from farm.report import machines as display

    with _store() as (store, _):
        known = store.machines()
        _print(display.records(known) if as_json else display.table(known), as_json)


@app.command()
def doctor(as_json: Json = False) -> None:
    """Examine this machine and the services: what can be measured here, and what is in the way."""
    from farm.report import checks as display
    from farm.services import examine

    found = examine()
    for entry in entry_points(group="farm.doctor"):
        try:
            found += entry.load()()
        except ModuleNotFoundError as error:
            found += display.missing_worker(error.name)
    _print(display.records(found) if as_json else display.table(found), as_json)


@app.command()
def serve(verbose: Annotated[bool, typer.Option("--verbose", "-v")] = False) -> None:
    """Run the controller: rings for queued jobs, and takes back those whose worker fell silent."""
    import logging
    import signal
    from threading import Event

    from farm.controller import Controller
    from farm.queue import Bell

    logging.basicConfig(
        level=logging.INFO if verbose else logging.WARNING, format="%(asctime)s %(levelname)s %(message)s"
    )
    with _store(create=True) as (store, settings):
        stop = Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stop.set())
        print("serving: Ctrl-C stops it; workers go on with what they have", file=sys.stderr)
        Controller(store, Bell(settings), settings).serve(stop)


@app.command()
def schema() -> None:
    """Print the JSON Schema of a sweep, for editors."""
    from farm.spec import json_schema

    _print(json_schema(), as_json=True)


@app.command()
def init(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A ready-made sweep; `farm init list` names them.")],
) -> None:
    """Copy a ready-made sweep into the current folder."""
    from farm import sweeps

    if name == "list":
        print("\n".join(sweeps.names()))
    else:
        print(f"wrote {sweeps.copy(name, Path.cwd())}: edit it, then `farm run {name}.yaml`")


@db.command("upgrade")
def db_upgrade() -> None:
    """Make or upgrade the database's tables."""
    from farm.settings import load_settings, redacted
    from farm.store import SchemaState, Store, upgrade

    url = load_settings().store_url
    with Store(url) as store:
        before = upgrade(store)
    what = "was up to date" if before is SchemaState.CURRENT else f"upgraded, it was {before}"
    print(f"{redacted(url)}: {what}")


@db.command("check")
def db_check() -> None:
    """Say whether the database fits this program."""
    from farm.settings import redacted

    with _store() as (_, settings):
        print(f"{redacted(settings.store_url)}: reachable, fits this program")


@contextmanager
def _store(create: bool = False) -> Iterator[tuple["Store", "Settings"]]:
    from farm.settings import load_settings
    from farm.store import Store

    settings = load_settings()
    with Store.open(settings.store_url, create=create or not settings.database_url) as store:
        yield store, settings


def _later(name: str) -> Any:
    """A stand-in for a command of another package, for the list of commands."""

    def stand_in() -> None: ...

    stand_in.__doc__ = _LATER[name]
    return stand_in


_LATER = {"worker": "Measure on this machine, for a farm."}


def _choice(kind: type["Format"], value: str, option: str) -> "Format":
    from farm.errors import InputError

    try:
        return kind(value)
    except ValueError:
        raise InputError(f"{option}: expected {', '.join(k.value for k in kind)}, got {value!r}") from None


def _warn(warnings: tuple[str, ...]) -> None:
    for warning in warnings:
        print(f"farm: note: {warning}", file=sys.stderr)


def _print(what: Any, as_json: bool) -> None:
    if as_json:
        import json

        print(json.dumps(what, indent=2, default=str))
    else:
        from rich.console import Console

        Console().print(what, highlight=False)


def _follow(store: "Store", sweep_id: str, name: str, quiet: bool = False) -> "Progress":
    from time import sleep

    from farm.report import progress as display

    with display.live(name, enabled=not quiet) as show:
        while True:
            progress = store.progress(sweep_id)
            show(progress, "")
            if progress.is_over:
                break
            sleep(1.0)
    if not quiet:
        print(f"{name}: {display.summary(progress)}")
    return progress


def _exit_by(progress: "Progress") -> None:
    from farm.model import JobState

    if progress.counts.get(JobState.FAILED):
        raise typer.Exit(SOME_TRIALS_FAILED)


def _print_failures(store: "Store", sweep_id: str) -> None:
    from farm.report import progress as display

    for line in display.failure_lines(store.failures(sweep_id)):
        print(line, file=sys.stderr)


def _emit(records: list[dict[str, Any]], form: "Format", output: Path | None) -> None:
    from farm.errors import InputError
    from farm.report import files

    if output is not None:
        files.write(records, form, output)
        print(f"wrote {len(records)} rows to {output}", file=sys.stderr)
    elif form == files.Format.PARQUET:
        raise InputError("--format parquet needs a file: add -o FILE")
    else:
        print(files.text(records, form))


def _print_results(
    store: "Store",
    sweep: "SweepRecord",
    form: "Format",
    selection: "Selection | None" = None,
    output: Path | None = None,
) -> None:
    from farm.report import views
    from farm.report.files import Format

    view = views.results(store, sweep, selection or views.Selection())
    if form == Format.TABLE and output is None:
        _print(view.rendered(), as_json=False)
    else:
        _emit(view.records(), Format.CSV if form == Format.TABLE else form, output)
