"""Describe why data from outside is invalid, in one line that repeats nothing of the data, and count it."""

import logging
import time

from pydantic import ValidationError

log = logging.getLogger(__name__)

#: The least time between two lines about rejected messages, however many there are.
LOG_PERIOD_S = 10.0


def describe(error: ValidationError) -> str:
    """Name the first problem and its field. An unknown field is not named: its name is data too."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    if first["type"] == "extra_forbidden":
        return "an unknown field"
    field = next((part for part in reversed(first["loc"]) if isinstance(part, str)), None)
    return f"{field}: {first['msg']}" if field else first["msg"]


class Rejections:
    """Counts rejected messages: the first is logged at once, those after it in one line now and then."""

    def __init__(self) -> None:
        self.count = 0
        self._logged = 0
        self._logged_at_s = -LOG_PERIOD_S  #: monotonic
        self._last = ""

    def add(self, why: str) -> None:
        """Count a rejected message."""
        self.count += 1
        self._last = why
        self.log()

    def log(self) -> None:
        """Log what no line has counted yet, unless the last line is too recent."""
        new, now_s = self.count - self._logged, time.monotonic()
        if new and now_s - self._logged_at_s >= LOG_PERIOD_S:
            counted = "a malformed message was" if new == 1 else f"{new:,} malformed messages were"
            log.warning("%s rejected, the last: %s", counted, self._last)
            self._logged, self._logged_at_s = self.count, now_s
