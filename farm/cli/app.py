"""The command line: the only place that prints or exits. Modules are imported on use, so that help is fast."""

import sys
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from farm.cli.across import across
from farm.cli.analyze import analyze, compare
from farm.cli.import_ import import_
from farm.cli.options import AnySweep, Fresh, Json, SweepFile
from farm.cli.output import Answer, Aside, Rows, Said, Told, Written
from farm.cli.output import opened as _store
from farm.cli.pause import drain, pause, resume
from farm.cli.query import query
from farm.cli.report import report
from farm.cli.reproduce import reproduce
from farm.cli.response import recommend, response
from farm.cli.results import export, results
from farm.cli.run import outcome, run
from farm.cli.status import logs as trial_logs
from farm.cli.status import machines, status
from farm.cli.timeline import timeline

if TYPE_CHECKING:
    from farm.kinds.views import View
    from farm.model import SweepRecord
    from farm.report.files import Format
    from farm.store import Store

app = typer.Typer(
    name="farm",
    epilog="--debug, anywhere on the line, shows the traceback of an error.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help: a line each, and nothing to import
    context_settings={"help_option_names": ["-h", "--help"]},
)
db = typer.Typer(help="Look after the database's schema.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(db, name="db")

SweepName = Annotated[str, typer.Argument(metavar="SWEEP", help="A sweep's name or id.")]
SERVICE_OUT_OF_REACH = 3
A_BUG = 70


def main() -> None:
    """Run the command; an error is one clear line and an exit status."""
    from farm.errors import FarmError

    arguments = sys.argv[1:]
    own = arguments.index("--") if "--" in arguments else len(arguments)  # what follows is of another command
    debug = "--debug" in arguments[:own]
    arguments = [a for a in arguments[:own] if a != "--debug"] + arguments[own:]
    try:
        _add_plugins(arguments)
        app(args=arguments, prog_name="farm")
    except FarmError as error:
        if debug:
            raise
        _complain(str(error))
        sys.exit(error.exit_status)
    except Exception as error:
        if debug:
            raise
        what = " ".join(f"{type(error).__name__}: {error}".split())
        _complain(f"unexpected {what}: please report it, with what --debug shows")
        sys.exit(A_BUG)


def _complain(problem: str) -> None:
    """On stderr; in the log of a process whose log is JSON."""
    import logging

    from farm.settings import logs

    if logs.is_structured():
        logging.getLogger("farm").error(problem)
    else:
        _note(f"farm: {line}" for line in problem.splitlines())


def _add_plugins(arguments: list[str]) -> None:
    """Add the commands of other packages, which this one never imports, where one of them may be wanted."""
    own = {one.name or getattr(one.callback, "__name__", None) for one in app.registered_commands} | {"db"}
    if arguments and arguments[0] in own:
        return
    for entry in entry_points(group="wattfarm.commands"):
        try:
            app.command(entry.name)(entry.load())
        except ImportError as error:
            _complain(f"command {entry.name} cannot be imported ({error}): mend or remove its package")


def _print_answer(answer: Said | Iterator[Said] | None, **_: Any) -> None:
    """Of a command that has a module of its own; the others print for themselves."""
    match answer:
        case str():
            _show(answer, None, as_json=False)
        case Told():
            _show(answer.view, answer.record, answer.as_json)
        case Rows():
            _emit(answer.records, answer.form, answer.output)
        case Answer():
            _print_view(answer.view, answer.form, answer.output, answer.record)
            _note(answer.notes)
        case Written():
            _write(answer.text, answer.output)
            _note(answer.notes)
        case Aside():
            _note(answer.lines)
            if answer.status:
                raise typer.Exit(answer.status)
        case Iterator():
            for part in answer:
                _print_answer(part)


@app.callback(invoke_without_command=True, result_callback=_print_answer)
def about(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    """Measure what deep learning costs: joules, seconds, grams of CO2."""
    if version:
        from farm import __version__

        print(f"wattfarm {__version__}")
        raise typer.Exit


app.command()(run)


@app.command()
def submit(
    sweep: SweepFile,
    wait: Annotated[bool, typer.Option("--wait", help="Stay until all is measured.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan, submit nothing.")] = False,
    fresh: Fresh = False,
    as_json: Json = False,
) -> None:
    """Queue a sweep for the farm's workers."""
    from farm.kinds import load_sweep
    from farm.scheduling import submission
    from farm.scheduling.status import plans

    loaded, text = load_sweep(sweep), sweep.read_text(encoding="utf-8")
    with _store(create=True) as (store, settings):
        if dry_run:
            made = submission.planned(loaded, store, fresh)
            _show(plans.described(loaded, made), plans.record(loaded, made), as_json)
            return
        submitted = submission.enqueue(loaded, text, store, settings, fresh)
        _note(f"farm: note: {warning}" for warning in submitted.warnings)
        submission.publish(store, settings)
        _show(plans.submitted(loaded, submitted), plans.submitted_record(submitted), as_json)
        if wait:
            _follow(store, store.find_sweep(submitted.sweep_id), quiet=as_json)


@app.command()
def watch(sweep: AnySweep = None) -> None:
    """Follow a sweep until it is over; Ctrl-C stops watching only."""
    with _store() as (store, _):
        _follow(store, store.find_sweep(sweep))


app.command()(status)


@app.command()
def cancel(sweep: SweepName, as_json: Json = False) -> None:
    """Cancel what waits, stop what runs; results so far stay."""
    from farm.report.numbers import several

    with _store() as (store, _):
        found = store.find_sweep(sweep)
        queued, running = store.cancel(found.id)
        line = f"{found.name} ({found.id}): {several(queued, 'waiting job')} cancelled, {running} running told to stop"
        _show(line, {"sweep": found.id, "queued": queued, "running": running}, as_json)


@app.command()
def retry(sweep: SweepName, as_json: Json = False) -> None:
    """Queue failed jobs again; the failed trials stay beside the new."""
    from farm.report.numbers import several
    from farm.scheduling import submission

    with _store() as (store, settings):
        found = store.find_sweep(sweep)
        count = store.retry(found.id, settings.max_attempts)
        submission.publish(store, settings)
        line = f"{found.name} ({found.id}): {several(count, 'failed job')} queued again"
        _show(line, {"sweep": found.id, "queued": count}, as_json)


app.command()(results)
app.command()(export)
app.command()(machines)
app.command("logs")(trial_logs)
app.command()(pause)
app.command()(resume)
app.command()(drain)


@app.command()
def doctor(
    probe: Annotated[bool, typer.Option("--probe", help="Watch the GPU's meters for half a minute.")] = False,
    as_json: Json = False,
) -> None:
    """Say what this machine can measure, and what is in the way."""
    from farm.cli import checks
    from farm.cli.doctor import examine

    found = examine(probe)
    _show(checks.table(found), checks.records(found), as_json)
    if any(check.state == "bad" for check in found):
        raise typer.Exit(SERVICE_OUT_OF_REACH)


@app.command()
def serve(
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log more than warnings.")] = False,
    metrics: Annotated[
        str | None, typer.Option(metavar="[HOST:]PORT", help="Answer Prometheus there; default FARM_METRICS.")
    ] = None,
) -> None:
    """Run the controller: it publishes jobs and takes back lost ones."""
    import logging
    import signal
    from threading import Event

    from farm.scheduling.broker import Publisher
    from farm.scheduling.controller import Controller
    from farm.scheduling.metrics import Metrics, answer
    from farm.settings import load_settings, logs

    logs.set_up(load_settings().log_format, verbose)
    with _store(create=True) as (store, settings):
        stop = Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stop.set())
        publisher = Publisher(settings)
        controller = Controller(store, publisher, settings)
        lines = ["serving: Ctrl-C stops it; workers go on with what they have"]
        if where := metrics or settings.metrics:
            address = answer(Metrics(store, publisher.depths, lambda: controller.last_round_at), where)
            lines.append(f"metrics: {address}")
        if logs.is_structured():
            logging.getLogger("farm").info("; ".join(lines))
        else:
            _note(lines)
        controller.serve(stop)


@app.command()
def schema() -> None:
    """Print the JSON Schema of a sweep, for editors."""
    from farm.kinds import json_schema

    _show("", json_schema(), as_json=True)


@app.command()
def init(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A ready-made sweep; `farm init list` names them.")],
) -> None:
    """Copy a ready-made sweep into the current folder."""
    from farm.kinds import ready_made

    if name == "list":
        print("\n".join(ready_made.names()))
    else:
        path = ready_made.copy(name, Path.cwd()).name
        print(f"wrote {path}: edit it, then `farm run {path}`")


app.command("import")(import_)
app.command()(query)
app.command()(across)
app.command()(analyze)
app.command()(compare)
app.command()(response)
app.command()(recommend)
app.command()(timeline)
app.command()(report)
app.command()(reproduce)


@db.command("upgrade")
def db_upgrade() -> None:
    """Make or upgrade the database's tables."""
    from farm.settings import load_settings
    from farm.settings.credentials import redacted
    from farm.store import SchemaState, Store, upgrade

    url = load_settings().store_url
    with Store(url) as store:
        before = upgrade(store)
    what = "was up to date" if before is SchemaState.CURRENT else f"upgraded, it was {before}"
    print(f"{redacted(url)}: {what}")


@db.command("check")
def db_check() -> None:
    """Say whether the database fits this program."""
    from farm.settings.credentials import redacted

    with _store() as (_, settings):
        print(f"{redacted(settings.store_url)}: reachable, fits this program")


def _follow(store: "Store", sweep: "SweepRecord", quiet: bool = False) -> None:
    from time import sleep

    from farm.scheduling import tuner
    from farm.scheduling.status import progress as display

    with display.live(sweep.name, enabled=not quiet) as show:
        total = tuner.total(store, sweep)
        while not (progress := store.progress(sweep.id, total)).is_over:
            show(progress, "`farm worker` on a machine joins one")
            sleep(1.0)
    if not quiet:
        print(f"{sweep.name}: {display.summary(progress, datetime.now(UTC))}")
    _print_answer(outcome(progress, store, sweep))


def _print_view(
    view: "View", form: "Format", output: Path | None = None, record: Mapping[str, Any] | None = None
) -> None:
    """`record`: what json holds, where that is more than the rows."""
    from farm.kinds.views import plain
    from farm.report.files import Format, json_text, write_text

    is_json = form == Format.JSON and record is not None
    if form != Format.TABLE and not is_json:
        _emit(view.records(), form, output)
    elif output is None:
        _show(view.rendered(), record, is_json)
    else:
        write_text(json_text(record) if is_json else plain(view.rendered()), output)


def _emit(records: list[dict[str, Any]], form: "Format", output: Path | None) -> None:
    from farm.errors import InputError
    from farm.report import files

    if output is not None:
        files.write(records, form, output)
        _note([f"wrote {len(records)} rows to {output}"])
    elif form == files.Format.PARQUET:
        raise InputError("--format parquet needs a file: add -o FILE")
    else:
        print(files.text(records, form))


def _write(text: str, output: Path | None) -> None:
    from farm.report.files import write_text

    if output is None:
        _show(text, None, as_json=False)
    else:
        write_text(text, output)
        _note([f"wrote {output}"])


def _show(view: Any, record: Any, as_json: bool) -> None:
    """Print for a person or for a script."""
    from farm.report.terminal import Plain, plain

    if as_json:
        from farm.report.files import json_text

        print(json_text(record))
    elif isinstance(view, str):
        print(plain(view))
    else:
        from rich.console import Console

        Console(markup=False, emoji=False, highlight=False).print(Plain(view))


def _note(lines: Iterable[str]) -> None:
    """Beside the output: on stderr."""
    from farm.report.terminal import plain

    for line in lines:
        print(plain(line), file=sys.stderr)
