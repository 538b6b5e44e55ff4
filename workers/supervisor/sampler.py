"""The thread that reads the meters into traces while a trial runs; it sleeps between readings."""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

from farm.model import Domain, Reading, Trace
from farm.model.errors import MeterLost
from workers.meters import Meter


@dataclass(slots=True)
class _Source:
    """A meter and its readings."""

    meter: Meter
    readings: dict[Domain, list[Reading]] = field(init=False)
    lost: str | None = None  #: why it cannot be read any more

    def __post_init__(self) -> None:
        self.readings = {domain: [] for domain in sorted(self.meter.domains)}

    def read(self) -> None:
        """Read once, unless the meter is lost; a meter that stops working is lost from then on."""
        if self.lost is not None:
            return
        try:
            readings = self.meter.read()
        except MeterLost as error:
            self.lost = str(error)
            return
        for domain, reading in readings.items():
            self.readings[domain].append(reading)

    def traces(self) -> list[Trace]:
        """Return the readings so far, one trace for each domain."""
        meter = self.meter
        return [
            Trace(domain, meter.name, meter.quality, meter.update_period_s, tuple(readings))
            for domain, readings in self.readings.items()
        ]


@dataclass(slots=True)
class _Turn:
    """The time of a source's next reading, on a schedule that does not drift."""

    source: _Source
    period_s: float
    due_s: float  #: monotonic

    def advance(self, now_s: float) -> None:
        """Set the next moment of the schedule; missed moments are skipped."""
        self.due_s += self.period_s * ((now_s - self.due_s) // self.period_s + 1)


class Sampler:
    """Reads each polled meter every max(its own period, `poll_period_s`), and all meters in `read_now`.

    Only `read_now` reads the meters that may be read at the edges of windows alone. A meter that is lost is not read
    any more; its trace up to then is kept.
    """

    def __init__(self, meters: Sequence[Meter], poll_period_s: float) -> None:
        self._sources = [_Source(meter) for meter in meters]
        self._poll_period_s = poll_period_s
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._poll, name="sampler", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        self._thread.join()

    def read_now(self) -> None:
        """Read every meter once, from the caller's thread."""
        with self._lock:
            for source in self._sources:
                source.read()

    def traces(self) -> tuple[Trace, ...]:
        """Return the readings so far: one trace for each meter and domain, in order of time."""
        with self._lock:
            return tuple(trace for source in self._sources for trace in source.traces())

    @property
    def lost(self) -> tuple[str, ...]:
        """The meters that have stopped working, as lines `name: why`."""
        with self._lock:
            return tuple(f"{s.meter.name}: {s.lost}" for s in self._sources if s.lost is not None)

    def _poll(self) -> None:
        begin_s = time.monotonic()
        turns = [
            _Turn(source, max(source.meter.poll_period_s, self._poll_period_s), begin_s)
            for source in self._sources
            if source.meter.poll_period_s is not None
        ]
        while turns:
            turn = min(turns, key=lambda t: t.due_s)
            if self._stop.wait(max(turn.due_s - time.monotonic(), 0.0)):
                return
            with self._lock:
                turn.source.read()
            turn.advance(time.monotonic())
            turns = [t for t in turns if t.source.lost is None]
