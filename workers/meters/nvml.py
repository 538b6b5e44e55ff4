"""NVIDIA GPUs: the energy counter, and the power sensor. Only the GPU that a trial uses is metered.

Needs no root: clocks and limits are recorded, never set. A GPU is named by its index or UUID as nvidia-smi has them, or
by what CUDA calls it in a trial: `cuda:0`. `choose_gpu` has both count alike.
"""

import ctypes
import os
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeVar

from farm.model import Domain, Quality, Reading
from farm.model.errors import InputError, MeterLost, MeterUnavailable
from farm.settings import Settings

T = TypeVar("T")
#: A question to NVML: from the binding and a GPU's handle to the answer, in NVML's units.
Question = Callable[[Any, Any], T]


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU in an open NVML session."""

    nvml: Any  #: the pynvml module
    handle: Any

    def ask(self, question: Question[T]) -> T | None:
        """Ask NVML; None where this GPU cannot answer. Raises MeterLost when the GPU is gone."""
        try:
            return question(self.nvml, self.handle)
        except (
            self.nvml.NVMLError_NotSupported,
            self.nvml.NVMLError_FunctionNotFound,
            self.nvml.NVMLError_InvalidArgument,  # an older driver does not know the field
            self.nvml.NVMLError_NoPermission,
        ):
            return None
        except self.nvml.NVMLError as error:
            raise MeterLost(f"NVML lost the GPU: {error}") from None


def use_simulator(folder: Path | None) -> None:
    """Make the simulation that runs in a folder this process's NVML; without a folder nothing changes.

    Every binding loads the library by its soname, and the dynamic linker returns what it has loaded under that name.
    Raises InputError where no simulation runs.
    """
    if folder is None:
        return
    try:
        library = ctypes.CDLL(str(folder.resolve() / "libnvidia-ml.so.1"))
        runs = library.nvmlInitWithFlags(0) == 0 and library.nvmlShutdown() == 0
    except (OSError, AttributeError):
        runs = False
    if not runs:
        raise InputError(f"FARM_SIMULATOR: no simulation runs in {folder}: start one, or unset the variable")


@dataclass(frozen=True, slots=True)
class _Board:
    """A GPU that may be chosen."""

    index: int
    uuid: str
    name: str
    is_split: bool  #: whether MIG splits the GPU

    def __str__(self) -> str:
        return f"GPU {self.index} ({self.name}, {self.uuid})"

    def is_called(self, wanted: str) -> bool:
        """Return whether this text names the GPU: its index, its UUID, or the beginning of the UUID."""
        return wanted == str(self.index) or (wanted.startswith("GPU-") and self.uuid.startswith(wanted))


def choose_gpu(wanted: str) -> None:
    """Make CUDA number GPUs as NVML does in processes started from here, and see only the wanted one, as `cuda`.

    Where none is wanted, CUDA_VISIBLE_DEVICES is left as it is; without it CUDA sees all GPUs but those that are split
    by MIG, whose parts share their sensors. Raises InputError for a GPU that is not there, or split.
    """
    os.environ["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"
    try:
        boards = _boards()
    except MeterUnavailable as error:
        if wanted:
            raise InputError(f"FARM_GPU: no GPU {wanted}: {error}") from None
        return
    whole = [board for board in boards if not board.is_split]
    if wanted:
        os.environ["CUDA_VISIBLE_DEVICES"] = _chosen(wanted, boards, whole).uuid
    elif "CUDA_VISIBLE_DEVICES" not in os.environ and 0 < len(whole) < len(boards):
        os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(board.uuid for board in whole)


def _chosen(wanted: str, boards: Sequence[_Board], whole: Sequence[_Board]) -> _Board:
    found = [board for board in boards if board.is_called(wanted)]
    if len(found) == 1 and not found[0].is_split:
        return found[0]
    what = {0: "is not here", 1: "is split by MIG, and only whole ones are metered"}.get(len(found), "is ambiguous")
    choice = ", ".join(map(str, whole)) or "no other: turn MIG off"
    raise InputError(f"FARM_GPU: GPU {wanted} {what}: this machine has {choice}")


def _boards() -> list[_Board]:
    """List every GPU that this user may open, in NVML's order."""
    with _session() as nvml:
        boards = []
        for index in range(nvml.nvmlDeviceGetCount()):
            with suppress(nvml.NVMLError):
                handle = nvml.nvmlDeviceGetHandleByIndex(index)
                is_split = bool(Gpu(nvml, handle).ask(mig_is_on))
                boards.append(_Board(index, nvml.nvmlDeviceGetUUID(handle), nvml.nvmlDeviceGetName(handle), is_split))
        return boards


