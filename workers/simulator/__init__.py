"""Simulated hardware whose true energy is known: the real NVML binding, codecarbon and our meters run on it.

    test or demo                          the program under test (any child process)
      simulated_gpu() ── faults ──┐         pynvml ─ dlopen ─ libnvidia-ml.so.1 (nvml.c)
        true_energy_j()           │                                  │ reads
             │ reads              ▼                                  ▼
        truth file ◀──── physics process ────────────────────▶ state file
                         (process.py: world.py in real time) ─▶ powercap tree
                                  ▲
                          CPU use of the trial, or a function of time (loads.py)

- `physics.py`: one board in virtual time, exact and pure. Tests, and coverage runs that would take too long, use it
  alone: `board = Board(A100, seed=1); board.advance(10.0, load=0.7); board.read_counter_j(); board.true_energy_j`.
- `loads.py`: the load of the board. `drive(board, Square(0.1), 10.0)` in virtual time; `CpuUse(pid)` in real time.
- `world.py`: the whole machine and the faults that can happen to it.
- `nvml.c`, `library.py`: NVML's symbols, answered from a memory-mapped state file behind a sequence lock.
- `process.py`: the machine in real time, logging (monotonic ns, true joules).
- `powercap.py`: RAPL's tree, by hand or in real time.

    with simulated_gpu(folder, A100, load_from=worker_pid) as sim:
        subprocess.run(program, env={**os.environ, **sim.env})
        sim.fault(GPU_LOST)
        sim.true_energy_j(begin_ns, end_ns)

`sim.env` holds FARM_SIMULATOR, the folder, which is all that `farm` needs: its workers load NVML from there, read the
powercap tree that is there, and stamp every result. For other programs it holds LD_LIBRARY_PATH, which the dynamic
linker reads when a process starts, and PATH, with an `nvidia-smi`, which codecarbon looks for. The process that starts
the simulation sees no GPU. It needs Linux and gcc.

A person uses it by `farm simulate a100 -- farm run SWEEP.yaml`, see `command.py`.
"""

import os
import subprocess
import sys
import time
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path

from farm.model import Domain
from workers.simulator.library import THE_BOARD, Identity, build
from workers.simulator.loads import IDLE, Constant, CpuUse, Load, Sampled, Square, as_load, drive
from workers.simulator.physics import A100, H100, RTX4090, V100, Board, Counter, Preset, Reasons
from workers.simulator.powercap import SERVER, Powercap, Zone
from workers.simulator.process import RECORD, TRUTH_FILE, Config
from workers.simulator.world import (
    GPU_LOST,
    NO_COUNTER,
    Drift,
    Fault,
    Follow,
    Foreign,
    FreezeCounter,
    Refuse,
    ResetDriver,
    Slow,
    Truth,
)

__all__ = [
    "A100", "GPU_LOST", "H100", "IDLE", "NO_COUNTER", "RTX4090", "SERVER", "V100",
    "Board", "Constant", "Counter", "CpuUse", "Drift", "Follow", "Foreign", "FreezeCounter", "Identity", "Load",
    "Powercap", "Preset", "Reasons", "Refuse", "ResetDriver", "Sampled", "Simulation", "Slow", "Square", "Zone",
    "drive", "simulated_gpu",
]  # fmt: skip

#: The physics process answers within this time, or it hangs.
ANSWER_WITHIN_S = 30.0
_PHYSICS = "import sys; from workers.simulator.process import main; main(*sys.argv[1:])"
_NVIDIA_SMI = "#!/bin/sh\necho 'NVIDIA-SMI (simulated)'\n"


