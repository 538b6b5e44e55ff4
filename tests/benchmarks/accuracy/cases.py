"""What is measured: boards with their meters, loads and window lengths."""

import math
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from random import Random

from farm.energy.aliasing import has_alias_risk
from farm.model import MeasureSettings, Probe
from farm.spec import PROFILES
from tests.benchmarks.accuracy.boards import Restlessness
from workers.simulator import A100, RTX4090, Counter, Preset
from workers.simulator.physics import SMOOTHED_S

WINDOWS_S = (1.0, 2.0, 5.0, 10.0)
#: A batch's time: where it is short a sensor blurs batches, where it is long a window holds few.
BATCH_S = (0.015, 0.5)
#: Standard deviation of a batch's time, as a share of it.
SPREAD = 0.005
#: What a probe finds of a counter that publishes at perfectly regular moments: see `tests/unit/test_probe.py`.
PERIOD_U, JITTER_S = 3e-5, 0.0008
#: Gini's mean difference over the standard deviation of a normal distribution.
MEAN_DIFFERENCE = 2 / math.sqrt(math.pi)
_ANY_DAY = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Batches:
    """Work that repeats with the batch: busy for a share of it, then waiting for the next."""

    batch_s: float  #: mean
    busy: float  #: load while it computes
    waiting: float  #: load between
    busy_share: float  #: share of the batch in which it computes


@dataclass(frozen=True, slots=True)
class Setup:
    """Building a model and moving it to the board, which is at work to the end of it."""

    shortest_s: float = 2.0
    longest_s: float = 2.0
    load: float = 0.2


@dataclass(frozen=True, slots=True)
class Meters:
    """A kind of board, what its meters show, and what is known of them."""

    name: str
    preset: Preset
    restlessness: Restlessness = Restlessness()
    has_counter: bool = True
    is_smoothed: bool = False  #: the only power reading is the average over a second
    is_probed: bool = True
    is_resonant: bool = False  #: batches run in step with the sensor
    setup: Setup = Setup()

    def draw(self, random: Random, window_s: float) -> Batches:
        """A load for one trial."""
        sensor = self.preset.sensor
        batch_s = sensor.update_s
        while not self.is_resonant:
            batch_s = math.exp(random.uniform(*map(math.log, BATCH_S)))
            if not has_alias_risk(batch_s, window_s, sensor.update_s, sensor.averaging_s):
                break
        return draw_load(random, batch_s)

    @property
    def probe(self) -> Probe | None:
        """The verdict of a probe without error, but for what its own reading leaves open."""
        if not self.is_probed:
            return None
        sensor = self.preset.sensor
        counter = {
            "counter_update_period_s": sensor.update_s,
            "counter_update_period_u_s": PERIOD_U * sensor.update_s,
            "counter_update_jitter_s": math.hypot(JITTER_S, MEAN_DIFFERENCE * self.restlessness.jitter_s),
            "counter_trusted": not sensor.fragile,  # the probe polls it
        }
        return Probe(
            probed_at=_ANY_DAY,
            sensor="smoothed" if self.is_smoothed else "instant",
            sensor_update_period_s=sensor.update_s,
            averaging_window_s=SMOOTHED_S if self.is_smoothed else sensor.averaging_s,
            **(counter if self.has_counter else {}),
        )


def draw_load(random: Random, batch_s: float) -> Batches:
    """A load of a given period."""
    return Batches(batch_s, random.uniform(0.5, 1.0), random.uniform(0.0, 0.3), random.uniform(0.5, 0.9))


#: An A100 but for its meters: they see all, and the counter adds up the true power.
SEES_ALL = replace(A100, sensor=replace(A100.sensor, averaging_s=A100.sensor.update_s, counter=Counter.EXACT))
EXACT = Meters("exact counter", SEES_ALL)
OFF_RESONANCE = Meters("25 % sensor, off resonance", A100)
ON_RESONANCE = Meters("25 % sensor, on resonance", A100, is_resonant=True)
SENSORS = (EXACT, OFF_RESONANCE, ON_RESONANCE)
WANDERING = Meters("idle wanders by 1 W over 30 s", SEES_ALL, Restlessness(wander_w=1.0, wander_s=30.0))
REGIMES = (
    *SENSORS,
    Meters("counter published with a jitter of 2 ms", SEES_ALL, Restlessness(jitter_s=0.002)),
    Meters("counter of unknown period (no probe)", SEES_ALL, is_probed=False),
    Meters("counter that loses when polled", RTX4090),
    Meters("power alone, sees all", SEES_ALL, has_counter=False),
    Meters("power alone, 25 % sensor, off resonance", A100, has_counter=False),
    Meters("power alone, averaged over 1 s", SEES_ALL, has_counter=False, is_smoothed=True),
    WANDERING,
    Meters("idle wanders by 1 W over 5 s", SEES_ALL, Restlessness(wander_w=1.0, wander_s=5.0)),
    Meters("20 W above idle for 5 s after work", SEES_ALL, Restlessness(tail_w=20.0, tail_s=5.0)),
)
_SHORT = Setup(0.3, 0.5)
_WAITING = Setup(0.3, 0.5, load=0.0)
#: Windows of their setup, which takes 0.3 to 0.5 s.
SETUPS = (
    Meters("setup on an RTX 4090", RTX4090, setup=_SHORT),
    Meters("setup on an RTX 4090, a context alone", RTX4090, setup=_WAITING),
    Meters("setup on an A100", A100, setup=_SHORT),
    Meters("setup on an A100, a context alone", A100, setup=_WAITING),
)


def settings_for(window_s: float) -> MeasureSettings:
    """The profile with such windows, its idle stretches with it: one window, as long as asked for, no latency pass."""
    profile = next((p for p in PROFILES.values() if p.window_s <= window_s), PROFILES["quick"])
    changes = {"window_s": window_s, "windows": 1, "min_iterations": 1, "latency_s": 1e-3}
    return profile.model_copy(update=changes)
