"""A graphics board in virtual time: power, temperature, clocks, and how its sensor and counter show them.

Pure: no clock, no file, no thread; the same seed and the same loads give the same joules. Power between two events is

    P = idle + context + dynamic load^exponent clock_share + flicker + leakage (T - T_rest)

and the temperature follows it, `time_constant T' = ambient + c_per_w P - T`. Both are linear in T, so each stretch of
constant load is integrated exactly, not in steps: the true energy has no error but rounding.

The sensor averages the power of the last `averaging_s` before each update; between updates nothing that is published
changes. The board's firmware looks at load, temperature and power limit every `CONTROL_S` and sets the clock.
"""

import math
from collections import deque
from dataclasses import dataclass
from enum import IntFlag, StrEnum
from random import Random
from statistics import fmean

#: The firmware's step: flicker is drawn and the clock set this often.
CONTROL_S = 0.02
#: The slowest clock that throttling brings, as a share of the full one.
LOWEST_CLOCK_SHARE = 0.3
#: Loads below this leave the board idle.
BUSY_LOAD = 0.01
#: A fragile counter read twice within this time loses `FRAGILE_LOSS` of the energy until it was left alone as long.
FRAGILE_S, FRAGILE_LOSS = 1.0, 0.95
#: The smoothed power field averages over this time.
SMOOTHED_S = 1.0


class Reasons(IntFlag):
    """The reasons for a lower clock, with NVML's numbers."""

    NONE = 0x0
    IDLE = 0x1
    POWER_CAP = 0x4
    HW_SLOWDOWN = 0x8
    SW_THERMAL = 0x20
    HW_THERMAL = 0x40
    POWER_BRAKE = 0x80


class Counter(StrEnum):
    """The quantity that the energy counter adds up."""

    EXACT = "exact"  #: the true power
    SENSOR = "sensor"  #: each reading of the sensor x its update period


@dataclass(frozen=True, slots=True)
class Silicon:
    """The power of a board's parts."""

    idle_w: float  #: power at rest: no context, temperature settled
    context_w: float  #: additional power while a process holds a context
    dynamic_w: float  #: additional power at full load and full clock, without leakage
    limit_w: float
    leakage_w_per_c: float
    exponent: float = 1.0  #: power follows load^exponent
    flicker_w: float = 0.5  #: standard deviation of the true power from one control step to the next


@dataclass(frozen=True, slots=True)
class Cooling:
    """The cooling of a board."""

    ambient_c: float = 25.0
    c_per_w: float = 0.12
    time_constant_s: float = 20.0
    slowdown_c: float = 83.0  #: the driver lowers the clock from here on
    shutdown_c: float = 92.0  #: the hardware halves it


@dataclass(frozen=True, slots=True)
class Sensor:
    """The board's own power sensor and energy counter."""

    update_s: float
    averaging_s: float  #: at most `update_s`; a quarter of it means that the sensor sees a quarter of the time
    counter: Counter = Counter.SENSOR
    gain: float = 1.0  #: reading / truth
    smoothed_usage: bool = True  #: the plain power reading is the average over a second, not the instant
    fragile: bool = False  #: the counter loses energy when it is read often


@dataclass(frozen=True, slots=True)
class Preset:
    """One kind of board. Sensor timings are published ones; watts and degrees are plausible, not measured."""

    name: str
    silicon: Silicon
    sensor: Sensor
    cooling: Cooling = Cooling()
    idle_clock_mhz: int = 210
    clock_mhz: int = 1980
    memory_clock_mhz: int = 1593
    memory_bytes: int = 80 << 30
    compute_capability: tuple[int, int] = (8, 0)

    @property
    def rest_c(self) -> float:
        """The temperature of a board left alone."""
        return self.cooling.ambient_c + self.cooling.c_per_w * self.silicon.idle_w

    @property
    def heat_gain(self) -> float:
        """The feedback of leakage: one more watt becomes 1 / (1 - heat_gain) watts."""
        return self.silicon.leakage_w_per_c * self.cooling.c_per_w

    def settled_w(self, load: float, *, context: bool = True) -> float:
        """Return the power at which a constant load settles, unthrottled."""
        s = self.silicon
        return s.idle_w + (context * s.context_w + s.dynamic_w * math.pow(load, s.exponent)) / (1 - self.heat_gain)


