"""Throughput inside a trial's measure window against the bare PyTorch loop.

Both loops run the same network on the same batch in one process, by turns, the order swapped each round; the figure
is the median of the rounds' ratios, so that a machine that slows down meanwhile slows both.
"""

import socket
import statistics
import time
from collections.abc import Callable, Iterator

import torch

from farm.model import JobSpec, MeasureSettings
from tests.benchmarks.figures import Figure
from workers.kinds.inference.workload import Inference
from workers.trial.loops import Loops
from workers.trial.main import choose_device
from workers.trial.protocol import Start
from workers.trial.stage import Line, Stage

AT_LEAST = 0.98
ROUNDS = 41
ROUND_S = 0.25
CASES = (("shufflenet_v2_x0_5", 1), ("alexnet", 16))

SPEC = JobSpec(
    job="bench",
    sweep="bench",
    kind="inference",
    point={},
    repetition=0,
    target="any",
    measure=MeasureSettings(
        profile="quick",
        window_s=1,
        windows=1,
        min_iterations=1,
        idle_s=1,
        cool_down_max_s=0,
        context_idle_s=1,
        warmup_s=1,
        warmup_max_s=1,
        latency_s=1,
        latency_max_batches=1,
        guard_s=0,
        poll_period_s=1,
    ),
    seed=1,
    time_limit_s=1,
)


def figures() -> Iterator[Figure]:
    """The ratio for a network of small operations and for one of large ones."""
    device = choose_device("auto")
    for model, batch_size in CASES:
        bare_per_s, measured_per_s, ratio = compare(model, batch_size, device)
        yield Figure(
            what=f"throughput in a trial / bare PyTorch loop, {model}, batch {batch_size}",
            value=ratio,
            digits=3,
            at_least=AT_LEAST,
            how=(
                f"{ROUNDS} pairs of {ROUND_S} s by turns, median: {measured_per_s:.1f} and {bare_per_s:.1f} images/s; "
                f"{device}, {torch.get_num_threads()} threads, torch {torch.__version__}"
            ),
        )


def compare(model: str, batch_size: int, device: str) -> tuple[float, float, float]:
    """Images a second of the bare loop and of the trial's, and the median ratio of the second to the first."""
    workload = Inference()
    workload.setup({"model": model, "batch_size": batch_size}, device, seed=1)
    network, batch = workload._network, workload._batch
    ours, theirs = socket.socketpair()
    loops = Loops(Stage(Line(theirs), Start(spec=SPEC), device), workload)

    def bare(batches: int) -> float:
        begin_s = time.perf_counter()
        with torch.inference_mode():
            for _ in range(batches):
                network(batch)
        workload.synchronize()
        return time.perf_counter() - begin_s

    def measured(batches: int) -> float:
        begin_s = time.perf_counter()
        loops.stretch(0.0, batches)
        return time.perf_counter() - begin_s

    with ours, theirs:
        batches = loops.stretch(ROUND_S).batches
        rounds = [_round(bare, measured, batches, is_swapped=bool(n % 2)) for n in range(ROUNDS)]
    bare_s, measured_s = (statistics.median(times_s) for times_s in zip(*rounds, strict=True))
    images = batches * batch_size
    return images / bare_s, images / measured_s, statistics.median(b / m for b, m in rounds)


def _round(
    bare: Callable[[int], float], measured: Callable[[int], float], batches: int, is_swapped: bool
) -> tuple[float, float]:
    if is_swapped:
        measured_s = measured(batches)
        return bare(batches), measured_s
    return bare(batches), measured(batches)
