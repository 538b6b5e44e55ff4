"""What to write instead of a column or a view that there is not. Pure."""

import re
from collections.abc import Callable, Collection, Iterable
from difflib import get_close_matches

from farm.store.views import FACTORS, VIEWS

#: The errors of SQLite and PostgreSQL, with the name that they do not know.
_NO_COLUMN = re.compile(r'no such column: (?:\w+\.)?"?(\w+)|column "?(?:\w+\.)?(\w+)"? does not exist')
_NO_VIEW = re.compile(r'no such table: (?:\w+\.)?(\w+)|relation "(?:\w+\.)?(\w+)" does not exist')
_LEAST = 0.7


def hint(words: str, statement: str, read_factors: Callable[[], Collection[str]]) -> str:
    """Return what the user may have meant, to be put behind the database's own words; empty if nothing is known.

    Args:
        words: The database's own words.
        statement: The query.
        read_factors: Reads the names of all factors in the database.
    """
    if found := _NO_VIEW.search(words):
        near = _near(found[1] or found[2], VIEWS)
        return f"did you mean {near[0]}?" if near else f"there are {', '.join(VIEWS)}; `farm query` describes them"
    found = _NO_COLUMN.search(words)
    if not found:
        return ""
    name = (found[1] or found[2]).lower()
    used = [view for view in VIEWS if re.search(rf"\b{view}\b", statement, re.IGNORECASE)] or list(VIEWS)
    columns = list(dict.fromkeys(column for view in used for column in VIEWS[view]))
    factors = read_factors()
    if name in factors and name not in FACTORS:
        return f"use factors ->> '{name}'"
    if elsewhere := [view for view, own in VIEWS.items() if name in own]:
        return f"{' and '.join(elsewhere[:2])} {'has' if len(elsewhere) == 1 else 'have'} it"
    near = _near(name, [*columns, *factors])
    meant = [column if column in columns else f"factors ->> '{column}'" for column in near]
    return f"did you mean {' or '.join(meant)}?" if meant else "`farm query` lists the columns of each view"


def _near(name: str, known: Iterable[str]) -> list[str]:
    """Return at most two names that are spelt nearly alike or have the name as a part."""
    names = list(known)
    parts = [one for one in names if len(name) > 2 and name in one.split("_")]
    return list(dict.fromkeys([*get_close_matches(name, names, 2, _LEAST), *parts]))[:2]