V100 = Preset(
    "Tesla V100-SXM2-16GB",
    Silicon(idle_w=40, context_w=16, dynamic_w=190, limit_w=300, leakage_w_per_c=0.4),
    Sensor(update_s=0.02, averaging_s=0.01, smoothed_usage=False),
    clock_mhz=1530,
    memory_clock_mhz=877,
    memory_bytes=16 << 30,
    compute_capability=(7, 0),
)
A100 = Preset(
    "NVIDIA A100-SXM4-80GB",
    Silicon(idle_w=55, context_w=20, dynamic_w=260, limit_w=400, leakage_w_per_c=0.5),
    Sensor(update_s=0.1, averaging_s=0.025, smoothed_usage=False),
    clock_mhz=1410,
)
H100 = Preset(
    "NVIDIA H100 80GB HBM3",
    Silicon(idle_w=70, context_w=45, dynamic_w=440, limit_w=700, leakage_w_per_c=0.8),
    Sensor(update_s=0.1, averaging_s=0.025),
    Cooling(c_per_w=0.08),
    memory_clock_mhz=2619,
    compute_capability=(9, 0),
)
RTX4090 = Preset(
    "NVIDIA GeForce RTX 4090",
    Silicon(idle_w=22, context_w=30, dynamic_w=310, limit_w=450, leakage_w_per_c=0.5),
    Sensor(update_s=0.1, averaging_s=0.1, fragile=True),
    clock_mhz=2520,
    memory_clock_mhz=10501,
    memory_bytes=24 << 30,
    compute_capability=(8, 9),
)


@dataclass(frozen=True, slots=True)
class Throttle:
    """A slowdown from outside: a hot neighbour, a weak power supply."""

    reasons: Reasons = Reasons.NONE
    clock_share: float = 1.0


@dataclass(frozen=True, slots=True)
class Published:
    """The values that the driver publishes about the board, in NVML's units."""

    energy_mj: int
    instant_mw: int
    average_mw: int
    usage_mw: int
    temperature_c: int
    clock_mhz: int
    reasons: Reasons
    load_percent: int


