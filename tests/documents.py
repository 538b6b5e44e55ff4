"""Documents taken to pieces, and as a reader of a terminal sees them."""

from farm import kinds
from farm.report.columns import column_type
from farm.report.document import Alert, Document, Figure, Note, Paragraph, Table
from farm.report.terminal import text
from tests.golden import assert_golden
from tests.summaries import widest


def notes_of(document: Document) -> list[str]:
    return [block.text for block in document.blocks if isinstance(block, Note)]


def lines_of(document: Document) -> list[str]:
    return [block.text for block in document.blocks if isinstance(block, Paragraph)]


def tables_of(document: Document) -> list[Table]:
    return [block for block in document.blocks if isinstance(block, Table)]


def alerts_of(document: Document) -> list[str]:
    return [block.text for block in document.blocks if isinstance(block, Alert)]


def figures_of(document: Document) -> list[Figure]:
    return [block for block in document.blocks if isinstance(block, Figure)]


def has_note(document: Document, begin: str) -> bool:
    return any(note.startswith(begin) for note in notes_of(document))


def assert_typed(document: Document) -> None:
    """Check that the types of columns, which their names declare, fit all values of the rows."""
    declared = {**kinds.factor_types(), **document.types}
    for record in document.records():
        for name, value in record.items():
            kind = declared.get(name, column_type(name))
            is_whole = isinstance(value, int) and not isinstance(value, bool)
            fits = {
                str: True,
                bool: isinstance(value, bool),
                int: is_whole,
                float: isinstance(value, float) or is_whole,
            }
            assert value is None or fits[kind], (name, kind, value)


def seen(document: Document) -> str:
    """What a terminal shows, 80 characters wide, without the spaces at the ends of its lines."""
    return "\n".join(line.rstrip() for line in text(document).splitlines()) + "\n"


def assert_seen(name: str, document: Document) -> None:
    """Compare what a terminal shows with a golden file; it must fit 80 characters."""
    assert_typed(document)
    shown = seen(document)
    assert widest(shown) <= 80
    assert_golden(name, shown)
