"""Lines that are no command: what was probably meant, in one line. Nothing is imported before it is needed."""

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typer import TyperException

#: Commands of other programs, and what does the same here.
INSTEAD: Mapping[str, str] = {
    **dict.fromkeys(("start", "bench", "benchmark", "begin", "execute"), "run"),
    **dict.fromkeys(("new", "create", "examples", "copy"), "init"),
    **dict.fromkeys(("queue", "enqueue", "schedule", "push"), "submit"),
    **dict.fromkeys(("plan", "preview", "dry-run"), "submit SWEEP.yaml --dry-run"),
    **dict.fromkeys(("stop", "kill", "abort"), "cancel"),
    **dict.fromkeys(("delete", "remove", "del", "clean", "purge"), "rm"),
    **dict.fromkeys(("ls", "sweeps", "history"), "list"),
    **dict.fromkeys(("mv", "move"), "rename"),
    **dict.fromkeys(("ps", "jobs", "top", "progress"), "status"),
    **dict.fromkeys(("follow", "wait", "tail", "monitor"), "watch"),
    **dict.fromkeys(("show", "view", "table", "summary", "print"), "results"),
    **dict.fromkeys(("plot", "chart", "graph", "draw", "html"), "report"),
    **dict.fromkeys(("log", "output", "error", "errors"), "logs"),
    **dict.fromkeys(("hosts", "nodes", "workers", "devices", "gpus"), "machines"),
    **dict.fromkeys(("test", "stats", "statistics", "anova"), "analyze"),
    **dict.fromkeys(("sql", "select", "database"), "query"),
    **dict.fromkeys(("csv", "dump", "download", "parquet"), "export"),
    **dict.fromkeys(("load", "upload", "add"), "import"),
    **dict.fromkeys(("server", "controller", "daemon"), "serve"),
    **dict.fromkeys(("agent", "join"), "worker"),
    **dict.fromkeys(("info", "env", "settings", "config", "setup", "check"), "doctor"),
    **dict.fromkeys(("upgrade", "migrate"), "db upgrade"),
    "version": "--version",
    "help": "--help",
}


def unknown_command(name: str, known: Collection[str]) -> str:
    """Return the error for a command that does not exist."""
    from farm.model.suggestions import nearest

    likely = INSTEAD.get(name.casefold()) or nearest(name, {own: own for own in known} | dict(INSTEAD))
    return f"no command {name!r}: {f'did you mean `farm {likely}`?' if likely else '`farm --help` lists all'}"


def wrong_usage(error: "TyperException") -> str:
    """Return the error for options and arguments that a command does not take."""
    context: Any = getattr(error, "ctx", None)
    command = context.command_path if context else "farm"
    option, possible = getattr(error, "option_name", None), getattr(error, "possibilities", ())
    if option is not None and possible != ():
        text = f"no option {option}" + (f": did you mean {' or '.join(possible)}?" if possible else "")
    else:  # what follows a comma says how the value was read, which helps nobody
        text = error.format_message().partition(", unable to")[0].rstrip(".")
        text = f"{text[0].lower()}{text[1:]}"
    where = command.partition(" ")[2]
    return f"{where}{': ' if where else ''}{text} (`{command} --help` lists what it takes)"
