"""Holds: jobs that wait until the carbon intensity is low, at the latest until a deadline.

A hold is a state of the sweep in the store, so that it survives the controller. The controller alone ends it.
"""

import json
import re
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from http.client import HTTPException
from math import inf
from pathlib import Path
from typing import Any
from urllib.error import URLError

from farm.model import Hold, Hourly, SweepRecord, durations
from farm.model.errors import InputError
from farm.report.numbers import number
from farm.settings import Settings
from farm.store import ControllerStore

#: The deadline of a hold whose user names none.
USUAL_DEADLINE = "24h"
#: The source of the intensity is asked once in this time.
PERIOD = timedelta(minutes=1)
#: A value that is older says nothing about now; the services publish one an hour.
LARGEST_AGE = timedelta(hours=2)
TIMEOUT_S = 5.0
_CONDITION = re.compile(r"\s*carbon\s*<\s*(\d{1,6}(?:\.\d{1,6})?)\s*", re.ASCII)
_LONGEST_ANSWER = 1 << 20
_LONGEST_WAIT_S = 8760 * 3600.0


def parse_hold(when: str | None, deadline: str | None, now: datetime) -> Hold | None:
    """Read --when and --deadline; None without either. Raises InputError."""
    if when is None:
        if deadline is not None:
            raise InputError("--deadline: it is the end of a wait: add --when 'carbon < 200'")
        return None
    found = _CONDITION.fullmatch(when)
    if found is None:
        raise InputError(f"--when: expected 'carbon < NUMBER' in grams of CO2e per kWh, got {when!r}")
    wait_s = durations.duration_s(USUAL_DEADLINE if deadline is None else deadline, "--deadline")
    if wait_s > _LONGEST_WAIT_S:
        raise InputError(f"--deadline: expected at most {_LONGEST_WAIT_S / 3600:g}h, got {deadline!r}")
    return Hold(float(found[1]), now + timedelta(seconds=wait_s))


def require_source(settings: Settings) -> None:
    """Raise InputError where this process is to release held jobs, but cannot look up the intensity."""
    if not settings.carbon_now:
        raise InputError("--when: set FARM_CARBON_NOW to a CSV file of hourly intensities, or to an address")


class CarbonNow:
    """The carbon intensity of this moment, from the file or the address of FARM_CARBON_NOW."""

    def __init__(self, settings: Settings, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.clock = clock
        self._settings = settings
        self._asked_at: datetime | None = None
        self._answer: tuple[float | None, str] = (None, "")

    def read(self) -> tuple[float | None, str]:
        """Return the intensity in g/kWh and a line on it; None and the reason where it is unknown."""
        now = self.clock()
        if self._asked_at is None or not timedelta() <= now - self._asked_at < PERIOD:
            self._asked_at = now
            try:
                value = self._ask(now)
                self._answer = value, f"carbon {number(value)} g/kWh"
            except InputError as error:
                self._answer = None, f"carbon unknown: {str(error).removeprefix('carbon: ')}"
        return self._answer

    def _ask(self, now: datetime) -> float:
        source = self._settings.carbon_now
        if not source:
            raise InputError("FARM_CARBON_NOW is not set where the controller runs")
        if re.match(r"https?://", source, re.IGNORECASE):
            return self._fetch(source, now)
        return Hourly.read(Path(source)).mean_g_per_kwh(now, now)

    def _fetch(self, address: str, now: datetime) -> float:
        """Ask an address that answers as electricityMaps' /v3/carbon-intensity/latest does."""
        token = self._settings.carbon_now_token.get_secret_value()
        try:
            request = urllib.request.Request(address, headers={"auth-token": token} if token else {})  # noqa: S310 - http(s)
            with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310
                found: Any = json.loads(answer.read(_LONGEST_ANSWER))
        except json.JSONDecodeError as error:
            raise InputError(f"FARM_CARBON_NOW does not answer: {error}") from None
        except OSError as error:
            reason = error.reason if type(error) is URLError else error
            raise InputError(f"FARM_CARBON_NOW does not answer: {reason}") from None
        except (HTTPException, ValueError, RecursionError) as error:  # its text may repeat the address or the token
            reason = f"{type(error).__name__}: check the address and its token"
            raise InputError(f"FARM_CARBON_NOW does not answer: {reason}") from None
        try:
            value, at = float(found["carbonIntensity"]), datetime.fromisoformat(found["datetime"])
        except (KeyError, TypeError, ValueError, OverflowError):
            raise InputError("FARM_CARBON_NOW: expected JSON with carbonIntensity and datetime") from None
        if not 0 <= value < inf:
            raise InputError(f"FARM_CARBON_NOW: expected 0 or more g/kWh, got {value:g}")
        if abs(now - at.replace(tzinfo=at.tzinfo or UTC)) > LARGEST_AGE:
            raise InputError(f"FARM_CARBON_NOW: its value {value:g} is of {at:%Y-%m-%d %H:%M}, too long ago or to come")
        return value


def review(store: ControllerStore, carbon: CarbonNow, sweep: SweepRecord) -> str | None:
    """End the hold of a sweep whose condition or deadline has come, or note what it waits for.

    Returns:
        Why the sweep was released; None where it was not.
    """
    until, below = sweep.hold_until, sweep.hold_below_g_per_kwh
    if until is None or below is None:
        return None
    value, note = carbon.read()
    is_due = carbon.clock() >= until
    if not is_due and (value is None or value >= below):
        if note != sweep.hold_note:
            store.note_hold(sweep.id, until, note)
        return None
    if not store.end_hold(sweep.id, until):
        return None
    return "its deadline has come" if is_due else f"{note}, below {below:g}"


def described(hold: Hold, jobs: int) -> str:
    """Return how many jobs are held, what they wait for, and until when at the latest."""
    seen = hold.note or "carbon not looked up yet"
    return f"{jobs} held: {seen}, waits for < {hold.below_g_per_kwh:g}, at the latest {hold.until:%Y-%m-%d %H:%M} UTC"
