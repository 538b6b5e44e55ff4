"""Simulated boards that do what real ones may: publish late, wander while they idle, stay high after work, warm up.

A board knows what it would have drawn without the work, at rest in its room: the baseline that a trial should subtract.
"""

from dataclasses import dataclass, replace
from math import exp, sqrt
from random import Random

from workers.simulator.physics import BUSY_LOAD, CONTROL_S, Board, Preset, Published

#: The air around a board. Drivers tell whole degrees: with one temperature for all boards, all would err alike.
AMBIENT_C = (20.0, 30.0)
#: No meter publishes exactly as often as its documentation says, and none in step with the program that polls it.
LARGEST_OFF = 0.005


def of_its_own(preset: Preset, random: Random) -> Preset:
    """A board of that kind: in a room of its own, with meters that are a little faster or slower."""
    faster, sensor = random.uniform(1 - LARGEST_OFF, 1 + LARGEST_OFF), preset.sensor
    own = replace(sensor, update_s=sensor.update_s * faster, averaging_s=sensor.averaging_s * faster)
    return replace(_in_room_of(preset, random.uniform(*AMBIENT_C)), sensor=own)


@dataclass(frozen=True, slots=True)
class Restlessness:
    """What a board does besides what its preset says."""

    late_s: float = 0.0  #: a value of the counter is published so much late on average (exponentially distributed)
    wander_w: float = 0.0  #: standard deviation of the idle power, ...
    wander_s: float = 30.0  #: ... and the time over which it is correlated (an Ornstein-Uhlenbeck process)
    tail_w: float = 0.0  #: drawn while it works and for some time after, besides the rest
    tail_s: float = 5.0


#: Nothing besides.
CALM = Restlessness()


class RestlessBoard(Board):
    """A board in virtual time, and what it would have drawn at rest."""

    def __init__(self, preset: Preset, restlessness: Restlessness, random: Random) -> None:
        self._restlessness = restlessness
        self._chance = Random(random.randrange(2**32))
        self._wander_w = self._chance.gauss(0.0, restlessness.wander_w)
        self._room_w = 0.0  #: what a warmer room adds to the power at rest
        self._busy_until_ns: int | None = None
        self._shows_ns = 0
        super().__init__(preset, seed=random.randrange(2**32))
        self._earlier_mj = self._energy_mj
        self.rest_j = 0.0  #: energy at rest, bare: since `start_ns`

    def warm_room(self, by_c: float) -> None:
        """Warm the air, at once. The preset's power at rest is that of its room, so the leakage is added."""
        self.preset = _in_room_of(self.preset, self.preset.cooling.ambient_c + by_c)
        self._room_w += self.preset.silicon.leakage_w_per_c * by_c

    def _pass(self, end_ns: int) -> None:
        rest_w = self.preset.silicon.idle_w + self._room_w + self._wander_w
        self.rest_j += rest_w * (end_ns - self.now_ns) / 1e9
        if self._load >= BUSY_LOAD:
            self._busy_until_ns = end_ns
        super()._pass(end_ns)

    def _control(self) -> None:
        own = self._restlessness
        if own.wander_w:
            kept = exp(-CONTROL_S / own.wander_s)
            self._wander_w = kept * self._wander_w + self._chance.gauss(0.0, own.wander_w * sqrt(1 - kept * kept))
        is_high = self._busy_until_ns is not None and self.now_ns - self._busy_until_ns < own.tail_s * 1e9
        self.extra_w = self._wander_w + self._room_w + (own.tail_w if is_high else 0.0)
        super()._control()

    def _update(self) -> None:
        self._earlier_mj = self._energy_mj
        super()._update()
        late_s = self._restlessness.late_s
        self._shows_ns = self.now_ns + (round(self._chance.expovariate(1 / late_s) * 1e9) if late_s else 0)

    def published(self) -> Published:
        """Return what the driver publishes now."""
        shown = super().published()
        return shown if self.now_ns >= self._shows_ns else replace(shown, energy_mj=self._earlier_mj)

    def read_counter_j(self) -> float:
        """Read the energy counter as a program reads it."""
        self.note_reads(1)
        return self.published().energy_mj / 1e3


def _in_room_of(preset: Preset, ambient_c: float) -> Preset:
    return replace(preset, cooling=replace(preset.cooling, ambient_c=ambient_c))
