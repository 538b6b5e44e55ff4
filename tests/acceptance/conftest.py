"""A farm that has measured something, for all who only read."""

import os
from pathlib import Path

import pytest

from tests.acceptance.person import TINY, Done, Person


@pytest.fixture
def person(tmp_path: Path) -> Person:
    """Someone who has never used the farm."""
    return Person(tmp_path)


@pytest.fixture(scope="session")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Person:
    """Someone whose farm has measured one sweep; tests that share it only read."""
    return Person(tmp_path_factory.mktemp("reader"))


@pytest.fixture(scope="session")
def first_run(reader: Person) -> Done:
    """What `farm run` said of that sweep, the first time."""
    return reader.runs("run", reader.writes("tiny", TINY, carbon="{country: NLD}"))


@pytest.fixture
def measured(reader: Person, first_run: Done) -> Person:
    """The reader, once there is something to read."""
    assert first_run.status == os.EX_OK, first_run.err
    return reader
