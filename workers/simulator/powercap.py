"""A powercap tree as Linux lays it out, whose counters follow a load and wrap around.

Stepped by hand with `advance` and `publish`, or in real time by the physics process, under the same load as the board;
in real time it is written at the process's wake-ups, ten times slower than a processor renews its counters.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from farm.model import Domain

#: µJ at which the counter of a server's package starts again; real ones differ.
RANGE_UJ = 262_143_328_850
_WIDTH = 20


@dataclass(frozen=True, slots=True)
class Zone:
    """One RAPL counter: power is linear in the load."""

    folder: str
    name: str
    idle_w: float
    dynamic_w: float
    domain: Domain | None = None  #: None: part of another zone, the sum of several, or a mirror


#: A socket with memory, zones that must not be added to these, and the mirror that newer processors have.
SERVER = (
    Zone("intel-rapl:0", "package-0", 30.0, 120.0, Domain.CPU),
    Zone("intel-rapl:0:0", "core", 5.0, 100.0),
    Zone("intel-rapl:0:1", "dram", 4.0, 10.0, Domain.DRAM),
    Zone("intel-rapl:1", "psys", 50.0, 140.0),
    Zone("intel-rapl-mmio:0", "package-0", 30.0, 120.0),
)


class Powercap:
    """The tree below a folder; `Settings.powercap_root` must be its `root`."""

    def __init__(self, folder: Path, zones: Sequence[Zone] = SERVER, range_uj: int = RANGE_UJ) -> None:
        self.root = folder / "class"
        self.root.mkdir(parents=True)
        self.zones = tuple(zones)
        self.range_uj = range_uj
        self.true_energy_j = dict.fromkeys((z.domain for z in zones if z.domain), 0.0)  #: since the tree was made
        self._counted_j = [0.0] * len(zones)
        self._files = [self._make(folder / "devices" / zone.folder, zone) for zone in zones]
        self.set([range_uj // 2] * len(zones))

    def advance(self, duration_s: float, load: float) -> None:
        """Add the energy of a time under a load of 0 to 1 to every zone."""
        for index, zone in enumerate(self.zones):
            energy_j = (zone.idle_w + zone.dynamic_w * load) * duration_s
            self._counted_j[index] += energy_j
            if zone.domain is not None:
                self.true_energy_j[zone.domain] += energy_j

    def set(self, counters_uj: Sequence[int]) -> None:
        """Set the counters to so many µJ, and publish them."""
        self._counted_j = [uj / 1e6 for uj in counters_uj]
        self.publish()

    def publish(self) -> None:
        """Write the counters; past their range they start again at 0. One write each: no reader sees half a number."""
        for file, counted_j in zip(self._files, self._counted_j, strict=True):
            energy_uj = int(counted_j * 1e6) % (self.range_uj + 1)
            os.pwrite(file, f"{energy_uj:<{_WIDTH}}\n".encode(), 0)

    def close(self) -> None:
        """Leave the tree as it is; it can still be read."""
        for file in self._files:
            os.close(file)
        self._files = []

    def _make(self, home: Path, zone: Zone) -> int:
        home.mkdir(parents=True)
        (home / "name").write_text(f"{zone.name}\n")
        (home / "max_energy_range_uj").write_text(f"{self.range_uj}\n")
        (self.root / zone.folder).symlink_to(home)
        return os.open(home / "energy_uj", os.O_WRONLY | os.O_CREAT, 0o644)
