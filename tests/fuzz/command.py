"""Targets that are the program itself: its command line in this process, `farm query`, and the Python API."""

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from functools import cache
from pathlib import Path

import farm
from farm.cli.app import main
from farm.exchange import importing, queried
from farm.model.errors import FarmError
from farm.report import terminal
from farm.store import Store
from tests.contract.store_records import ANNE, MACHINE, claim, job_id, new_job, record, report
from tests.fuzz.clear import require_clear
from tests.fuzz.corpora import MAPPED, TABLES
from tests.fuzz.texts import text_of

#: How a command may end: fine, some trials failed, bad input, a service is out of reach.
_STATUSES = {0, 1, 2, 3}


@cache
def home(folder: Path) -> Path:
    """A home with a store: a measured sweep, one that was imported, and one that waits."""
    made = folder / "home"
    with Store.open(f"sqlite:///{made / 'farm.db'}", create=True) as store:
        store.register_machine(MACHINE, ANNE, "0.1.0")
        store.submit(record(), [new_job(n) for n in range(3)])
        for n in range(2):
            if claim(store, job_id(n)) is not None:
                store.complete(report(job_id(n), 1))
        table = folder / "runs.csv"
        table.write_bytes(TABLES[0])
        store.add_import(importing.read(table, "measured", MAPPED), "anne")
    (made / "work").mkdir()
    return made


@contextmanager
def _in_home(folder: Path) -> Iterator[None]:
    """Run the block with this home, in a folder of its own: commands may write files."""
    before, place = dict(os.environ), Path.cwd()
    for name in [name for name in os.environ if name.startswith("FARM_")]:
        del os.environ[name]
    os.environ["FARM_HOME"] = str(home(folder))
    os.chdir(home(folder) / "work")
    try:
        yield
    finally:
        os.chdir(place)
        os.environ.clear()
        os.environ.update(before)


def take_query(data: bytes, folder: Path) -> None:
    """SQL of `farm query`, and its rows on a terminal."""
    with Store.open(f"sqlite:///{home(folder) / 'farm.db'}") as store:
        terminal.text(queried.document(store.query(text_of(data), 100, longest_s=1)))


def take_api(data: bytes, folder: Path) -> None:
    """What a Python user passes to `farm.results`: `where` and `by`."""
    where, _, by = text_of(data).partition("\n")
    with _in_home(folder):
        rows = farm.results("measured", where=where, by=by or None)
        list(rows)


def take_arguments(data: bytes, folder: Path) -> None:
    """A command line, one argument a line: it ends with a status that is documented, and errors are clear."""
    arguments = [text_of(part) for part in data.replace(b"\0", b"").split(b"\n")]
    if not is_harmless(arguments):
        raise FarmError("not run here")
    out, err = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.TextIOWrapper(io.BytesIO(), "utf-8", "backslashreplace")
    before, sys.argv = sys.argv, ["farm", *arguments]
    try:
        with _in_home(folder), redirect_stdout(out), redirect_stderr(err):
            main()
    except SystemExit as end:
        status = end.code
    finally:
        sys.argv = before
    err.flush()
    words = err.buffer.getvalue().decode() if isinstance(err.buffer, io.BytesIO) else ""
    if status not in _STATUSES:
        raise AssertionError(f"exit status {status}: {words[:300]}")
    if words.strip() and "--debug" not in arguments:  # it asks for a traceback
        require_clear(words.removesuffix("\n"))
    if status:
        raise FarmError("it ended with an error")


#: Commands that end by themselves and change nothing outside their home.
_ENDING = (
    *("status", "results", "list", "logs", "machines", "models", "datasets", "across", "analyze", "compare", "diff"),
    *("timeline", "response", "recommend", "query", "export", "schema", "rename", "pause", "resume", "drain", "db"),
    *("import", "run", "submit", "cancel", "nonsense"),
)


def is_harmless(arguments: list[str]) -> bool:
    """Return whether a command line ends soon, and writes into its own folder only."""
    command = arguments[0] if arguments else ""
    if command not in _ENDING or any("/" in one or ".." in one for one in arguments):
        return False
    return command not in {"run", "submit", "import"} or "--dry-run" in arguments
