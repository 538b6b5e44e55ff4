"""The same in real time: trials of a real worker, and the real codecarbon, on the simulated GPU.

The worker's supervisor, sampler, NVML meters and trial process are the real ones. The board's load is the CPU use of
the trial, and its truth is known at every moment.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from farm.model import Domain, TrialReport, Window, WindowKind
from tests.benchmarks.accuracy.cases import EXACT
from workers.simulator import IDLE, CpuUse, Follow, Simulation, Square, simulated_gpu

ROOT = Path(__file__).parents[3]
#: A trial with all its idles takes less, and so does the probe.
WITHIN_S = 60.0


@dataclass(frozen=True, slots=True)
class LiveTrial:
    """One trial in real time."""

    error: float  #: |net - true net| / true net
    covered: bool
    net_j: float  #: true
    half_width: float  #: of the interval, as a share of the true net energy


@dataclass(frozen=True, slots=True)
class LiveCodecarbon:
    """What the real codecarbon did, window by window: median, and the largest."""

    windows: int
    before_s: float  #: it read the counter so long before its `start` returned
    after_s: float  #: and so long after its `stop` was called
    off_j: float  #: between what it reports and the counter's difference between these readings: the largest


@contextmanager
def simulated(square: Square | None = None) -> Iterator[tuple[Simulation, dict[str, str]]]:
    """A simulated board, and the environment of a program that is to see it; idle until told what to follow."""
    with TemporaryDirectory(prefix="farm-bench-") as folder:
        home = {"FARM_HOME": folder, "FARM_LOCK_FILE": f"{folder}/lock", "FARM_PROBE": "false"}
        with simulated_gpu(Path(folder) / "gpu", EXACT.preset, square or IDLE) as simulation:
            yield simulation, {**os.environ, **simulation.env, **home}


def trials_command(count: int, window_s: float) -> list[str]:
    """A worker that runs so many trials and prints their reports."""
    probe = EXACT.probe
    told = "null" if probe is None else probe.model_dump_json()
    return [sys.executable, "-m", "tests.benchmarks.accuracy.child_trials", str(count), str(window_s), told]


def trials(count: int, window_s: float) -> list[LiveTrial]:
    """Trials of a real worker, one after another, after it has probed the counter."""
    with simulated() as (simulation, quiet):
        command, env = trials_command(count, window_s), {**quiet, "FARM_PROBE": "true"}
        with subprocess.Popen(command, env=env, cwd=ROOT, stdout=subprocess.PIPE, text=True) as worker:
            simulation.fault(Follow(CpuUse(worker.pid, below="workers.supervisor.zygote")))
            try:
                out, _ = worker.communicate(timeout=(1 + count) * WITHIN_S)
            except subprocess.TimeoutExpired:
                worker.kill()
                raise
        return [_scored(TrialReport.model_validate_json(line), simulation) for line in out.splitlines()]


def _scored(report: TrialReport, simulation: Simulation) -> LiveTrial:
    if report.failure is not None:
        raise RuntimeError(f"a trial in real time failed: {report.failure.message}")
    windows = {window.kind: window for window in report.windows}
    measure, idle = windows[WindowKind.MEASURE], windows[WindowKind.CONTEXT_IDLE]
    idle_w = _true_j(simulation, idle) / idle.duration_s
    true_net_j = _true_j(simulation, measure) - idle_w * measure.duration_s
    ours = next(m for m in report.measurements if m.window_kind == WindowKind.MEASURE and m.domain == Domain.GPU)
    if ours.net_j is None or ours.net_j_low is None or ours.net_j_high is None:
        raise RuntimeError(f"a trial in real time has no net energy: {ours}")
    error = abs(ours.net_j - true_net_j) / true_net_j
    half_width = (ours.net_j_high - ours.net_j_low) / 2 / true_net_j
    return LiveTrial(error, ours.net_j_low <= true_net_j <= ours.net_j_high, true_net_j, half_width)


def _true_j(simulation: Simulation, window: Window) -> float:
    return simulation.true_energy_j(window.begin_at_ns, window.end_at_ns)


def codecarbon(windows: int, window_s: float) -> LiveCodecarbon:
    """What the real tracker makes of the counter."""
    with simulated(Square(0.31, pids=(1,))) as (_, env):
        command = [sys.executable, "-m", "tests.benchmarks.accuracy.child_codecarbon", str(windows), str(window_s)]
        done = subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True, timeout=WITHIN_S, check=True)
    return judged(json.loads(done.stdout.splitlines()[-1]))


def judged(tracked: Sequence[dict[str, Any]]) -> LiveCodecarbon:
    """Compare what it reports with the counter's difference between one reading before and one after the window.

    It reads the counter several times before a window; its joules tell from which of them on it counts.
    """
    before_s, after_s, off_j = [], [], []
    for window in tracked:
        *early, (last_ns, last_mj) = window["reads"]
        off = {at_ns: abs(window["energy_j"] - (last_mj - mj) / 1e3) for at_ns, mj in early}
        at_ns = min(off, key=lambda ns: (round(off[ns], 3), ns))
        before_s.append((window["begin_ns"] - at_ns) / 1e9)
        after_s.append((last_ns - window["end_ns"]) / 1e9)
        off_j.append(off[at_ns])
    return LiveCodecarbon(len(tracked), median(before_s), median(after_s), max(off_j))
