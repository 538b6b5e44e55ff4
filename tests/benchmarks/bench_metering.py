"""What metering costs the machine that it measures: CPU inside measure windows, and the latency of a small network.

python -m tests.benchmarks.bench_metering      (make bench-overhead)
"""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import pairwise
from statistics import fmean, median, quantiles
from tempfile import TemporaryDirectory

import pytest
from rich.console import Console

from farm.model import Point, TrialReport, Window, WindowKind
from tests.benchmarks.accuracy.live import ROOT, simulated, trials_command
from tests.benchmarks.figures import Figure, machine_line, table
from workers.kinds.inference.workload import Inference

TRIALS, WINDOW_S = 2, 5.0
AT_MOST_PERCENT = 1.0
#: The worker's CPU time is noted this often.
NOTE_S = 0.05
POINT: Point = {"model": "shufflenet_v2_x0_5", "batch_size": 1}
#: CPU threads of the network: one, and one on every core, where any other program stalls them all.
THREADS = (1, None)
ROUNDS, ROUND_S = 40, 0.5
AT_MOST_RATIO = 1.02
WITHIN_S = 180.0


def main() -> None:
    """Print the one table."""
    load_before = os.getloadavg()[0]
    found = list(figures())
    Console().print(table(found, machine_line(load_before)), highlight=False)


def figures() -> Iterator[Figure]:
    """The worker's CPU on a simulated GPU and without one, then the latencies."""
    try:
        with simulated() as (_, env):
            yield _cpu_figure("on a simulated GPU", env)
            for threads in THREADS:
                yield from _latency_figures(env, threads)
    except pytest.skip.Exception as reason:
        yield Figure(what="metering a simulated GPU", value=None, how=str(reason))
    with TemporaryDirectory(prefix="farm-bench-") as folder:
        home = {"FARM_HOME": folder, "FARM_LOCK_FILE": f"{folder}/lock", "FARM_PROBE": "false"}
        yield _cpu_figure("with the meters that this machine has", {**os.environ, **home})


def _cpu_figure(where: str, env: Mapping[str, str]) -> Figure:
    percents = [100 * share for share in cpu_shares(env)]
    return Figure(
        what=f"CPU of supervisor and sampler in a measure window, {where}",
        value=fmean(percents),
        unit="% of a core",
        at_most=AT_MOST_PERCENT,
        how=(
            f"user and system time of the worker's process, not of its trial, within {len(percents)} measure windows "
            f"of {WINDOW_S:g} s: {', '.join(f'{p:.2f}' for p in percents)} %; meters polled at 10 Hz"
        ),
    )


def cpu_shares(env: Mapping[str, str]) -> list[float]:
    """The share of a core that a worker's process took in each measure window of its trials."""
    with subprocess.Popen(
        trials_command(TRIALS, WINDOW_S), env=env, cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as worker:
        notes: list[tuple[int, int]] = []
        noting = threading.Thread(target=_note_cpu, args=(worker.pid, notes), daemon=True)
        noting.start()
        try:
            out, _ = worker.communicate(timeout=WITHIN_S)
        except subprocess.TimeoutExpired:
            worker.kill()
            raise
        noting.join()
    reports = [TrialReport.model_validate_json(line) for line in out.splitlines()]
    measured = [w for report in reports for w in report.windows if w.kind == WindowKind.MEASURE]
    if len(measured) != TRIALS:
        raise RuntimeError(f"{TRIALS} trials should have measured: {[report.failure for report in reports]}")
    return [cpu_share(notes, window) for window in measured]


def _note_cpu(pid: int, notes: list[tuple[int, int]]) -> None:
    """Note (monotonic ns, CPU time in ns) of a process until it has ended; the kernel keeps a clock for each."""
    while True:
        try:
            notes.append((time.monotonic_ns(), time.clock_gettime_ns((~pid << 3) | 2)))
        except OSError:
            return
        time.sleep(NOTE_S)


def cpu_share(notes: list[tuple[int, int]], window: Window) -> float:
    """CPU time over time in a window, linear between the notes."""
    used_ns = _used_ns(notes, window.end_at_ns) - _used_ns(notes, window.begin_at_ns)
    return used_ns / (window.end_at_ns - window.begin_at_ns)


def _used_ns(notes: list[tuple[int, int]], at_ns: int) -> float:
    (before_ns, before), (after_ns, after) = next((a, b) for a, b in pairwise(notes) if a[0] <= at_ns <= b[0])
    return before + (after - before) * (at_ns - before_ns) / (after_ns - before_ns)


def _latency_figures(env: Mapping[str, str], threads: int | None) -> Iterator[Figure]:
    off_s, on_s, meters = latencies_s(env, POINT | {"threads": threads})
    used = f"{threads or 'all'} thread{'' if threads == 1 else 's'}"
    how = (
        f"{ROUNDS} rounds of {ROUND_S:g} s each way, by turns, one process with the network and one with the sampler "
        f"({meters}); {len(off_s)} and {len(on_s)} batches of 1, {used}"
    )
    for name, of, at_most in (("p50", median, AT_MOST_RATIO), ("p99", _p99, None)):
        yield Figure(
            what=f"latency of {POINT['model']} metered / not metered, {used}, {name}",
            value=of(on_s) / of(off_s),
            digits=3,
            at_most=at_most,
            how=f"{of(on_s) * 1e3:.3f} and {of(off_s) * 1e3:.3f} ms; {how}",
        )


def _p99(values_s: list[float]) -> float:
    return quantiles(values_s, n=100)[98]


def latencies_s(env: Mapping[str, str], point: Point) -> tuple[list[float], list[float], str]:
    """Of each batch, with metering off and on; and the names of the meters."""
    workload = Inference()
    workload.setup(point, "cpu", seed=1)
    batches_s: dict[str, list[float]] = {"off": [], "on": []}
    with _sampler(env) as (switch, meters):
        _time_batches(workload)
        for index in range(ROUNDS):
            for state in ("off", "on") if index % 2 else ("on", "off"):
                switch(state)
                batches_s[state] += _time_batches(workload)
    return batches_s["off"], batches_s["on"], meters


def _time_batches(workload: Inference) -> list[float]:
    found_s: list[float] = []
    end_s = time.perf_counter() + ROUND_S
    while (begin_s := time.perf_counter()) < end_s:
        workload.step()
        found_s.append(time.perf_counter() - begin_s)
    return found_s


@contextmanager
def _sampler(env: Mapping[str, str]) -> Iterator[tuple[Callable[[str], None], str]]:
    """A process that meters while it is `on`."""
    command = [sys.executable, "-m", "tests.benchmarks.metered_child"]
    with subprocess.Popen(
        command, env=env, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("the sampler's process has no pipes")
        orders, answers = process.stdin, process.stdout
        meters = answers.readline().strip()

        def switch(state: str) -> None:
            orders.write(f"{state}\n")
            orders.flush()
            answers.readline()

        yield switch, meters
        orders.close()


if __name__ == "__main__":
    main()
