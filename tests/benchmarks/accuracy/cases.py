"""What is measured: boards with their meters, loads and window lengths."""

import math
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from random import Random

from farm.energy.aliasing import has_alias_risk
from farm.model import Baseline, MeasureSettings, Probe, WindowKind
from farm.spec import PROFILES
from tests.benchmarks.accuracy.boards import CALM, Restlessness, of_its_own
from workers.simulator import A100, RTX4090, Counter, Preset
from workers.simulator.physics import SMOOTHED_S

#: No shorter one: a profile lets a window span at least 20 updates of its meters, here 2 s.
WINDOWS_S = (2.0, 5.0, 10.0)
#: A batch's time: where it is short a sensor blurs batches, where it is long a window holds few.
BATCH_S = (0.015, 0.5)
#: Standard deviation of a batch's time, as a share of it.
SPREAD = 0.005
#: What a probe finds of a counter that publishes at perfectly regular moments: see `tests/unit/test_probe.py`.
PERIOD_U, JITTER_S = 3e-5, 0.0008
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


_USUAL = Setup()


@dataclass(frozen=True, slots=True)
class Meters:
    """A kind of board, what its meters show, and what is known of them."""

    name: str
    preset: Preset
    restlessness: Restlessness = CALM
    has_counter: bool = True
    is_smoothed: bool = False  #: the only power reading is the average over a second
    is_probed: bool = True
    knows_period: bool = True  #: the probe found out how often the counter publishes
    is_resonant: bool = False  #: batches run in step with the sensor
    setup: Setup = _USUAL

    def board(self, random: Random) -> "Meters":
        """The meters of one board."""
        return replace(self, preset=of_its_own(self.preset, random))

    def draw(self, random: Random, window_s: float, batch_s: float | None = None) -> Batches:
        """A load for one trial, with this batch period; None: any that is in step with the sensor, or is not."""
        if batch_s is None:
            batch_s = self.preset.sensor.update_s if self.is_resonant else self._out_of_step_s(random, window_s)
        return Batches(batch_s, random.uniform(0.5, 1.0), random.uniform(0.0, 0.3), random.uniform(0.5, 0.9))

    def _out_of_step_s(self, random: Random, window_s: float) -> float:
        sensor = self.preset.sensor
        while True:
            batch_s = math.exp(random.uniform(*map(math.log, BATCH_S)))
            if not has_alias_risk(batch_s, window_s, sensor.update_s, sensor.averaging_s):
                return batch_s

    @property
    def probe(self) -> Probe | None:
        """The verdict of a probe without error, but for what its own reading leaves open."""
        if not self.is_probed:
            return None
        sensor = self.preset.sensor
        found = Probe(
            probed_at=_ANY_DAY,
            sensor="smoothed" if self.is_smoothed else "instant",
            sensor_update_period_s=sensor.update_s,
            averaging_window_s=SMOOTHED_S if self.is_smoothed else sensor.averaging_s,
            counter_trusted=not sensor.fragile if self.has_counter else None,  # the probe polls it
        )
        if not self.has_counter or not self.knows_period:
            return found
        rhythm = {
            "counter_update_period_s": sensor.update_s,
            "counter_update_period_u_s": PERIOD_U * sensor.update_s,
            "counter_update_jitter_s": math.hypot(JITTER_S, self.restlessness.late_s),
        }
        return found.model_copy(update=rhythm)


