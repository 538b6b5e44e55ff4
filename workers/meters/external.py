"""The energy of the whole machine, from a meter outside it: a smart plug or a PDU that is asked over HTTP.

There are two kinds of source: a Prometheus server (FARM_WALL_QUERY), or any address that answers in JSON
(FARM_WALL_PATH). The unit decides between two readings: power (W, kW) is sampled, energy (J, Wh, kWh) is counted by the
meter itself.

A network may be slow, so a thread of the meter asks, and `read` returns the newest sample once: power is new when it
was measured again, energy when the counter has moved. A sample is stamped with the moment at which it was true, by our
monotonic clock; that is always a little before it is returned.
"""

import threading
import time
from collections import deque
from collections.abc import Mapping
from math import isfinite, sqrt
from typing import Self

from farm.model import Domain, Quality, Reading
from farm.model.errors import MeterLost, MeterUnavailable
from farm.settings import Settings
from workers.meters.sources import Offset, Sample, Source, configured

#: Joules of the units of energy; watts of the units of power.
JOULES = {"J": 1.0, "Wh": 3600.0, "kWh": 3.6e6}
WATTS = {"W": 1.0, "kW": 1000.0}
#: A meter without a new sample for so many periods is lost.
STALE_PERIODS = 5
#: Readings that the sampler takes in a period, so that no sample is missed and none waits long.
READS_A_PERIOD = 4
#: Readings that the update period looks back on.
MEMORY = 60


class _Seen:
    """The samples so far: the newest one, the smallest step of the value, and the gaps between new samples."""

    def __init__(self, counts: bool) -> None:
        self.newest: Sample | None = None
        self.resolution: float | None = None
        self.gaps_s: deque[float] = deque(maxlen=MEMORY)
        self._counts = counts
        self._new_at_ns = 0

    def add(self, sample: Sample) -> bool:
        """Add a sample; False where it is not new: it is not later, or the counter has not moved."""
        before = self.newest
        if before is not None and sample.at_ns <= before.at_ns:
            return False
        self.newest = sample
        if before is not None:
            step = abs(sample.value - before.value)
            if step == 0 and self._counts:
                return False
            if step > 0:
                self.resolution = min(step, self.resolution or step)
            self.gaps_s.append((sample.at_ns - self._new_at_ns) / 1e9)
        self._new_at_ns = sample.at_ns
        return True


class Wall:
    """A meter outside the machine. Its thread asks once a period while the meter is entered; `read` never waits.

    Its update period is the longest time between two readings of late, and FARM_WALL_PERIOD_S at least. A counter that
    moves in coarse steps is read where it has moved, so that is the longest time for which it stood still.
    """

    name = "wall"
    domains = frozenset({Domain.WALL})
    priority = 10

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._counts = settings.wall_unit in JOULES
        self.quality = Quality.COUNTER if self._counts else Quality.SAMPLED
        self.update_period_s = settings.wall_period_s
        self.poll_period_s: float | None = settings.wall_period_s / READS_A_PERIOD
        #: Standard uncertainty, as a share: an error up to the stated accuracy is as likely as any other.
        self.class_u_share = settings.wall_accuracy / sqrt(3) if settings.wall_accuracy else None
        #: After this time, a value that was true at its beginning has been read.
        self.delay_s = 2 * settings.wall_period_s
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._source: Source | None = None
        self._seen = _Seen(self._counts)
        self._fresh: Reading | None = None  #: not returned yet
        self._failure = ""  #: why the last request failed

    def __enter__(self) -> Self:
        source = configured(self._settings)
        self._seen, self._failure = _Seen(self._counts), ""
        try:
            self._ask(source)
            self._check_age()
        except MeterLost as error:
            raise MeterUnavailable(f"{_where(source)}: {error}") from None
        self._source = source
        self._stop.clear()
        self._thread = threading.Thread(target=self._keep_asking, args=(source,), name=self.name, daemon=True)
        self._thread.start()
        return self

    def read(self) -> Mapping[Domain, Reading]:
        """Return the newest sample, unless it was returned already."""
        if self._source is None:
            raise MeterLost(f"{self.name} is closed")
        with self._lock:
            try:
                self._check_age()
            except MeterLost as error:
                raise MeterLost(f"{_where(self._source)}: {error}") from None
            fresh, self._fresh = self._fresh, None
        return {} if fresh is None else {Domain.WALL: fresh}

    @property
    def notes(self) -> tuple[str, ...]:
        """One line about its clock, resolution and period, for the notes of a trial; none before it is entered."""
        if self._source is None:
            return ()
        with self._lock:
            offset, resolution, unit = self._source.clock.offset, self._seen.resolution, "J" if self._counts else "W"
        step = "unknown" if resolution is None else f"{_two_digits(resolution)} {unit} or finer"
        return (
            f"wall meter {self._source.name}: clock offset {_offset_text(offset)}, resolution {step}, "
            f"period {_two_digits(self.update_period_s)} s",
        )

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        self._thread = self._source = self._fresh = None

    def _keep_asking(self, source: Source) -> None:
        """Ask on a schedule that does not drift; missed moments are skipped."""
        period_s, due_s = self._settings.wall_period_s, time.monotonic()
        while True:
            due_s += period_s * ((time.monotonic() - due_s) // period_s + 1)
            if self._stop.wait(due_s - time.monotonic()):
                return
            try:
                self._ask(source)
            except MeterLost as error:
                self._failure = str(error)

    def _ask(self, source: Source) -> None:
        sample = source.sample()
        si = None if sample is None else Sample(sample.at_ns, self._si(sample.value))
        with self._lock:
            self._failure = ""
            if si is not None and self._seen.add(si):
                energy_j, power_w = (si.value, None) if self._counts else (None, si.value)
                self._fresh = Reading(si.at_ns, energy_j, power_w)
                self.update_period_s = max((self._settings.wall_period_s, *self._seen.gaps_s))

    def _si(self, value: float) -> float:
        unit = self._settings.wall_unit
        if not isfinite(value) or value < 0 or (value == 0 and not self._counts):
            raise MeterLost(
                f"it reads {value:g} {unit}, which this machine cannot draw: check that the machine is plugged into it"
            )
        return value * {**JOULES, **WATTS}[unit]

    def _check_age(self) -> None:
        newest = self._seen.newest
        age_s = (time.monotonic_ns() - newest.at_ns) / 1e9 if newest else float("inf")
        if age_s > STALE_PERIODS * self._settings.wall_period_s:
            why = self._failure or "look at it, or raise FARM_WALL_PERIOD_S if it measures more seldom"
            raise MeterLost(f"nothing new for {age_s:.1f} s: {why}")


def _where(source: Source) -> str:
    return f"wall meter {source.name} at {source.endpoint.shown}"


def _two_digits(value: float) -> str:
    return f"{float(f'{value:.2g}'):g}"


def _offset_text(offset: Offset | None) -> str:
    """Describe how far a server's clock is ahead of ours."""
    if offset is None:
        return "unknown"
    ahead_ns = offset.middle_ns + time.monotonic_ns() - time.time_ns()
    return f"{ahead_ns / 1e9:.3f} ± {offset.u_ns / 1e9:.3f} s"
