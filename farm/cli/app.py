"""The command `farm`: its commands, and how errors end it. Modules are imported on use, so that help is fast."""

import atexit
import errno
import gc
import os
import sys
import traceback
from collections.abc import Iterator
from importlib.metadata import entry_points
from textwrap import fill
from typing import Annotated, Any

import typer
import typer.core

from farm.cli import output, usage
from farm.cli.across import across
from farm.cli.analyze import analyze, compare
from farm.cli.db import db
from farm.cli.doctor import doctor
from farm.cli.import_ import import_
from farm.cli.init import init, schema
from farm.cli.levels import datasets, models
from farm.cli.measure import measure
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
from farm.cli.sweeps import diff, list_, rename, rm
from farm.cli.timeline import timeline

#: Exit status of an error that nobody foresaw: sysexits' EX_SOFTWARE.
SOFTWARE_ERROR = 70
#: Exit status where nobody reads the output any more, as a shell shows SIGPIPE.
READER_GONE = 141

#: Errors of a write: the disk or its quota is full, the largest size is reached, the device fails.
_UNWRITABLE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})

#: The commands by what they are for, as help lists them; those of other packages are in the group of that name.
GROUPS = {
    "Run": ("run", "measure", "init", "submit", "watch", "cancel", "retry", "schema"),
    "Look": ("list", "status", "results", "report", "logs", "machines", "models", "datasets"),
    "Analyse": (
        *("across", "analyze", "compare", "diff", "timeline", "response", "recommend", "reproduce", "query", "export"),
    ),
    "Operate": ("serve", "worker", "pause", "resume", "drain", "rename", "rm"),
    "Set up": ("doctor", "db", "import", "simulate"),
}
#: Commands that may run for days: they collect garbage as Python usually does, or they would grow.
LASTING = frozenset({"serve", "worker", "run", "measure", "watch"})
#: What `farm` alone prints below its first line.
BEGIN = """
Begin:
  farm init quickstart        copy a ready-made sweep into this folder
  farm run quickstart.yaml    measure it on this machine
  farm results                look at what was measured
"""


class Commands(typer.core.TyperGroup):
    """The commands, listed by group."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command that the line begins with; an unknown one is an error that names a likely one."""
        if args[0] in self.commands or args[0].startswith("-") or ctx.resilient_parsing:
            return super().resolve_command(ctx, args)
        from farm.model.errors import InputError

        raise InputError(usage.unknown_command(args[0], self.commands))

    def grouped(self) -> dict[str, list[str]]:
        """Return the names of the commands by the title of their group; those without a group are the last."""
        named = {title: [name for name in names if name in self.commands] for title, names in GROUPS.items()}
        known = {name for names in named.values() for name in names}
        others = [name for name in self.commands if name not in known]
        return named | ({"Others": others} if others else {})

    def overview(self) -> str:
        """Return all groups with the names of their commands, for one page."""
        width = max(map(len, GROUPS)) + 2
        listed = (f"{f'{title}:':{width}}{', '.join(names)}" for title, names in self.grouped().items())
        return "\n".join(fill(line, 79, subsequent_indent=" " * width) for line in listed)

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002
        """Write a list for each group."""
        for title, names in self.grouped().items():
            rows = [(name, self.commands[name].get_short_help_str(limit=formatter.width)) for name in names]
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
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help: a line each, and nothing to import
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(invoke_without_command=True, result_callback=_finish)
def about(
    context: typer.Context, version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False
) -> None:
    """Measure what deep learning costs: joules, seconds, grams of CO2."""
    if version:
        from farm import __version__

        print(f"wattfarm {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None and isinstance(context.command, Commands):
        print(f"{about.__doc__}\n{BEGIN}\n{context.command.overview()}\n")
        print("`farm --help` says what each command does, `farm COMMAND --help` what it takes.")


for command in (
    *(run, measure, submit, watch, cancel, retry, init, schema, status, results, report, logs, machines),
    *(across, analyze, compare, timeline, response, recommend, reproduce, query, export),
    *(serve, pause, resume, drain, doctor, diff, rename, rm, models, datasets),
):
    app.command()(command)
app.command("list")(list_)
app.command("import")(import_)
app.add_typer(db, name="db")


def main() -> None:
    """Run the command; an error is one clear line and an exit status."""
    _replace_closed_streams()
    arguments = sys.argv[1:]
    if not LASTING.intersection(arguments[:1]):
        # What a command reads lives until it ends: collecting garbage among it costs a fifth of a large sweep's time.
        gc.set_threshold(100_000, 20, 20)
    # Python looks for garbage once more when it ends: that takes 0.15 s, and the system frees all memory anyway.
    atexit.register(gc.freeze)
    own = arguments.index("--") if "--" in arguments else len(arguments)  # what follows is of another command
    debug = "--debug" in arguments[:own]
    arguments = [a for a in arguments[:own] if a != "--debug"] + arguments[own:]
    try:
        _add_plugins(arguments)
        status = app(args=arguments, prog_name="farm", standalone_mode=False) or 0
        sys.stdout.flush()  # otherwise Python does so when nobody can report that it fails
    except (output.ReaderGone, BrokenPipeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what is left to write has no reader
        status = READER_GONE
    except Exception as error:
        if debug:
            output.note([traceback.format_exc().rstrip()])
        status = _report(error)
    sys.exit(status)


def _replace_closed_streams() -> None:
    """Open /dev/null for each stream that the caller closed: the next file would get its number, and its text."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w" if number else "r"))  # noqa: PTH123, SIM115 - as long as the process


def _report(error: Exception) -> int:
    """Write the one line of an error to standard error; returns the exit status."""
    if isinstance(error, typer.TyperException):
        _complain(usage.wrong_usage(error))
        return error.exit_code
    from farm.model.errors import FarmError  # loads the model, which help does without

    if isinstance(error, FarmError):
        _complain(str(error))
        return error.exit_status
    if isinstance(error, OSError) and error.filename is None and error.errno in _UNWRITABLE:
        _complain(f"standard output cannot be written: {error.strerror}")
        return FarmError.exit_status
    what = " ".join(f"{type(error).__name__}: {error}".split())
    _complain(f"unexpected {what}: please report it, with what --debug shows")
    return SOFTWARE_ERROR


def _complain(problem: str) -> None:
    """Write an error to standard error, or to the log of a process whose log is JSON."""
    import logging

    from farm.model.errors import bounded
    from farm.settings import logs as logging_of_process
    from farm.settings import origins

    named = bounded(origins.named(problem))
    if logging_of_process.is_structured():
        logging.getLogger("farm").error(named)
    else:
        output.note(f"farm: {line}" for line in named.split("\n"))


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
