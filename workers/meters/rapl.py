"""CPU packages and memory by RAPL, through Linux's powercap tree.

`package-*` zones make the CPU; `dram` zones are memory, which is not in the package. `core` and `uncore` are parts of a
package and `psys` is the whole board: they are never added. The MMIO interface mirrors zones that the MSRs have.
"""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from farm.model import Domain, Quality, Reading
from farm.model.errors import MeterLost, MeterUnavailable
from farm.settings import Settings


@dataclass(slots=True)
class _Zone:
    """One RAPL counter, summed over its wrap-arounds."""

    path: Path
    domain: Domain
    range_uj: int
    last_uj: int
    total_uj: int = 0

    def advance(self) -> None:
        """Add what was consumed since the last time."""
        now_uj = _read_uj(self.path)
        if not 0 <= now_uj <= self.range_uj:
            raise ValueError(f"{now_uj} is outside 0 to {self.range_uj}")
        self.total_uj += (now_uj - self.last_uj) % (self.range_uj + 1)
        self.last_uj = now_uj


class Rapl:
    """The processor's energy counters, in J since the meter was entered.

    They must be read at least every 10 s: a counter that wraps twice between two readings loses its whole range.
    """

    name = "rapl"
    quality = Quality.COUNTER
    priority = 10
    update_period_s = 0.001
    poll_period_s: float | None = 0.1

    def __init__(self, settings: Settings) -> None:
        self._root = settings.powercap_root
        self._zones: tuple[_Zone, ...] = ()
        self.domains: frozenset[Domain] = frozenset()

    def __enter__(self) -> Self:
        zones = tuple(_open(folder, domain) for folder, domain in _zones(self._root))
        domains = frozenset(zone.domain for zone in zones)
        if Domain.CPU not in domains:
            raise MeterUnavailable(
                f"no RAPL here: {self._root} has no package zone (virtual machines have none; "
                "on bare metal: modprobe intel_rapl_msr)"
            )
        self._zones, self.domains = zones, domains
        return self

    def read(self) -> Mapping[Domain, Reading]:
        """Return the joules of all packages, and of all memory zones where there are any."""
        if not self._zones:
            raise MeterLost(f"{self.name} is closed")
        at_ns = time.monotonic_ns()
        for zone in self._zones:
            try:
                zone.advance()
            except (OSError, ValueError) as error:
                raise MeterLost(f"RAPL lost {zone.path}: {_why(error)}") from None
        return {
            domain: Reading(at_ns, energy_j=sum(z.total_uj for z in self._zones if z.domain is domain) / 1e6)
            for domain in self.domains
        }

    def __exit__(self, *exc: object) -> None:
        self._zones = ()


def _zones(root: Path) -> Iterator[tuple[Path, Domain]]:
    """Yield the folder and domain of every zone that counts, once. MSR zones go before their MMIO mirrors."""
    try:
        folders = sorted(_folders(root), key=lambda f: ("mmio" in f.name, f.name))
        names = {folder.name: (folder / "name").read_text().strip() for folder in folders}
    except (OSError, ValueError) as error:
        raise MeterUnavailable(
            f"RAPL: {root} cannot be read: {_why(error)}: correct FARM_POWERCAP_ROOT, or let this user read it"
        ) from None
    seen = set()
    for folder in folders:
        name, parent = names[folder.name], names.get(folder.name.rpartition(":")[0])
        if (parent, name) in seen:
            continue
        seen.add((parent, name))
        if name.startswith("package-"):
            yield folder, Domain.CPU
        elif name == "dram":
            yield folder, Domain.DRAM


def _folders(root: Path) -> list[Path]:
    """List the folders of all zones; empty where there is no tree."""
    if not root.is_dir():
        return []
    return [folder for folder in root.iterdir() if ":" in folder.name and (folder / "name").exists()]


def _open(folder: Path, domain: Domain) -> _Zone:
    path = folder / "energy_uj"
    try:
        return _Zone(path, domain, range_uj=_read_uj(folder / "max_energy_range_uj"), last_uj=_read_uj(path))
    except PermissionError:
        raise MeterUnavailable(
            f"{path} may not be read by this user: as root, install deploy/99-wattfarm-rapl.rules, "
            "which gives a group read access, and join that group"
        ) from None
    except (OSError, ValueError) as error:
        raise MeterUnavailable(f"{getattr(error, 'filename', None) or path} cannot be read: {_why(error)}") from None


def _why(error: OSError | ValueError) -> str:
    """Describe an error without the path, which the message already names."""
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def _read_uj(path: Path) -> int:
    return int(path.read_text())
