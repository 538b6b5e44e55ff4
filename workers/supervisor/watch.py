"""Record who else uses this machine at the edges of windows; `farm.energy.validity` judges the records."""

import os
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import psutil

from farm.energy.validity import Glance
from farm.model.errors import MeterError
from workers.meters.nvml import Gpu, open_gpu
from workers.simulator.process import PID_FILE

PRESSURE = Path("/proc/pressure/cpu")


class Watch:
    """The records of one trial; the worker's process and its descendants count as its own.

    So does the process of a simulated GPU: a real board would not use the CPU.
    """

    def __init__(self, gpu: str, simulator: Path | None = None) -> None:
        self._own = psutil.Process()
        self._simulator: list[psutil.Process] = []
        if simulator is not None:
            with suppress(OSError, ValueError, psutil.Error):
                self._simulator = [psutil.Process(int((simulator / PID_FILE).read_text()))]
        self._session = ExitStack()
        self._gpu: Gpu | None = None
        with suppress(MeterError):
            self._gpu = self._session.enter_context(open_gpu(gpu))
        self.glances: list[Glance] = []

    def look(self) -> None:
        """Record the state of the machine; it takes a few milliseconds."""
        times = psutil.cpu_times()
        self.glances.append(
            Glance(
                at_ns=time.monotonic_ns(),
                cores=os.cpu_count() or 1,
                busy_s=times.user + times.nice + times.system + times.irq + times.softirq,
                own_s=self._own_s(),
                stolen_s=times.steal,
                waited_s=_waited_s(),
                gpu_pids=self._gpu_pids(),
            )
        )

    def close(self) -> None:
        """Close the GPU's session."""
        self._gpu = None
        self._session.close()

    def _own_s(self) -> float:
        """Return the CPU time of our processes, with ended ones, or their time would count as another program's."""
        total_s = 0.0
        for process in {self._own, *self._own.children(recursive=True), *self._simulator}:
            with suppress(psutil.Error):
                times = process.cpu_times()
                total_s += times.user + times.system + times.children_user + times.children_system
        return total_s

    def _gpu_pids(self) -> frozenset[int]:
        if self._gpu is None:
            return frozenset()
        with suppress(MeterError):
            return self._gpu.ask(_compute_pids) or frozenset()
        return frozenset()


def _compute_pids(nvml: Any, handle: Any) -> frozenset[int]:
    return frozenset(process.pid for process in nvml.nvmlDeviceGetComputeRunningProcesses(handle))


def _waited_s() -> float | None:
    """Return how long some task has waited for a CPU since boot; None where the kernel does not count it."""
    try:
        some = PRESSURE.read_text().splitlines()[0]
        return int(some.rpartition("total=")[2]) / 1e6
    except (OSError, ValueError, IndexError):
        return None
