"""What is measured: sensors, loads and window lengths."""

import math
from dataclasses import dataclass, replace
from random import Random

from farm.energy.aliasing import has_alias_risk
from farm.model import MeasureSettings
from farm.spec import PROFILES
from workers.simulator import A100, Counter, Preset

WINDOWS_S = (1.0, 2.0, 5.0, 10.0)
#: A batch's time: where it is short a sensor blurs batches, where it is long a window holds few.
BATCH_S = (0.015, 0.5)
#: Standard deviation of a batch's time, as a share of it.
SPREAD = 0.005


@dataclass(frozen=True, slots=True)
class Batches:
    """Work that repeats with the batch: busy for a share of it, then waiting for the next."""

    batch_s: float  #: mean
    busy: float  #: load while it computes
    waiting: float  #: load between
    busy_share: float  #: share of the batch in which it computes


@dataclass(frozen=True, slots=True)
class Meters:
    """A kind of board, and whether the batches run in step with its sensor."""

    name: str
    preset: Preset
    resonant: bool = False

    def draw(self, random: Random) -> Batches:
        """A load for one trial."""
        sensor = self.preset.sensor
        batch_s = sensor.update_s
        while not self.resonant:
            batch_s = math.exp(random.uniform(*map(math.log, BATCH_S)))
            if not has_alias_risk(batch_s, 5.0, sensor.update_s, sensor.averaging_s):
                break
        return Batches(batch_s, random.uniform(0.5, 1.0), random.uniform(0.0, 0.3), random.uniform(0.5, 0.9))


#: An A100 but for its meters: they see all, and the counter adds up the true power.
SEES_ALL = replace(A100, sensor=replace(A100.sensor, averaging_s=A100.sensor.update_s, counter=Counter.EXACT))
EXACT = Meters("exact counter", SEES_ALL)
OFF_RESONANCE = Meters("25 % sensor, off resonance", A100)
ON_RESONANCE = Meters("25 % sensor, on resonance", A100, resonant=True)
SENSORS = (EXACT, OFF_RESONANCE, ON_RESONANCE)


def settings_for(window_s: float) -> MeasureSettings:
    """The profile with such windows, its idle stretches with it: one window, as long as asked for, no latency pass."""
    profile = next((p for p in PROFILES.values() if p.window_s <= window_s), PROFILES["quick"])
    changes = {"window_s": window_s, "windows": 1, "min_iterations": 1, "latency_s": 1e-3}
    return profile.model_copy(update=changes)