#: An A100 but for its meters: they see all, and the counter adds up the true power.
SEES_ALL = replace(A100, sensor=replace(A100.sensor, averaging_s=A100.sensor.update_s, counter=Counter.EXACT))
EXACT = Meters("exact counter", SEES_ALL)
OFF_RESONANCE = Meters("25 % sensor, off resonance", A100)
ON_RESONANCE = Meters("25 % sensor, on resonance", A100, is_resonant=True)
#: The meters on which other methods are tried too.
SENSORS = (EXACT, OFF_RESONANCE, ON_RESONANCE)
WANDERING = Meters("idle wanders by 1 W over 30 s", SEES_ALL, Restlessness(wander_w=1.0, wander_s=30.0))
_EACH_WINDOW = (
    *SENSORS,
    Meters("counter published 0 to 6 ms late", SEES_ALL, Restlessness(late_s=0.002)),
    Meters("counter of unknown period", SEES_ALL, knows_period=False),
    Meters("counter, and no probe", SEES_ALL, is_probed=False),
    Meters("counter that loses when polled", RTX4090),
    Meters("power alone, sees all", SEES_ALL, has_counter=False),
    Meters("power alone, 25 % sensor, off resonance", A100, has_counter=False),
    Meters("power alone, averaged over 1 s", SEES_ALL, has_counter=False, is_smoothed=True),
    WANDERING,
    Meters("idle wanders by 1 W over 5 s", SEES_ALL, Restlessness(wander_w=1.0, wander_s=5.0)),
    Meters("20 W above idle for 5 s after work", SEES_ALL, Restlessness(tail_w=20.0, tail_s=5.0)),
)
_SHORT, _WAITING = Setup(0.3, 0.5), Setup(0.3, 0.5, load=0.0)
_SETUPS = (
    Meters("setup of 0.3 to 0.5 s, RTX 4090", RTX4090, setup=_SHORT),
    Meters("the same, a context alone", RTX4090, setup=_WAITING),
    Meters("setup of 0.3 to 0.5 s, A100", A100, setup=_SHORT),
    Meters("the same, a context alone", A100, setup=_WAITING),
)


@dataclass(frozen=True, slots=True)
class Regime:
    """Trials of several workers, one after another on each; a row of the table."""

    name: str
    meters: Meters
    window_s: float
    kind: WindowKind = WindowKind.MEASURE  #: the window that is scored
    baseline: Baseline = Baseline.CONTEXT
    workers: int = 10
    unscored: int = 4  #: the first trials of a worker, which learn how the idle moves
    scored: int = 10
    warms_c: float = 0.0  #: before the first trial that is scored the room warms by so much, ...
    rests_s: float = 0.0  #: ... while the board rests for so long

    @property
    def settings(self) -> MeasureSettings:
        """The profile with such windows, its idle stretches with it: one window, as long as asked for."""
        profile = next((p for p in PROFILES.values() if p.window_s <= self.window_s), PROFILES["quick"])
        changes = {"window_s": self.window_s, "windows": 1, "min_iterations": 1, "baseline": self.baseline}
        return profile.model_copy(update=changes)


_FIRST = Regime("", EXACT, 5.0, workers=100, unscored=0, scored=1)
_SEQUENCE = Regime("", EXACT, 5.0, unscored=0, scored=20)
_WARMER = Regime("", EXACT, 5.0, workers=50, scored=2, warms_c=3.0)
REGIMES = (
    *(Regime(meters.name, meters, window_s) for meters in _EACH_WINDOW for window_s in WINDOWS_S),
    replace(_FIRST, name="a worker's first trial, exact counter"),
    replace(_FIRST, name="a worker's first trial, 25 % sensor", meters=OFF_RESONANCE),
    replace(_SEQUENCE, name="20 trials in a row, exact counter"),
    replace(_SEQUENCE, name="20 trials in a row, 25 % sensor", meters=OFF_RESONANCE),
    replace(_SEQUENCE, name="20 trials in a row, bare idle modelled", baseline=Baseline.BARE),
    replace(_SEQUENCE, name="the same, idle wanders over 30 s", meters=WANDERING, baseline=Baseline.BARE),
    replace(_WARMER, name="a room 3 K warmer, after a pause of 5 min", rests_s=300.0),
    replace(_WARMER, name="the same, bare idle modelled", rests_s=300.0, baseline=Baseline.BARE),
    replace(_WARMER, name="a room 3 K warmer, without a pause"),
    *(Regime(meters.name, meters, 2.0, kind=WindowKind.SETUP) for meters in _SETUPS),
)
#: Batch periods between which a sensor that sees 25 % of each 100 ms has to hold the truth, and some chosen against it.
GRID = 200
_PERIOD_S = A100.sensor.update_s
ADVERSARIAL_S = (_PERIOD_S / 9, 0.060, 0.102, _PERIOD_S / 3, _PERIOD_S / 2)


def grid_s() -> list[float]:
    """Batch periods, evenly spread on a logarithmic scale."""
    low, high = BATCH_S
    return [low * (high / low) ** (i / (GRID - 1)) for i in range(GRID)]
