"""The simulated NVML as files: the C library, built with gcc, and the state file that it answers from."""

import ctypes
import mmap
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from farm.model.errors import InputError
from workers.simulator.physics import Preset, Published

#: The name that every NVML binding loads.
LIBRARY = "libnvidia-ml.so.1"
#: The state file is beside the library, which finds it there.
STATE_FILE = "state"
#: The memory of one process that holds a context.
CONTEXT_BYTES = 512 << 20
_MOST = 16


@dataclass(frozen=True, slots=True)
class Identity:
    """The identity of one board among others of its kind, and its configuration."""

    uuid: str = "GPU-5157a77f-0000-4000-8000-000000000001"
    vbios: str = "92.00.45.00.03"
    driver: str = "580.65.06"
    bus_id: str = "00000000:19:00.0"
    ecc: bool = True
    mig: bool = False
    persistence: bool = True
    pcie_generation: int = 4
    pcie_width: int = 16


#: The board that is simulated unless another is asked for.
THE_BOARD = Identity()


def build(folder: Path) -> Path:
    """Build the library into a folder.

    Raises:
        InputError: without a C compiler.
        RuntimeError: where the compiler fails, with its output.
    """
    gcc = shutil.which("gcc")
    if gcc is None:
        raise InputError(
            "the simulated GPU needs a C compiler: install gcc (Debian, Ubuntu: apt-get install gcc libc6-dev; "
            "Fedora: dnf install gcc)"
        )
    target = folder / LIBRARY
    command = [
        *(gcc, "-O1", "-shared", "-fPIC", "-pthread", f"-Wl,-soname,{LIBRARY}"),
        *("-o", str(target), str(Path(__file__).with_name("nvml.c"))),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"the simulated NVML does not build:\n{done.stderr}")
    return target


class _Process(ctypes.Structure):
    _fields_ = (("memory_bytes", ctypes.c_uint64), ("pid", ctypes.c_uint32), ("padding", ctypes.c_uint32))


class _Refusal(ctypes.Structure):
    _fields_ = (("function", ctypes.c_char * 60), ("error", ctypes.c_int32))


class _Board(ctypes.Structure):
    _fields_ = (
        *((n, ctypes.c_uint64) for n in ("energy_mj", "reasons", "memory_bytes", "memory_used_bytes")),
        *((n, ctypes.c_uint32) for n in ("instant_mw", "average_mw", "usage_mw", "limit_mw", "default_limit_mw")),
        *((n, ctypes.c_uint32) for n in ("temperature_c", "clock_mhz", "memory_clock_mhz", "max_clock_mhz")),
        *((n, ctypes.c_uint32) for n in ("load_percent", "memory_percent", "ecc", "mig", "persistence")),
        *((n, ctypes.c_uint32) for n in ("pcie_generation", "pcie_width", "capability_major", "capability_minor")),
        *((n, ctypes.c_uint32) for n in ("process_count", "refusal_count")),
        ("processes", _Process * _MOST),
        ("refusals", _Refusal * _MOST),
        *(("name", ctypes.c_char * 96), ("uuid", ctypes.c_char * 80), ("vbios", ctypes.c_char * 32)),
        *(("driver", ctypes.c_char * 80), ("bus_id", ctypes.c_char * 32)),
    )


class _Shared(ctypes.Structure):
    _fields_ = (
        *((n, ctypes.c_uint64) for n in ("magic", "sequence", "counter_reads", "published_ns")),
        ("board", _Board),
    )


class StateFile:
    """The writer's end of the state file; one writer a file."""

    def __init__(self, path: Path, library: Path, preset: Preset, identity: Identity) -> None:
        self._library = ctypes.CDLL(str(library))
        self._library.simulator_shared_size.restype = ctypes.c_size_t
        if self._library.simulator_shared_size() != ctypes.sizeof(_Shared):
            raise RuntimeError("library.py does not mirror the structures of nvml.c")
        path.write_bytes(bytes(ctypes.sizeof(_Shared)))
        with path.open("r+b") as file:
            self._shared = _Shared.from_buffer(mmap.mmap(file.fileno(), 0))
        self._board = _fixed(preset, identity)
        self._seen_reads = 0

    def counter_reads(self) -> int:
        """Return how often the energy counter was read since the last call."""
        reads = int(self._shared.counter_reads)
        since, self._seen_reads = reads - self._seen_reads, reads
        return since

    def publish(self, published: Published, pids: Iterable[int], refusals: Mapping[str, int]) -> None:
        """Show readers the board as it is, the processes on it, and the errors to return by function."""
        board = self._board
        board.energy_mj, board.reasons = published.energy_mj, int(published.reasons)
        for name in ("instant_mw", "average_mw", "usage_mw", "temperature_c", "clock_mhz", "load_percent"):
            setattr(board, name, getattr(published, name))
        shown = sorted(pids)[:_MOST]
        board.process_count, board.memory_used_bytes = len(shown), len(shown) * CONTEXT_BYTES
        for slot, pid in zip(board.processes, shown, strict=False):
            slot.pid, slot.memory_bytes = pid, CONTEXT_BYTES
        board.refusal_count = len(refusals)
        for refusal, (function, error) in zip(board.refusals, refusals.items(), strict=False):
            refusal.function, refusal.error = function.encode(), error
        self._library.simulator_publish(ctypes.byref(self._shared), ctypes.byref(board))


def _fixed(preset: Preset, identity: Identity) -> _Board:
    """Build a board with the values that never change."""
    limit_mw = round(preset.silicon.limit_w * 1e3)
    major, minor = preset.compute_capability
    return _Board(
        name=preset.name.encode(),
        uuid=identity.uuid.encode(),
        vbios=identity.vbios.encode(),
        driver=identity.driver.encode(),
        bus_id=identity.bus_id.encode(),
        memory_bytes=preset.memory_bytes,
        limit_mw=limit_mw,
        default_limit_mw=limit_mw,
        memory_clock_mhz=preset.memory_clock_mhz,
        max_clock_mhz=preset.clock_mhz,
        ecc=identity.ecc,
        mig=identity.mig,
        persistence=identity.persistence,
        pcie_generation=identity.pcie_generation,
        pcie_width=identity.pcie_width,
        capability_major=major,
        capability_minor=minor,
    )