class Board:
    """One board from `start_ns` on, at rest at first; the seed sets the sensor's phase, the counter and the flicker."""

    def __init__(self, preset: Preset, seed: int = 0, start_ns: int = 0) -> None:
        self.preset = preset
        self.now_ns = start_ns
        self.true_energy_j = 0.0  #: since `start_ns`
        self.temperature_c = preset.rest_c
        self.context_held = False  #: a process holds a context
        self.extra_w = 0.0  #: drawn besides all that the preset names
        self.throttle = Throttle()
        self.counter_frozen = False  #: the published counter stands still; what it missed comes back at once later

        self._random = Random(seed)
        self._load = 0.0
        self._flicker_w = 0.0
        self._reasons = Reasons.IDLE
        self._clock_share = 1.0
        self._next_control_ns = start_ns

        sensor = preset.sensor
        self._update_ns = round(sensor.update_s * 1e9)
        self._averaging_ns = round(sensor.averaging_s * 1e9)
        self._next_window_ns = start_ns + self._random.randrange(self._update_ns)
        self._next_update_ns = self._next_window_ns + self._averaging_ns
        self._window_from_j = 0.0
        self._load_s = 0.0
        self._updated_at: tuple[int, float, float] = (start_ns, 0.0, 0.0)  # time, true energy, load seconds
        self._recent_w = deque([sensor.gain * preset.silicon.idle_w], maxlen=round(SMOOTHED_S / sensor.update_s))
        self._load_percent = 0
        self._counter_j = self._random.uniform(1e3, 1e6)
        self._energy_mj = int(self._counter_j * 1e3)
        self._read_ns: int | None = None
        self._disturbed_until_ns = start_ns

    def advance(self, duration_s: float, load: float) -> None:
        """Let time pass under a constant load of 0 to 1."""
        self.advance_to(self.now_ns + round(duration_s * 1e9), load)

    def advance_to(self, end_ns: int, load: float) -> None:
        """Let time pass up to a moment, under a constant load of 0 to 1."""
        self._load = load
        while True:
            if self.now_ns == self._next_control_ns:
                self._control()
            if self.now_ns == self._next_update_ns:
                self._update()
            if self.now_ns == self._next_window_ns:
                self._open_window()
            if self.now_ns >= end_ns:
                return
            self._pass(min(end_ns, self._next_control_ns, self._next_update_ns, self._next_window_ns))

    @property
    def power_w(self) -> float:
        """The true power at this moment."""
        leakage_w = self.preset.silicon.leakage_w_per_c * (self.temperature_c - self.preset.rest_c)
        return self._static_w() + self._dynamic_w() * self._clock_share + leakage_w

    def published(self) -> Published:
        """Return what the driver publishes now, without disturbing a fragile counter."""
        preset, sensor = self.preset, self.preset.sensor
        instant_mw, average_mw = round(self._recent_w[-1] * 1e3), round(fmean(self._recent_w) * 1e3)
        resting = Reasons.IDLE in self._reasons and not self.context_held
        return Published(
            energy_mj=self._energy_mj,
            instant_mw=instant_mw,
            average_mw=average_mw,
            usage_mw=average_mw if sensor.smoothed_usage else instant_mw,
            temperature_c=round(self.temperature_c),
            clock_mhz=preset.idle_clock_mhz if resting else round(preset.clock_mhz * self._clock_share),
            reasons=self._reasons,
            load_percent=self._load_percent,
        )

    def read_counter_j(self) -> float:
        """Read the energy counter as a program reads it."""
        self.note_reads(1)
        return self._energy_mj / 1e3

    def note_reads(self, count: int) -> None:
        """Record that the counter was read so many times at this moment."""
        if count == 0:
            return
        often = self._read_ns is not None and self.now_ns - self._read_ns < FRAGILE_S * 1e9
        if self.preset.sensor.fragile and (often or count > 1):
            self._disturbed_until_ns = self.now_ns + round(FRAGILE_S * 1e9)
        self._read_ns = self.now_ns

    def reset_driver(self) -> None:
        """Load the driver anew: its counter starts at 0."""
        self._counter_j = 0.0
        self._energy_mj = 0

    def _static_w(self) -> float:
        """Return the power that no clock changes, without leakage."""
        silicon = self.preset.silicon
        return silicon.idle_w + self.context_held * silicon.context_w + self.extra_w + self._flicker_w

    def _dynamic_w(self) -> float:
        """Return the power of the work at full clock."""
        silicon = self.preset.silicon
        return silicon.dynamic_w * math.pow(self._load, silicon.exponent)

    def _pass(self, end_ns: int) -> None:
        """Integrate power and temperature over a stretch in which nothing else changes."""
        preset, cooling = self.preset, self.preset.cooling
        leakage = preset.silicon.leakage_w_per_c
        base_w = self._static_w() + self._dynamic_w() * self._clock_share
        time_constant_s = cooling.time_constant_s / (1 - preset.heat_gain)
        end_c = preset.rest_c + cooling.c_per_w * (base_w - preset.silicon.idle_w) / (1 - preset.heat_gain)
        above_c = self.temperature_c - end_c
        duration_s = (end_ns - self.now_ns) / 1e9
        faded = -math.expm1(-duration_s / time_constant_s)
        self.true_energy_j += (base_w + leakage * (end_c - preset.rest_c)) * duration_s
        self.true_energy_j += leakage * above_c * time_constant_s * faded
        self.temperature_c -= above_c * faded
        self._load_s += self._load * duration_s
        self.now_ns = end_ns

    def _control(self) -> None:
        """Make the firmware's step."""
        cooling, limit_w = self.preset.cooling, self.preset.silicon.limit_w
        self._next_control_ns += round(CONTROL_S * 1e9)
        self._flicker_w = self._random.gauss(0.0, self.preset.silicon.flicker_w)
        reasons, share = self.throttle.reasons, self.throttle.clock_share
        if self.temperature_c >= cooling.shutdown_c:
            reasons |= Reasons.HW_SLOWDOWN | Reasons.HW_THERMAL
            share = min(share, 0.5)
        elif self.temperature_c > cooling.slowdown_c:
            reasons |= Reasons.SW_THERMAL
            share = min(share, 1 - 0.1 * (self.temperature_c - cooling.slowdown_c))
        if self._load < BUSY_LOAD:
            reasons |= Reasons.IDLE
        self._clock_share = max(share, LOWEST_CLOCK_SHARE)
        over_w = self.power_w - limit_w
        if over_w > 0 and self._load >= BUSY_LOAD:
            reasons |= Reasons.POWER_CAP
            self._clock_share = max(self._clock_share - over_w / self._dynamic_w(), LOWEST_CLOCK_SHARE)
        self._reasons = reasons

    def _open_window(self) -> None:
        """Start an averaging window of the sensor."""
        self._window_from_j = self.true_energy_j
        self._next_window_ns += self._update_ns

    def _update(self) -> None:
        """Publish the sensor's average."""
        sensor = self.preset.sensor
        self._next_update_ns += self._update_ns
        self._recent_w.append(sensor.gain * (self.true_energy_j - self._window_from_j) / sensor.averaging_s)
        at_ns, true_j, load_s = self._updated_at
        duration_s = (self.now_ns - at_ns) / 1e9
        exact = sensor.counter is Counter.EXACT
        counted_j = self.true_energy_j - true_j if exact else self._recent_w[-1] * duration_s
        loss = FRAGILE_LOSS if self.now_ns <= self._disturbed_until_ns else 0.0
        self._counter_j += counted_j * (1 - loss)
        if not self.counter_frozen:
            self._energy_mj = int(self._counter_j * 1e3)
        self._load_percent = round(100 * (self._load_s - load_s) / duration_s)
        self._updated_at = (self.now_ns, self.true_energy_j, self._load_s)
