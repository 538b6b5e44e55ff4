"""Reading what a store holds: one sweep or one machine that cannot be read stops nothing but itself.

A reader yields values and, in the place of those that cannot be read, their errors. Whoever gets both goes on with the
values and shows the errors.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Literal, TypeVar

from pydantic import ValidationError

from farm.model.errors import InputError
from farm.model.text import line

T = TypeVar("T")
Row = TypeVar("Row")
What = Literal["sweep", "machine"]
#: What people can do, by the kind of thing that cannot be read.
_REMEDIES = {
    "sweep": "a newer program may have written it: update wattfarm here, or `farm cancel {id}` and `farm rm {id}`",
    "machine": "update wattfarm here, or start `farm worker` there again, which registers it anew",
}


class Unreadable(InputError):
    """A sweep or a machine in the store that this program cannot read; the text says why, and what to do."""

    def __init__(self, what: What, of: str, name: str, why: str) -> None:
        self.what, self.id, self.name, self.why = what, line(of, 60), line(name, 60), line(why, 200)
        shown = f"{self.name} ({self.id})" if self.name else self.id
        super().__init__(f"{what} {shown} cannot be read: {self.why}: {_REMEDIES[what].format(id=self.id)}")


@contextmanager
def reading(what: What, of: object, name: object = "", part: str = "") -> Iterator[None]:
    """Raise Unreadable where a value of this sweep or machine, or a part of it, has a form that is not known here."""
    try:
        yield
    except Unreadable:
        raise
    except ValidationError as error:
        raise Unreadable(what, str(of), str(name), part + reason(error)) from error
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise Unreadable(what, str(of), str(name), f"{part}{type(error).__name__}: {error}") from error


def reason(error: ValidationError) -> str:
    """Return the first problem of a value in one line: the field, and what is wrong with it."""
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(map(str, first["loc"]))
    text = "this program does not know it" if first["type"] == "extra_forbidden" else first["msg"]
    return f"{where}: {text}" if where else text


def each(rows: Iterable[Row], read: Callable[[Row], T]) -> Iterator[T | Unreadable]:
    """Yield what `read` makes of each row, or the error of a row that cannot be read."""
    for row in rows:
        try:
            yield read(row)
        except Unreadable as error:
            yield error


def readable(found: Iterable[T | Unreadable]) -> list[T]:
    """Return the values alone, for who leaves it to others to show the errors."""
    return [one for one in found if not isinstance(one, Unreadable)]


def unreadable(found: Iterable[object]) -> list[Unreadable]:
    """Return the errors alone."""
    return [one for one in found if isinstance(one, Unreadable)]
