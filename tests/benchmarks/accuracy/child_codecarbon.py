"""Tracks windows with the real codecarbon, on whatever GPU is here, and notes when it reads the counter.

python -m tests.benchmarks.accuracy.child_codecarbon WINDOWS WINDOW_S
"""

import json
import sys
import time
from typing import Any

import pynvml

_READS: list[tuple[int, int]] = []
_read_mj = pynvml.nvmlDeviceGetTotalEnergyConsumption


def _noted(handle: Any) -> int:
    at_ns, energy_mj = time.monotonic_ns(), int(_read_mj(handle))
    _READS.append((at_ns, energy_mj))
    return energy_mj


pynvml.nvmlDeviceGetTotalEnergyConsumption = _noted
from codecarbon import OfflineEmissionsTracker  # noqa: E402 - it looks for a GPU when it is imported


def track(window_s: float) -> dict[str, Any]:
    """One window, tracked from before it begins until after it has ended."""
    tracker = OfflineEmissionsTracker(
        country_iso_code="DEU", output_methods=[], allow_multiple_runs=True, log_level="critical"
    )
    _READS.clear()
    tracker.start()
    begin_ns = time.monotonic_ns()
    time.sleep(window_s)
    end_ns = time.monotonic_ns()
    tracker.stop()
    energy_j = tracker.final_emissions_data.gpu_energy * 3.6e6
    return {"begin_ns": begin_ns, "end_ns": end_ns, "energy_j": energy_j, "reads": list(_READS)}


if __name__ == "__main__":
    track(0.1)  # the first start finds out about the machine and takes seconds
    print(json.dumps([track(float(sys.argv[2])) for _ in range(int(sys.argv[1]))]))
