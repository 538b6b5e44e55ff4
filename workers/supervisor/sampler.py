"""The thread that reads the meters into traces while a trial runs; it sleeps between readings."""

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Self

from farm.model import Domain, Quality, Reading, Trace
from farm.model.errors import MeterLost
from workers.meters import Meter

#: A counter is read this often until its value changes.
TICK_STEP_S = 0.002
#: The newest power of a counter is its mean over at least this time.
LEAST_SPAN_S = 0.5


@dataclass(slots=True)
class _Source:
    """A meter and its readings."""

    meter: Meter
    readings: dict[Domain, list[Reading]] = field(init=False)
    lost: str | None = None  #: why it cannot be read any more

    def __post_init__(self) -> None:
        self.readings = {domain: [] for domain in sorted(self.meter.domains)}

    def ask(self) -> Mapping[Domain, Reading]:
        """Read once and keep nothing; empty once the meter is lost, from the moment at which it stops working."""
        if self.lost is None:
            try:
                return self.meter.read()
            except MeterLost as error:
                self.lost = str(error)
        return {}

    def keep(self, readings: Mapping[Domain, Reading]) -> None:
        """Add readings to the traces."""
        for domain, reading in readings.items():
            self.readings[domain].append(reading)

    def await_tick(self, within_s: float) -> Mapping[Domain, Reading]:
        """Read until the value changes, and return that reading, stamped with the change; else the last one."""
        end_s = time.monotonic() + within_s
        last = self.ask()
        while last and time.monotonic() < end_s:
            time.sleep(TICK_STEP_S)
            now = self.ask()
            if not now:
                break
            if all(now[domain].energy_j != reading.energy_j for domain, reading in last.items()):
                read_ns = time.monotonic_ns()
                return {domain: _as_tick(reading, last[domain].at_ns, read_ns) for domain, reading in now.items()}
            last = now
        return last

    def power_w(self, domain: Domain) -> float | None:
        """Return the newest power in a domain, or None; a model is asked for it, because it is not polled."""
        is_model = self.meter.quality is Quality.MODELLED
        if self.meter.poll_period_s is None and not is_model:
            return None  # its newest reading is that of the last edge
        kept = self.readings[domain]
        asked = self.ask().get(domain) if is_model else None
        last = asked or (kept[-1] if kept else None)
        if last is None or last.power_w is not None or last.energy_j is None:
            return last.power_w if last else None
        first = next((r for r in reversed(kept) if last.at_ns - r.at_ns >= LEAST_SPAN_S * 1e9), None)
        if first is None or first.energy_j is None:
            return None
        return (last.energy_j - first.energy_j) / (last.at_ns - first.at_ns) * 1e9

    def traces(self) -> list[Trace]:
        """Return the readings so far, one trace for each domain."""
        meter = self.meter
        return [
            Trace(
                domain,
                meter.name,
                meter.quality,
                meter.update_period_s,
                tuple(readings),
                class_u_share=getattr(meter, "class_u_share", None),
            )
            for domain, readings in self.readings.items()
        ]


def _as_tick(reading: Reading, unchanged_ns: int, changed_ns: int) -> Reading:
    """Stamp a reading with the middle of the time in which its value was published."""
    step_ns = changed_ns - unchanged_ns
    return replace(reading, at_ns=unchanged_ns + step_ns // 2, tick_step_s=step_ns / 1e9)


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

    Args:
        meters: the meters, entered.
        poll_period_s: the shortest time between two readings of one meter by the thread.
        ticks_within_s: the counters that `read_now` polls until they tick, by name, and the longest wait for that. The
            thread must not poll these.
    """

    def __init__(
        self, meters: Sequence[Meter], poll_period_s: float, ticks_within_s: Mapping[str, float] | None = None
    ) -> None:
        self._sources = [_Source(meter) for meter in meters]
        self._poll_period_s = poll_period_s
        self._ticks_within_s = ticks_within_s or {}
        self.has_missed_tick = False  #: whether a counter did not tick in time when `read_now` was last called
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
        """Read every meter once, and then the counters that may be polled at their next tick, from this thread."""
        with self._lock:
            for source in self._sources:
                if source.meter.name not in self._ticks_within_s:
                    source.keep(source.ask())
        ticked = []
        for source in self._sources:
            if source.meter.name in self._ticks_within_s:
                readings = source.await_tick(self._ticks_within_s[source.meter.name])
                ticked += [reading.is_tick for reading in readings.values()]
                with self._lock:
                    source.keep(readings)
        self.has_missed_tick = not all(ticked)

    def traces(self) -> tuple[Trace, ...]:
        """Return the readings so far: one trace for each meter and domain, in order of time."""
        with self._lock:
            return tuple(trace for source in self._sources for trace in source.traces())

    def power(self, domain: Domain) -> tuple[float, Quality] | None:
        """Return the newest power of a domain, and how it was obtained; None: unknown. Any thread may call this."""
        with self._lock:
            for source in self._sources:
                power_w = source.power_w(domain) if domain in source.readings else None
                if power_w is not None:
                    return power_w, source.meter.quality
        return None

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
                turn.source.keep(turn.source.ask())
            turn.advance(time.monotonic())
            turns = [t for t in turns if t.source.lost is None]
