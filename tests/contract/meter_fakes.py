"""Machines to meter that are not there: a driver with one GPU, and a powercap tree."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pynvml as real


@dataclass
class FakeDriver:
    """An NVIDIA driver as the binding shows it, in NVML's units; set a field and the world has changed."""

    uuids: list[str] = field(default_factory=lambda: ["GPU-aaaa-0001", "GPU-bbbb-0002"])
    energy_mj: int = 5_000_000
    power_mw: int = 123_456
    smoothed_mw: int = 100_000
    temperature_c: int = 41
    clock_mhz: int = 1980
    mig: int = 0
    fails: dict[str, int] = field(default_factory=dict)  #: function -> NVML error; field 186 is "instant"
    sessions: int = 0
    asked: list[int] = field(default_factory=list)  #: GPUs whose energy or power was read

    def module(self) -> ModuleType:
        """A stand-in for pynvml, with the constants and exceptions of the real one."""
        module = ModuleType("pynvml")
        vars(module).update({k: v for k, v in vars(real).items() if k.startswith(("NVML_", "NVMLError"))})
        for name, function in self._functions().items():
            setattr(module, name, self._guarded(name, function))
        return module

    def _guarded(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any) -> Any:
            if name in self.fails:
                raise real.NVMLError(self.fails[name])
            if self.sessions == 0 and name != "nvmlInit":
                raise real.NVMLError(real.NVML_ERROR_UNINITIALIZED)
            return function(*args)

        return call

    def _functions(self) -> dict[str, Callable[..., Any]]:
        return {
            "nvmlInit": lambda: self._add_session(1),
            "nvmlShutdown": lambda: self._add_session(-1),
            "nvmlDeviceGetCount": lambda: len(self.uuids),
            "nvmlDeviceGetHandleByIndex": self._handle,
            "nvmlDeviceGetUUID": lambda gpu: self.uuids[gpu],
            "nvmlDeviceGetMigMode": lambda _: [self.mig, self.mig],
            "nvmlDeviceGetTotalEnergyConsumption": lambda gpu: self._read(gpu, self.energy_mj),
            "nvmlDeviceGetPowerUsage": lambda gpu: self._read(gpu, self.smoothed_mw),
            "nvmlDeviceGetFieldValues": lambda gpu, fields: [self._field(gpu, f) for f in fields],
            "nvmlDeviceGetTemperatureV": lambda _gpu, _sensor: self.temperature_c,
            "nvmlDeviceGetTemperature": lambda _gpu, _sensor: self.temperature_c,
            "nvmlDeviceGetClockInfo": lambda _gpu, _clock: self.clock_mhz,
            "nvmlDeviceGetName": lambda _: "NVIDIA H200",
            "nvmlDeviceGetVbiosVersion": lambda _: "96.00.A5.00.01",
            "nvmlSystemGetDriverVersion": lambda: "580.65.06",
            "nvmlDeviceGetCudaComputeCapability": lambda _: (9, 0),
            "nvmlDeviceGetMemoryInfo": lambda _: SimpleNamespace(total=150_754_820_096),
            "nvmlDeviceGetEnforcedPowerLimit": lambda _: 700_000,
            "nvmlDeviceGetPowerManagementDefaultLimit": lambda _: 700_000,
            "nvmlDeviceGetMaxClockInfo": lambda _gpu, _clock: 1980,
            "nvmlDeviceGetEccMode": lambda _: [1, 1],
            "nvmlDeviceGetPersistenceMode": lambda _: 1,
            "nvmlDeviceGetMaxPcieLinkGeneration": lambda _: 5,
            "nvmlDeviceGetMaxPcieLinkWidth": lambda _: 16,
            "nvmlDeviceGetPciInfo": lambda _: SimpleNamespace(busId="00000000:19:00.0"),
        }

    def _add_session(self, change: int) -> None:
        self.sessions += change

    def _handle(self, index: int) -> int:
        if not 0 <= index < len(self.uuids):
            raise real.NVMLError(real.NVML_ERROR_INVALID_ARGUMENT)
        return index

    def _read(self, gpu: int, value: int) -> int:
        self.asked.append(gpu)
        return value

    def _field(self, gpu: int, field_id: int) -> SimpleNamespace:
        assert field_id == real.NVML_FI_DEV_POWER_INSTANT
        value = SimpleNamespace(uiVal=self._read(gpu, self.power_mw))
        return SimpleNamespace(nvmlReturn=self.fails.get("instant", real.NVML_SUCCESS), value=value)


class FakePowercap:
    """A powercap tree as Linux lays it out: every zone a link in one flat folder."""

    RANGE_UJ = 262_143_328_850

    def __init__(self, folder: Path, zones: Iterable[tuple[str, str]]) -> None:
        self.root = folder / "class"
        self.root.mkdir()
        for zone, name in zones:
            home = folder / "devices" / zone
            home.mkdir(parents=True)
            (home / "name").write_text(f"{name}\n")
            (home / "max_energy_range_uj").write_text(f"{self.RANGE_UJ}\n")
            (self.root / zone).symlink_to(home)
            self.set(zone, 1000)

    def counter(self, zone: str) -> Path:
        """The file of a zone's counter."""
        return self.root / zone / "energy_uj"

    def set(self, zone: str, energy_uj: int) -> None:
        """Let a zone's counter stand at so many µJ."""
        self.counter(zone).write_text(f"{energy_uj}\n")

    def consume(self, zone: str, energy_uj: int) -> None:
        """Count on, as the hardware does: past the range it starts again at 0."""
        self.set(zone, (int(self.counter(zone).read_text()) + energy_uj) % (self.RANGE_UJ + 1))


#: Two sockets with memory, what must not be added to them, and the mirror that newer processors have.
TWO_SOCKETS = (
    ("intel-rapl:0", "package-0"),
    ("intel-rapl:0:0", "core"),
    ("intel-rapl:0:1", "uncore"),
    ("intel-rapl:0:2", "dram"),
    ("intel-rapl:1", "package-1"),
    ("intel-rapl:1:0", "dram"),
    ("intel-rapl:2", "psys"),
    ("intel-rapl-mmio:0", "package-0"),
    ("intel-rapl-mmio:0:0", "dram"),
)
