"""What a worker remembers of its machine's idles from trial to trial, and when it needs another one."""

import json
import time
from collections.abc import Sequence
from math import inf

from farm.energy.baselines import SETTLED_AFTER_S, Baselines, SeenIdle
from farm.energy.joules import idle_powers
from farm.model import Domain, JobSpec, Trace, Window, WindowKind
from workers.supervisor.rest import Rest, rest_of

#: The meter that shows a GPU's power at any moment.
POWER = ("nvml-power", Domain.GPU)
#: A fall of the power that is shorter is no tail: readings above the rest's noise begin one too.
LEAST_TAIL_S = 0.3
#: A new resting temperature this far from the last one is noted.
NOTED_C = 2.0


class Idles:
    """The idles of one machine and GPU, since its worker began."""

    def __init__(self) -> None:
        self.baselines = Baselines()
        self.is_new = True  #: the first trial idles after it too, which shows how far the idle moves
        self.rest: Rest | None = None  #: of the GPU with nothing loaded, in its last idle
        self.tail_s: float | None = None  #: for so long the GPU drew more than at rest after work; None: unknown
        self._trials_since = 0  #: trials since the last control idle
        self._ran_until_ns = -inf
        self._is_disturbed = False

    @property
    def leakage_w_per_c(self) -> float | None:
        """The slope of the GPU's idle power; None: unknown."""
        return self.baselines.slope(POWER).w_per_c or None

    def control_reason(self, every: int, temperature_c: float | None) -> str | None:
        """Return why the next trial needs an idle of its own before it, or None.

        Args:
            every: a control idle is due at least every so many trials.
            temperature_c: the GPU's temperature now.
        """
        if self._is_disturbed:
            return "other programs used the machine in the last trial"
        if self._trials_since >= every:
            return f"{every} trials have passed since the last one"
        if not self.is_new and time.monotonic() - self._ran_until_ns / 1e9 >= SETTLED_AFTER_S:
            return "the machine has rested, and its room may have changed"
        return self.baselines.control_reason(time.monotonic(), temperature_c)

    def learn(
        self, spec: JobSpec, windows: Sequence[Window], traces: Sequence[Trace], *, is_disturbed: bool
    ) -> list[str]:
        """Add the idles of a trial that is over, unless others disturbed them; returns a note on a new rest."""
        had_control = any(w.kind is WindowKind.IDLE_BEFORE for w in windows)
        self._trials_since = 1 if had_control else self._trials_since + 1
        self._is_disturbed = is_disturbed
        self.is_new = False
        rest_c = self.baselines.rest_c
        if not is_disturbed:
            self.baselines = self.baselines.including(self._seen(spec, windows, traces))
            bare = [w for w in windows if w.kind in (WindowKind.IDLE_BEFORE, WindowKind.IDLE_AFTER)]
            self.rest = (rest_of(traces, bare[-1]) if bare else None) or self.rest
        self.tail_s = max(self.tail_s or 0.0, *_tails_s(windows), 0.0)
        self._ran_until_ns = max((w.end_at_ns for w in windows), default=self._ran_until_ns)
        now_c = self.baselines.rest_c
        if rest_c is None or now_c is None or abs(now_c - rest_c) <= NOTED_C:
            return []
        return [f"the GPU rests at {now_c:.0f} °C now, after {rest_c:.0f} °C before: baselines follow it"]

    def _seen(self, spec: JobSpec, windows: Sequence[Window], traces: Sequence[Trace]) -> list[SeenIdle]:
        loaded = {WindowKind.IDLE_BEFORE: "", WindowKind.CONTEXT_IDLE: _load_of(spec), WindowKind.IDLE_AFTER: ""}
        seen = []
        ran_until_ns = self._ran_until_ns
        for window in windows:
            if window.kind in loaded:
                rest = rest_of(traces, window)
                seen.append(
                    SeenIdle(
                        at_s=window.end_at_ns / 1e9,
                        loaded=loaded[window.kind],
                        powers=idle_powers(traces, window),
                        temperature_c=rest.temperature_c if rest else None,
                        warmest_c=rest.warmest_c if rest else None,
                        rested_s=(window.begin_at_ns - ran_until_ns) / 1e9,
                    )
                )
            else:
                ran_until_ns = window.end_at_ns
        return seen


def _tails_s(windows: Sequence[Window]) -> list[float]:
    """Return how long after its work a trial's power was back at rest, with nothing loaded; without short falls."""
    return [
        (tail.end_at_ns - work.end_at_ns) / 1e9
        for work, tail, idle in zip(windows, windows[1:], windows[2:], strict=False)
        if tail.kind is WindowKind.TAIL and idle.kind is WindowKind.IDLE_AFTER and tail.duration_s >= LEAST_TAIL_S
    ]


def _load_of(spec: JobSpec) -> str:
    """Name what a trial loads: its network, or all its factors where it has none."""
    return f"{spec.kind} {spec.point.get('model') or json.dumps(spec.point, sort_keys=True)}"
