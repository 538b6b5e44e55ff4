"""CSV files of others: lines as the csv module has them, numbers as people write them."""

from pathlib import Path

import pytest

from farm.exchange.sheets import number, read
from farm.model.errors import InputError


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "theirs.csv"


def test_a_line_ends_where_csv_ends_it(file: Path) -> None:
    """Not at what else Unicode calls a line's end; a quoted cell may hold several lines."""
    file.write_bytes('\ufeffa,b\r\nx\u2028y,1\r\n\r\n"two\nlines",2\r\nz\x85\x0b,3'.encode())
    header, rows = read(file)
    assert header == ["a", "b"]
    assert rows == [
        (2, {"a": "x\u2028y", "b": "1"}),
        (5, {"a": "two\nlines", "b": "2"}),
        (6, {"a": "z\x85\x0b", "b": "3"}),
    ]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "theirs.csv: expected a line of column names, and rows below it"),
        (b'a,b\n1,"2\n3,4\n', "theirs.csv:3: this is not CSV: unexpected end of data"),
        (b"a,b\n1," + b"x" * 200_000, "theirs.csv:2: this is not CSV: field larger than field limit"),
        (b"a,b\n1\n", "theirs.csv:2: expected 2 cells, as the header has, got 1"),
        (b"a,b\n1,2,3\n", "theirs.csv:2: expected 2 cells, as the header has, got 3"),
        (b"a,a\n1,2\n", "theirs.csv:1: two columns have the same name"),
        (b"a;b\n1,5;2\n", "theirs.csv:1: semicolons separate the columns"),
        (b"a,b\n\xff,2\n", "theirs.csv: this is not CSV in UTF-8"),
    ],
)
def test_what_is_wrong_is_reported_with_its_line(file: Path, content: bytes, problem: str) -> None:
    file.write_bytes(content)
    with pytest.raises(InputError) as caught:
        read(file)
    assert problem in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1), (" -2 ", -2), ("+3.5", 3.5), (".5", 0.5), ("5.", 5.0), ("1e3", 1000.0), ("1E-3", 0.001),
        ("1_0", None), ("nan", None), ("inf", None), ("1e400", None), ("0x10", None), ("1,5", None), ("\u0661", None),
        ("", None), ("-", None), ("1 2", None),
    ],
)  # fmt: skip
def test_a_number_is_what_people_write(text: str, value: float | None) -> None:
    found = number(text)
    assert found == value
    assert type(found) is type(value)
