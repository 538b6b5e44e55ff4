"""What a line of the log says, to people and to programs."""

import json
import logging
import warnings
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
from celery import Celery
from celery.signals import setup_logging
from celery.utils.log import get_task_logger

from farm.settings import logs

log = logging.getLogger("farm.test")


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """Logging belongs to the whole process."""
    root = logging.getLogger()
    handlers, level, receivers = root.handlers[:], root.level, list(setup_logging.receivers or ())
    yield
    logging.captureWarnings(False)
    root.handlers[:], setup_logging.receivers = handlers, receivers
    root.setLevel(level)


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    out, err = capsys.readouterr()
    assert out == ""
    return err.splitlines()


def records(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines(capsys)]


# For programs


def test_a_line_is_an_object_with_what_it_is_about(capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up("json", verbose=True, machine="lab1")
    with logs.add_ids(trial="job.1", job="job", sweep="abc"):
        log.info("job %s attempt %d: begins", "job", 1)
    log.warning("nothing to do")
    first, second = records(capsys)
    at = datetime.fromisoformat(first.pop("time"))
    assert at.tzinfo is not None
    assert abs((datetime.now(at.tzinfo) - at).total_seconds()) < 90
    assert first == {
        "level": "INFO", "logger": "farm.test", "message": "job job attempt 1: begins",
        "trial": "job.1", "job": "job", "sweep": "abc", "machine": "lab1",
    }  # fmt: skip
    assert {key: second[key] for key in second if key != "time"} == {
        "level": "WARNING", "logger": "farm.test", "message": "nothing to do", "machine": "lab1",
    }  # fmt: skip


def test_the_ids_of_one_line_come_first(capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up("json", verbose=True)
    with logs.add_ids(job="a", sweep="s"), logs.add_ids(job="b"):
        log.warning("of b")
        log.warning("of c", extra={"job": "c"})
    log.warning("of none")
    assert [(r.get("job"), r.get("sweep")) for r in records(capsys)] == [("b", "s"), ("c", "s"), (None, None)]


def test_an_exception_stays_on_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up("json", verbose=False)
    try:
        raise ValueError("two\nlines")
    except ValueError:
        log.exception("it failed")
    (found,) = records(capsys)
    assert found["message"] == "it failed"
    assert found["traceback"].endswith("ValueError: two\nlines")


def test_no_message_looks_like_another_line_and_no_terminal_obeys_one(capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up("text", verbose=False)
    try:
        raise ValueError("x\n2026-01-01T00:00:00.000Z ERROR forged")
    except ValueError:
        log.exception("lost %s", "lab1\x1b[2J\n2026-01-01T00:00:00.000Z ERROR forged")
    first, *others = capsys.readouterr().err.rstrip("\n").split("\n")
    assert first.endswith(r"ERROR lost lab1\x1b[2J")
    assert any("forged" in line for line in others)
    assert all(line.startswith("    ") for line in others)


def test_other_libraries_and_warnings_are_lines_too(capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up("json", verbose=False)
    Celery("farm", set_as_current=False).log.setup(loglevel=logging.WARNING)
    get_task_logger("farm.trial").warning("of celery", extra={"data": {"password": "swordfish"}})
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("old", DeprecationWarning, stacklevel=1)
    first, second = records(capsys)
    assert (first["message"], "swordfish" in str(first)) == ("of celery", False)
    assert (second["logger"], "DeprecationWarning: old" in second["message"]) == ("py.warnings", True)


def test_a_process_knows_whether_its_logs_are_structured() -> None:
    logs.set_up("text", verbose=False)
    assert not logs.is_structured()
    logs.set_up("json", verbose=False)
    assert logs.is_structured()


# For people


def test_a_line_of_text_names_what_its_message_does_not(capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up("text", verbose=True, machine="lab1")
    with logs.add_ids(trial="job7.1", job="job7", sweep="abc"):
        log.info("begins")
        log.info("lab1 stores job7.1 of abc")
    log.warning("nothing to do")
    assert [line.partition("Z ")[2] for line in lines(capsys)] == [
        "INFO begins (trial job7.1, sweep abc, machine lab1)",
        "INFO lab1 stores job7.1 of abc",
        "WARNING nothing to do (machine lab1)",
    ]


def test_its_time_is_utc(capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up("text", verbose=False)
    record = logging.LogRecord("farm", logging.ERROR, "", 1, "said", None, None)
    record.created, record.msecs = 0.0, 5.0
    logging.getLogger().handlers[0].handle(record)
    assert lines(capsys) == ["1970-01-01T00:00:00.005Z ERROR said"]


def test_little_is_logged_unless_asked(capsys: pytest.CaptureFixture[str]) -> None:
    assert logs.set_up("text", verbose=False) == logging.WARNING
    log.info("not this")
    assert logs.set_up("text", verbose=True) == logging.INFO
    log.info("this")
    assert [line.rpartition(" ")[2] for line in lines(capsys)] == ["this"]
