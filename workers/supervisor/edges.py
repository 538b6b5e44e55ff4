"""The edges of a trial's windows, where meters are read, and the windows in which nothing runs."""

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from farm.model import MeasureSettings, Window, WindowKind
from workers.supervisor.rest import Rest, rest_of
from workers.supervisor.sampler import Sampler
from workers.supervisor.stop import Stop
from workers.supervisor.view import View
from workers.supervisor.watch import Watch


class Edges:
    """Reads the meters of one trial, and waits for the board's rest before an idle or a guard counts."""

    def __init__(
        self,
        sampler: Sampler,
        watch: Watch,
        measure: MeasureSettings,
        stop: Stop,
        leakage_w_per_c: float | None = None,
        tail_s: float | None = 0.0,
        view: View | None = None,
    ) -> None:
        self._sampler = sampler
        self._watch = watch
        self._measure = measure
        self._stop = stop
        self._leakage_w_per_c = leakage_w_per_c
        self._tail_s = measure.cool_down_max_s if tail_s is None else min(tail_s, measure.cool_down_max_s)
        self._view = view or View()
        self._tails = 0
        self.notes: list[str] = []

    def read_now(self) -> None:
        """Read the meters once, and then record who else uses the machine."""
        self._sampler.read_now()
        self._watch.look()

    def idle(self, kind: WindowKind, rest: Rest | None) -> list[Window]:
        """Wait for the board's rest, and meter an idle; returns the windows of both, none that a stop cut short."""
        tail = self._tail(rest)
        self.read_now()
        self._view.begin(kind)
        begin_ns, started = time.monotonic_ns(), datetime.now(UTC)
        if self._stop.wait(self._measure.idle_s):
            return tail
        end_ns = time.monotonic_ns()
        self.read_now()
        idle = Window(kind=kind, begin_at_ns=begin_ns, end_at_ns=end_ns, started_at_utc=started)
        self._view.end(idle)
        return [*tail, idle]

    def settle(self, windows: Sequence[Window]) -> list[Window]:
        """Wait until the board is back at the idle with the model loaded, as the windows so far show it.

        Before the first such idle nothing shows it: then the wait is as long as the tail of earlier work, and where
        that is unknown, as long as any.
        """
        context = next((w for w in windows if w.kind is WindowKind.CONTEXT_IDLE), None)
        if context is not None:
            return self._tail(rest_of(self._sampler.traces(), context))
        until_ns = time.monotonic_ns() + round(self._tail_s * 1e9)
        return self._wait(lambda: time.monotonic_ns() >= until_ns) if self._tail_s else []

    def _tail(self, rest: Rest | None) -> list[Window]:
        """Wait until the board is at rest, with a note where it is not in time; empty where it is already."""
        if rest is None or self._is_met(rest):
            return []
        waited = self._wait(lambda: self._is_met(rest))
        if waited and not self._is_met(rest):
            limit = f"{self._measure.cool_down_max_s:g} s"
            self.notes.append(f"the GPU still drew more than at rest after {limit}: raise cool_down_max_s")
        return waited

    def _wait(self, is_over: Callable[[], bool]) -> list[Window]:
        """Wait within the limit of the settings; returns the window of the wait, or none without a limit above 0."""
        limit_s = self._measure.cool_down_max_s
        if not limit_s:
            return []
        self.read_now()
        self._view.begin(WindowKind.TAIL)
        begin_ns, started = time.monotonic_ns(), datetime.now(UTC)
        while time.monotonic_ns() - begin_ns < limit_s * 1e9:
            if self._stop.wait(self._measure.poll_period_s) or is_over():
                break
        end_ns = time.monotonic_ns()
        self.read_now()
        self._tails += 1
        index, kind = self._tails - 1, WindowKind.TAIL
        return [Window(kind=kind, index=index, begin_at_ns=begin_ns, end_at_ns=end_ns, started_at_utc=started)]

    def _is_met(self, rest: Rest) -> bool:
        return rest.is_met(self._sampler.traces(), time.monotonic_ns(), self._leakage_w_per_c)
