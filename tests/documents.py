"""Documents taken to pieces."""

from farm.report.document import Document, Note, Paragraph, Table


def notes_of(document: Document) -> list[str]:
    return [block.text for block in document.blocks if isinstance(block, Note)]


def lines_of(document: Document) -> list[str]:
    return [block.text for block in document.blocks if isinstance(block, Paragraph)]


def tables_of(document: Document) -> list[Table]:
    return [block for block in document.blocks if isinstance(block, Table)]
