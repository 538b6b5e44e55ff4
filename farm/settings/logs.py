"""Logs of controller and worker: set up once, as lines for people or as JSON for machines.

A line carries ids beside its message: from `add_ids` for all lines of a block, or from `extra` for one line.
"""

import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from pythonjsonlogger.json import JsonFormatter

from farm.model.text import LINES, visible

#: Ids that a line may carry, the most specific first.
IDS = ("trial", "job", "sweep", "machine")
_KEYS = ("time", "level", "logger", "message", *IDS, "traceback")

_ids: ContextVar[Mapping[str, str] | None] = ContextVar("ids", default=None)


@contextmanager
def add_ids(**ids: str) -> Iterator[None]:
    """Add ids to all lines that this thread logs in the block: trial (JOB.ATTEMPT), job, sweep."""
    token = _ids.set({**(_ids.get() or {}), **ids})
    try:
        yield
    finally:
        _ids.reset(token)


def set_up(form: str, verbose: bool, machine: str | None = None) -> int:
    """Send the logs of this process, Celery's too, to stderr as text or json; returns the level.

    Every line carries the name of the `machine`.
    """
    from celery.signals import setup_logging  # noqa: PLC0415 - it takes a while, and errors are logged without it

    level = logging.INFO if verbose else logging.WARNING
    handler = logging.StreamHandler()
    handler.setFormatter(_Json() if form == "json" else _Text())
    handler.addFilter(_IdFilter(machine))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.captureWarnings(True)
    setup_logging.connect(_prevent_setup, weak=False)
    return level


def is_structured() -> bool:
    """Return whether the logs of this process are JSON."""
    return any(isinstance(handler.formatter, _Json) for handler in logging.getLogger().handlers)


def _prevent_setup(**_: object) -> None:
    """Receive the signal, so that Celery sets up no logging of its own."""


class _IdFilter:
    """Adds the ids of the context to each record that lacks them."""

    def __init__(self, machine: str | None) -> None:
        self._machine = {"machine": machine} if machine else {}

    def __call__(self, record: logging.LogRecord) -> bool:
        for name, value in {**self._machine, **(_ids.get() or {})}.items():
            record.__dict__.setdefault(name, value)
        return True


class _Text(logging.Formatter):
    """A formatter that writes time, level and message, and then the ids that the message does not name.

    Messages quote others, so their control characters are visible. Further lines of a record are indented: no message
    can look like another record.
    """

    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03dZ"

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(message)s")
        self.converter = time.gmtime

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        named: list[str] = []
        for name in IDS:
            value = record.__dict__.get(name)
            if value and not any(str(value) in text for text in (record.message, *named)):
                named.append(f"{name} {value}")
        return super().formatMessage(record) + (f" ({', '.join(named)})" if named else "")

    def format(self, record: logging.LogRecord) -> str:
        """Return a record as text: its lines, and those of its traceback."""
        return visible(super().format(record), LINES).replace("\n", "\n    ")


class _Json(JsonFormatter):
    """A formatter that writes one JSON object a line, without fields that other libraries attach to records."""

    def __init__(self) -> None:
        names = {"levelname": "level", "name": "logger", "exc_info": "traceback"}
        super().__init__(["levelname", "name", "message"], rename_fields=names, timestamp="time")

    def process_log_record(self, log_data: dict[str, Any]) -> dict[str, Any]:
        return {key: log_data[key] for key in _KEYS if key in log_data}
