"""The carbon intensity of electricity: where it comes from, what a trial keeps of it, and the grams that follow."""

import csv
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from io import StringIO
from itertools import pairwise
from pathlib import Path
from typing import Self

from farm.model import files
from farm.model.catalog import COUNTRIES
from farm.model.errors import InputError
from farm.model.words import Frozen

_J_PER_KWH = 3.6e6
#: A row of a file of intensities holds for at most this long.
_HOUR = timedelta(hours=1)
#: A file of intensities, which has a row an hour, is read whole.
MOST_BYTES = 16 * files.MIB
_BASES = {"lifecycle": "life cycle", "lca": "life cycle", "direct": "direct"}


class CarbonSource(Frozen):
    """What somebody states about electricity: at most one of the first three; a value that is not stated is None."""

    country: str | None = None  #: ISO 3166 alpha-3
    g_per_kwh: float | None = None
    file: str | None = None  #: path of a CSV file of hourly intensities
    pue: float | None = None  #: power usage effectiveness: joules at the building's meter for a joule of the machine

    @property
    def is_stated(self) -> bool:
        """Whether an intensity is stated."""
        return (self.country, self.g_per_kwh, self.file) != (None, None, None)

    def factor(self, begin: datetime, end: datetime) -> "CarbonFactor":
        """Return the mean factor over a stretch of time; its intensity is unknown where none is stated.

        Raises:
            InputError: The country has no known intensity, or the file cannot be read or does not cover the time.
        """
        if self.file is not None:
            hourly = Hourly.read(Path(self.file))
            return CarbonFactor(hourly.mean_g_per_kwh(begin, end), self.pue or 1.0, hourly.source)
        stated = self.looked_up()
        return CarbonFactor(stated.g_per_kwh, self.pue or 1.0, stated.source or "")

    def looked_up(self) -> "StatedCarbon":
        """Return what holds at any time, with the intensity of the country; that of a file is left to each trial.

        Raises:
            InputError: The country has no known intensity.
        """
        known = self.model_dump(include=set(CarbonSource.model_fields))
        if self.g_per_kwh is not None:
            return StatedCarbon(**known, source="given outright")
        if self.country is None:
            return StatedCarbon(**known)
        country = COUNTRIES.get(self.country)
        if country is None or country.g_per_kwh is None:
            raise InputError(f"carbon: no intensity is known for {self.country!r}: give grams per kWh outright")
        source = f"{self.country}, codecarbon's table of {country.year}"
        return StatedCarbon(**known | {"g_per_kwh": country.g_per_kwh}, source=source)


class StatedCarbon(CarbonSource):
    """What a sweep states, as it is stored: with the intensity of its country, so that queries need no table."""

    source: str | None = None  #: the table and its year, or that g_per_kwh was given outright; None: it is unknown


@dataclass(frozen=True, slots=True)
class TrialCarbon:
    """What a trial keeps of its electricity: facts of its own place and time, not what its sweep states."""

    g_per_kwh: float | None = None  #: None: nobody stated it, or a file did not tell
    pue: float | None = None  #: what the machine states; None: the sweep's counts
    source: str | None = None
    is_own: bool = False  #: the machine states its intensity, so the sweep's does not count; False: it is of a file


@dataclass(frozen=True, slots=True)
class CarbonFactor:
    """What converts the joules of a trial to grams: what it keeps, over what its sweep states."""

    g_per_kwh: float | None = None  #: None: unknown
    pue: float = 1.0
    source: str = ""  #: the table and its year, the file, or that it was given outright

    def at(self, pue: float) -> "CarbonFactor":
        """Return the factor of a building with this PUE."""
        return replace(self, pue=pue)

    def grams(self, gross_j: float | None) -> float | None:
        """Return the CO2e of a gross energy at the building's meter, in grams; None if either is unknown."""
        if gross_j is None or self.g_per_kwh is None:
            return None
        return self.g_per_kwh * self.pue * gross_j / _J_PER_KWH