@contextmanager
def open_gpu(name: str = "") -> Iterator[Gpu]:
    """Open a GPU by its name, by default `cuda:0`, in its own session; raises MeterUnavailable where there is none."""
    with _session() as nvml:
        yield Gpu(nvml, _handle(nvml, name or "cuda:0"))


@contextmanager
def _session() -> Iterator[Any]:
    """Open a session of the NVML binding."""
    try:
        import pynvml  # noqa: PLC0415
    except ImportError:
        raise MeterUnavailable("no NVML binding here: pip install nvidia-ml-py") from None
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        raise MeterUnavailable(f"no NVIDIA driver here: {error}; a GPU needs its driver to be metered") from None
    try:
        yield pynvml
    finally:
        with suppress(pynvml.NVMLError):
            pynvml.nvmlShutdown()


def _seen_as(number: int) -> str:
    """Return the GPU behind `cuda:number`: that entry of CUDA_VISIBLE_DEVICES, or the number where it names none."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    names = [name.strip() for name in visible.split(",") if name.strip()] or [str(number)] * (number + 1)
    if number >= len(names):
        raise MeterUnavailable(f"CUDA_VISIBLE_DEVICES={visible} has no GPU {number} to meter")
    if names[number].startswith("MIG-"):
        raise MeterUnavailable(f"CUDA_VISIBLE_DEVICES names {names[number]}: only whole GPUs are metered, turn MIG off")
    return names[number]


def _handle(nvml: Any, name: str) -> Any:
    wanted = _seen_as(int(name.removeprefix("cuda:"))) if name.startswith("cuda:") else name
    try:
        if wanted.startswith("GPU-"):
            return _handle_by_uuid(nvml, wanted)
        return nvml.nvmlDeviceGetHandleByIndex(int(wanted) if wanted.isdecimal() else 0)
    except nvml.NVMLError as error:
        raise MeterUnavailable(f"NVML cannot open GPU {wanted or 0}: {error}") from None


def _handle_by_uuid(nvml: Any, prefix: str) -> Any:
    for index in range(nvml.nvmlDeviceGetCount()):
        handle = nvml.nvmlDeviceGetHandleByIndex(index)
        if nvml.nvmlDeviceGetUUID(handle).startswith(prefix):
            return handle
    raise nvml.NVMLError(nvml.NVML_ERROR_NOT_FOUND)


def mig_is_on(nvml: Any, handle: Any) -> bool:
    """Return whether the GPU is split into instances, which share its sensors."""
    current, _pending = nvml.nvmlDeviceGetMigMode(handle)
    return bool(current == nvml.NVML_DEVICE_MIG_ENABLE)


def _energy_mj(nvml: Any, handle: Any) -> int:
    return int(nvml.nvmlDeviceGetTotalEnergyConsumption(handle))


def _instant_power_mw(nvml: Any, handle: Any) -> int:
    field = nvml.nvmlDeviceGetFieldValues(handle, [nvml.NVML_FI_DEV_POWER_INSTANT])[0]
    if field.nvmlReturn != nvml.NVML_SUCCESS:
        raise nvml.NVMLError(field.nvmlReturn)
    return int(field.value.uiVal)


def _smoothed_power_mw(nvml: Any, handle: Any) -> int:
    return int(nvml.nvmlDeviceGetPowerUsage(handle))


def _temperature_c(nvml: Any, handle: Any) -> float:
    try:
        return float(nvml.nvmlDeviceGetTemperatureV(handle, nvml.NVML_TEMPERATURE_GPU))
    except nvml.NVMLError_FunctionNotFound:  # an older driver
        return float(nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU))


def _sm_clock_hz(nvml: Any, handle: Any) -> float:
    return float(nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_SM)) * 1e6


def _throttle_reasons(nvml: Any, handle: Any) -> int:
    try:
        return int(nvml.nvmlDeviceGetCurrentClocksEventReasons(handle))
    except nvml.NVMLError_FunctionNotFound:  # an older driver
        return int(nvml.nvmlDeviceGetCurrentClocksThrottleReasons(handle))


class _NvmlMeter(ABC):
    """The base class of both meters: the session, and the GPU in it."""

    name: str
    domains = frozenset({Domain.GPU})
    priority = 10
    update_period_s = 0.1

    def __init__(self, settings: Settings) -> None:
        self._name = settings.gpu
        self._simulator = settings.simulator
        self._session = ExitStack()
        self._gpu: Gpu | None = None

    def __enter__(self) -> Self:
        if self._simulator is not None and not self._simulator.is_dir():
            raise MeterUnavailable(f"the simulation in {self._simulator} has ended: start another, and a new worker")
        with ExitStack() as session:
            gpu = session.enter_context(open_gpu(self._name))
            try:
                if gpu.ask(mig_is_on):
                    raise MeterUnavailable("this GPU is split by MIG: only whole GPUs are metered, turn MIG off")
                self._probe(gpu)
            except MeterLost as error:
                raise MeterUnavailable(str(error)) from None
            self._gpu = gpu
            self._session = session.pop_all()
        return self

    def __exit__(self, *exc: object) -> None:
        self._gpu = None
        self._session.close()

    def read(self) -> Mapping[Domain, Reading]:
        """Read the GPU once."""
        if self._gpu is None:
            raise MeterLost(f"{self.name} is closed")
        return {Domain.GPU: self._reading(self._gpu)}

    @abstractmethod
    def _probe(self, gpu: Gpu) -> None:
        """Raise MeterUnavailable where this GPU lacks what the meter reads."""

    @abstractmethod
    def _reading(self, gpu: Gpu) -> Reading: ...


class NvmlCounter(_NvmlMeter):
    """The GPU's own energy counter, in J since the driver was loaded; a reset of the driver sets it to 0.

    Some boards lose energy when the counter is read often, so it is read at the edges of windows only.
    """

    name = "nvml-counter"
    quality = Quality.COUNTER
    poll_period_s: float | None = None

    def _probe(self, gpu: Gpu) -> None:
        if gpu.ask(_energy_mj) is None:
            raise MeterUnavailable("this GPU has no energy counter (Volta and newer have one): its power is sampled")

    def _reading(self, gpu: Gpu) -> Reading:
        at_ns = time.monotonic_ns()
        return Reading(at_ns, energy_j=_answered(gpu.ask(_energy_mj)) / 1e3)


class NvmlPower(_NvmlMeter):
    """The GPU's power sensor: the instantaneous value where the driver has it, else the one smoothed over a second."""

    name = "nvml-power"
    quality = Quality.SAMPLED
    poll_period_s: float | None = 0.1

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._power_mw: Question[int] = _instant_power_mw

    @property
    def is_instant(self) -> bool:
        """Whether it reads the instantaneous value; known once entered."""
        return self._power_mw is _instant_power_mw

    def _probe(self, gpu: Gpu) -> None:
        for question in (_instant_power_mw, _smoothed_power_mw):
            if gpu.ask(question) is not None:
                self._power_mw = question
                return
        raise MeterUnavailable("this GPU does not report its power")

    def _reading(self, gpu: Gpu) -> Reading:
        at_ns = time.monotonic_ns()
        return Reading(
            at_ns,
            power_w=_answered(gpu.ask(self._power_mw)) / 1e3,
            temperature_c=gpu.ask(_temperature_c),
            clock_hz=gpu.ask(_sm_clock_hz),
            throttle_reasons=gpu.ask(_throttle_reasons),
        )


def _answered(answer: int | None) -> int:
    """Raise MeterLost where NVML no longer answers what it answered when the meter was entered."""
    if answer is None:
        raise MeterLost("NVML no longer answers what it answered before")
    return answer
