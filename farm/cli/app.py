"""The command `farm`: its commands, and how errors end it. Modules are imported on use, so that help is fast."""

import atexit
import gc
import sys
from collections.abc import Iterator
from importlib.metadata import entry_points
from typing import Annotated, Any

import typer
import typer.core

from farm.cli import output
from farm.cli.across import across
from farm.cli.analyze import analyze, compare
from farm.cli.db import db
from farm.cli.doctor import doctor
from farm.cli.import_ import import_
from farm.cli.init import init, schema
from farm.cli.levels import datasets, models
from farm.cli.pause import drain, pause, resume
from farm.cli.query import query
from farm.cli.report import report
from farm.cli.reproduce import reproduce
from farm.cli.response import recommend, response
from farm.cli.results import export, results
from farm.cli.run import run
from farm.cli.serve import serve
from farm.cli.status import logs, machines, status
from farm.cli.submit import cancel, retry, submit, watch
from farm.cli.timeline import timeline

#: Exit status of an error that nobody foresaw: sysexits' EX_SOFTWARE.
SOFTWARE_ERROR = 70

#: The commands by what they are for, as help lists them; those of other packages are in the group of that name.
GROUPS = {
    "Run": ("run", "submit", "watch", "cancel", "retry", "init", "schema"),
    "Look": ("status", "results", "report", "logs", "machines", "models", "datasets"),
    "Analyse": ("across", "analyze", "compare", "timeline", "response", "recommend", "reproduce", "query", "export"),
    "Operate": ("serve", "worker", "pause", "resume", "drain"),
    "Set up": ("doctor", "db", "import", "simulate"),
}


class Commands(typer.core.TyperGroup):
    """The commands, listed by group."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write a list for each group; commands without a group are listed last."""
        names = self.list_commands(ctx)
        grouped = {name for members in GROUPS.values() for name in members}
        others = tuple(name for name in names if name not in grouped)
        for title, members in (*GROUPS.items(), ("Others", others)):
            rows = [
                (name, command.get_short_help_str(limit=formatter.width))
                for name in members
                if name in names and (command := self.get_command(ctx, name)) is not None
            ]
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)


def _finish(returned: output.Output | Iterator[output.Output] | None, **_: Any) -> None:
    """Write what a command returned, or what it yields bit by bit."""
    if returned is None:
        return
    for one in returned if isinstance(returned, Iterator) else (returned,):
        if status := output.write(one):
            raise typer.Exit(status)


app = typer.Typer(
    name="farm",
    cls=Commands,
    epilog="--debug, anywhere on the line, shows the traceback of an error.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help: a line each, and nothing to import
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(invoke_without_command=True, result_callback=_finish)
def about(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    """Measure what deep learning costs: joules, seconds, grams of CO2."""
    if version:
        from farm import __version__

        print(f"wattfarm {__version__}")
        raise typer.Exit


for command in (
    *(run, submit, watch, cancel, retry, init, schema, status, results, report, logs, machines),
    *(across, analyze, compare, timeline, response, recommend, reproduce, query, export),
    *(serve, pause, resume, drain, doctor, models, datasets),
):
    app.command()(command)
app.command("import")(import_)
app.add_typer(db, name="db")


def main() -> None:
    """Run the command; an error is one clear line and an exit status."""
    # What a command reads lives until it ends: collecting garbage among it costs a fifth of a large sweep's time.
    gc.set_threshold(100_000, 20, 20)
    # Python looks for garbage once more when it ends: that takes 0.15 s, and the system frees all memory anyway.
    atexit.register(gc.freeze)
    arguments = sys.argv[1:]
    own = arguments.index("--") if "--" in arguments else len(arguments)  # what follows is of another command
    debug = "--debug" in arguments[:own]
    arguments = [a for a in arguments[:own] if a != "--debug"] + arguments[own:]
    try:
        _add_plugins(arguments)
        app(args=arguments, prog_name="farm")
    except Exception as error:
        if debug:
            raise
        from farm.model.errors import FarmError  # loads the model, which help does without

        if isinstance(error, FarmError):
            _complain(str(error))
            sys.exit(error.exit_status)
        what = " ".join(f"{type(error).__name__}: {error}".split())
        _complain(f"unexpected {what}: please report it, with what --debug shows")
        sys.exit(SOFTWARE_ERROR)


def _complain(problem: str) -> None:
    """Write an error to standard error, or to the log of a process whose log is JSON."""
    import logging

    from farm.settings import logs as logging_of_process

    if logging_of_process.is_structured():
        logging.getLogger("farm").error(problem)
    else:
        output.note(f"farm: {line}" for line in problem.splitlines())


def _add_plugins(arguments: list[str]) -> None:
    """Add the commands of other packages, which this one never imports, where one of them may be wanted."""
    own = {one.name or getattr(one.callback, "__name__", None) for one in app.registered_commands} | {"db"}
    if arguments and arguments[0] in own:
        return
    for entry in entry_points(group="wattfarm.commands"):
        try:
            app.command(entry.name)(entry.load())
        except ImportError as error:
            _complain(f"command {entry.name} cannot be imported ({error}): repair or remove its package")