@dataclass(frozen=True, slots=True)
class Hourly:
    """Intensities of one zone by time. A row holds until the next one would be due; a gap is unknown."""

    source: str  #: in words: hourly, the file's name, and what the intensity counts
    begins: tuple[datetime, ...]  #: in order
    g_per_kwh: tuple[float, ...]

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a file of electricityMaps' export format; raises InputError, which names the line."""
        try:
            text = files.read_text(path.expanduser(), MOST_BYTES)
        except UnicodeDecodeError:
            raise InputError(f"carbon: {path} cannot be read: it is no text in UTF-8") from None
        except (OSError, RuntimeError) as error:  # the latter: ~ of an unknown user
            reason = getattr(error, "strerror", None) or error
            raise InputError(f"carbon: {path} cannot be read: {reason}") from None
        return cls.parse(text, str(path))

    @classmethod
    def parse(cls, text: str, path: str) -> Self:
        """Read the text of such a file; columns are found by their names, and an empty intensity is a gap."""
        reader = csv.reader(StringIO(text, newline=None))  # lines may end in \r
        try:
            rows = list(reader)
        except csv.Error as error:
            raise InputError(f"carbon: {path}, line {reader.line_num}: this is not CSV: {error}") from None
        time, intensity, basis = _columns(rows[0] if rows else [], path)
        found: dict[datetime, float] = {}
        for line, row in enumerate(rows[1:], start=2):
            if len(row) <= max(time, intensity) or not row[intensity].strip():
                continue
            try:
                at, value = _utc(row[time]), float(row[intensity])
            except ValueError:
                got = f"{row[time]!r}, {row[intensity]!r}"
                raise InputError(f"carbon: {path}, line {line}: expected a time and a number, got {got}") from None
            if not 0 <= value < float("inf"):
                raise InputError(f"carbon: {path}, line {line}: expected 0 or more g/kWh, got {value:g}")
            if at in found:
                raise InputError(f"carbon: {path}, line {line}: a second row of {at:%Y-%m-%d %H:%M}: give one zone")
            found[at] = value
        begins = tuple(sorted(found))
        return cls(f"hourly, {Path(path).name}{basis}", begins, tuple(found[at] for at in begins))

    def mean_g_per_kwh(self, begin: datetime, end: datetime) -> float:
        """Return the time-weighted mean; raises InputError, which names the first gap."""
        step = min((later - at for at, later in pairwise(self.begins)), default=_HOUR)
        step = min(step, _HOUR)
        known, weighted = timedelta(), 0.0
        end = max(end, begin + timedelta(microseconds=1))
        for at, value in zip(self.begins, self.g_per_kwh, strict=True):
            shared = min(end, at + step) - max(begin, at)
            if shared > timedelta():
                if max(begin, at) > begin + known:
                    break
                known += shared
                weighted += value * shared.total_seconds()
        if known < end - begin:
            raise InputError(f"carbon: {self.source}: no intensity for {begin + known:%Y-%m-%d %H:%M:%S} UTC")
        return weighted / known.total_seconds()


def _utc(text: str) -> datetime:
    at = datetime.fromisoformat(text.strip())
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def _columns(header: list[str], path: str) -> tuple[int, int, str]:
    """Return the places of the time and the intensity, and what the intensity counts; life cycle comes first."""
    names = ["".join(c for c in name.casefold().replace("\u2082", "2") if c.isalnum()) for name in header]
    times = [place for place, name in enumerate(names) if name.startswith("datetime")]
    found = [
        (place, f" ({basis})" if basis else "")
        for word, basis in (*_BASES.items(), ("", ""))
        for place, name in enumerate(names)
        if name.startswith("carbonintensity") and word in name
    ]
    if not times or not found:
        wanted = "columns such as 'Datetime (UTC)' and 'Carbon intensity gCO2eq/kWh (Life cycle)'"
        raise InputError(f"carbon: {path}: expected {wanted}, got {', '.join(header) or 'an empty file'}")
    return times[0], *found[0]