@dataclass(frozen=True, slots=True)
class Simulation:
    """A simulated machine that lives in a process of its own."""

    folder: Path
    preset: Preset
    env: Mapping[str, str]  #: the environment variables with which a process sees the machine
    _line: Connection

    def fault(self, *faults: Fault) -> None:
        """Inject faults into the machine; returns when readers see them."""
        for fault in faults:
            _send(self._line, fault)

    def true_energy_j(self, begin_ns: int, end_ns: int, domain: Domain = Domain.GPU) -> float:
        """Return the energy consumed between two moments of the monotonic clock, up to now."""
        truths = self._truths(end_ns)
        return _energy_at(truths, end_ns, domain) - _energy_at(truths, begin_ns, domain)

    def lateness_s(self) -> float:
        """Return the longest time for which nothing was published."""
        return max((b.at_ns - a.at_ns for a, b in pairwise(self._truths())), default=0) / 1e9

    def _truths(self, until_ns: int = 0) -> list[Truth]:
        deadline_s = time.monotonic() + ANSWER_WITHIN_S
        while True:
            log = (self.folder / TRUTH_FILE).read_bytes()
            truths = [Truth(*record) for record in RECORD.iter_unpack(log[: len(log) // RECORD.size * RECORD.size])]
            if truths[-1].at_ns >= until_ns:
                return truths
            if time.monotonic() > deadline_s:
                raise ValueError(
                    "the true energy at that time is unknown: it is in the future, or the physics process has ended"
                )
            time.sleep(0.01)


def _energy_at(truths: list[Truth], at_ns: int, domain: Domain) -> float:
    """Interpolate; the load was constant between two records."""
    after = bisect_left(truths, at_ns, key=lambda t: t.at_ns)
    a, b = truths[max(after - 1, 0)], truths[after]
    if not a.at_ns <= at_ns <= b.at_ns:
        raise ValueError("the true energy at that time is unknown: it was before the simulation")
    share = (at_ns - a.at_ns) / (b.at_ns - a.at_ns) if b.at_ns > a.at_ns else 0.0
    energies = {Domain.GPU: (a.gpu_j, b.gpu_j), Domain.CPU: (a.cpu_j, b.cpu_j), Domain.DRAM: (a.dram_j, b.dram_j)}
    begin_j, end_j = energies[domain]
    return begin_j + share * (end_j - begin_j)


@contextmanager
def simulated_gpu(
    folder: Path,
    preset: Preset = A100,
    load_from: Load | int | str | Callable[[float], float] = IDLE,
    *,
    seed: int = 0,
    identity: Identity = THE_BOARD,
    zones: tuple[Zone, ...] = (),
) -> Iterator[Simulation]:
    """Simulate a machine with one board until the block ends; then readers see a lost GPU.

    Args:
        folder: made if need be; holds the library, the state and the truth.
        preset: the kind of board.
        load_from: a `Load`; a pid, whose CPU use and that of its descendants is the load; "square wave"; or a function
            of the monotonic time in s, importable by name.
        seed: sets the sensor's phase, the counter's first value, and the flicker.
        identity: the board's serial numbers and settings.
        zones: a powercap tree with these zones follows the same load; see `SERVER`.

    Raises:
        InputError: without gcc.
    """
    folder.mkdir(parents=True, exist_ok=True)
    build(folder)
    executable = folder / "nvidia-smi"
    executable.write_text(_NVIDIA_SMI)
    executable.chmod(0o755)
    line, process = _start(folder)
    try:
        _send(line, Config(preset, as_load(load_from), seed, identity, zones))
        yield Simulation(folder, preset, _environment(folder), line)
    finally:
        line.close()
        process.wait(ANSWER_WITHIN_S)


def _start(folder: Path) -> tuple[Connection, subprocess.Popen[bytes]]:
    line, theirs = Pipe()
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-c", _PHYSICS, str(folder), str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            start_new_session=True,  # so that Ctrl-C ends the command first; the machine ends with the connection
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
            cwd=Path(__file__).parents[2],
        )
    return line, process


def _send(line: Connection, message: Config | Fault) -> None:
    """Send a message, and wait until it has taken effect."""
    line.send(message)
    try:
        if line.poll(ANSWER_WITHIN_S):
            line.recv()
            return
    except EOFError:
        pass
    raise RuntimeError("the physics process does not answer: see what it wrote to stderr")


def _environment(folder: Path) -> dict[str, str]:
    def first(variable: str) -> str:
        return os.pathsep.join(filter(None, (str(folder), os.environ.get(variable))))

    return {
        "FARM_SIMULATOR": str(folder),
        "LD_LIBRARY_PATH": first("LD_LIBRARY_PATH"),
        "PATH": first("PATH"),
    }
