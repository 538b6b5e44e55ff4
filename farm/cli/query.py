"""`farm query`. Modules are imported on use, so that help is fast."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from farm.cli.options import FormatName, Json, Output, Raw, table_format
from farm.cli.output import Notes, Rows, Shown, is_terminal, opened

#: The size of the answer that a terminal shows: characters of its texts, and 50 for each cell. Files have any size.
_MOST = 50_000_000
#: PostgreSQL may send a value of 1 GB, of which its driver makes several copies: the memory that these may take.
_MEMORY_BYTES = 2 << 30


def query(
    statement: Annotated[
        str | None, typer.Argument(metavar="SQL", help='"select ..." of the views; without it the views are described.')
    ] = None,
    limit: Annotated[int, typer.Option(min=1, metavar="ROWS", help="Return at most so many rows.")] = 10_000,
    form: FormatName = None,
    output: Output = None,
    as_json: Json = False,
    raw: Raw = False,
) -> Iterator[Shown | Rows | Notes]:
    """Ask the database in SQL; it can only be read."""
    from pathlib import Path
    from tempfile import gettempdir

    from farm.exchange import queried
    from farm.report.files import Format

    chosen = table_format(form, output, as_json, raw)
    more = f"farm: note: only the first {limit} rows: --limit {10 * limit} gives more"
    if statement is None:
        yield Shown(queried.views(), chosen, output)
        return
    with opened() as (store, _), _bounded_memory():
        if chosen is Format.TABLE or (output is None and is_terminal()):
            found = store.query(statement, limit, most=_MOST)
            large = f"farm: note: only the first {len(found.rows)} rows, which are large: -o FILE.csv writes all"
            notes = (large if len(found.rows) < limit else more,) if found.is_cut else ()
            yield Shown(queried.document(found), chosen, output, notes)
            return
        folder = Path(gettempdir()) if output is None else output.parent
        with store.answer(statement) as answer, queried.streamed(answer, limit, folder) as (sheet, is_cut):
            yield Rows(sheet, chosen, output)
            yield Notes((more,) if is_cut else ())


@contextmanager
def _bounded_memory() -> Iterator[None]:
    """Limit what this process takes besides its memory of now; raises InputError where that is not enough."""
    import resource
    from pathlib import Path

    from farm.model.errors import InputError

    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    taken = Path("/proc/self/statm")
    now = int(taken.read_text().split()[0]) * resource.getpagesize() if taken.exists() else None
    known = [most for most in (soft, hard) if most != resource.RLIM_INFINITY]
    if now is not None:
        resource.setrlimit(resource.RLIMIT_AS, (min([now + _MEMORY_BYTES, *known]), hard))
    try:
        yield
    except MemoryError:
        raise InputError(f"the query's answer needs more than {_MEMORY_BYTES >> 30} GiB: ask for less") from None
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
