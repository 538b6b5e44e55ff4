"""Throughput of the training workload's epochs against a bare PyTorch loop, which trains the same network by turns.

Two networks of equal shape would differ by where their memory lies, and by what they have learnt.
"""

import statistics
import time
from collections.abc import Iterator, Mapping

import torch
from torch.nn.functional import cross_entropy

from farm.model import Scalar
from tests.benchmarks.figures import Figure
from workers.kinds.training.workload import Training
from workers.trial.main import choose_device

AT_LEAST = 0.99
#: Pairs of epochs are timed for so long, and at least so many: short epochs on a shared machine need many.
FOR_S, LEAST_PAIRS = 30.0, 41
#: One with steps of a millisecond or two, and the study's network on images of FashionMNIST's shape.
CASES: Mapping[str, Mapping[str, Scalar]] = {
    "digits, batch 128": {"model": "simple_cnn", "dataset": "digits", "batch_size": 128},
    "FashionMNIST-shaped, batch 512": {
        "model": "simple_cnn", "dataset": "synthetic_fashion_mnist", "batch_size": 512,
        "train_size": 4096, "validation_size": 512,
    },
}  # fmt: skip


def figures() -> Iterator[Figure]:
    """The ratio of images a second, for each case."""
    device = choose_device("auto")
    for name, point in CASES.items():
        bare_per_s, ours_per_s, ratios = compare(point, device)
        low, middle, high = statistics.quantiles(ratios, n=4)
        yield Figure(
            what=f"throughput of a training epoch / bare PyTorch loop, simple_cnn, {name}",
            value=middle,
            digits=3,
            at_least=AT_LEAST,
            how=(
                f"{len(ratios)} pairs of epochs by turns, median (quartiles {low:.3f} and {high:.3f}): "
                f"{ours_per_s:.0f} and {bare_per_s:.0f} images/s; "
                f"{device}, {torch.get_num_threads()} threads, torch {torch.__version__}"
            ),
        )


def compare(point: Mapping[str, Scalar], device: str) -> tuple[float, float, list[float]]:
    """Images a second of the bare loop and of the workload, and the ratios of the second to the first, by pair."""
    workload = Training()
    workload.setup(dict(point), device, seed=1)
    _round(workload, is_swapped=False)
    times_s: list[tuple[float, float]] = []
    until_s = time.monotonic() + FOR_S
    while len(times_s) < LEAST_PAIRS or time.monotonic() < until_s:
        times_s.append(_round(workload, is_swapped=bool(len(times_s) % 2)))
    bare_s, ours_s = (statistics.median(each) for each in zip(*times_s, strict=True))
    images = len(workload._train)
    return images / bare_s, images / ours_s, [bare / ours for bare, ours in times_s]


def _round(workload: Training, *, is_swapped: bool) -> tuple[float, float]:
    if is_swapped:
        ours_s = _timed_ours(workload)
        return _timed_bare(workload), ours_s
    return _timed_bare(workload), _timed_ours(workload)


def _timed_ours(workload: Training) -> float:
    begin_s = time.perf_counter()
    workload.train_epoch()
    workload.synchronize()
    passed_s = time.perf_counter() - begin_s
    workload._kept.clear()
    return passed_s


def _timed_bare(given: Training) -> float:
    """The same network, optimizer and images, in as few lines as it takes."""
    network, optimizer, train = given._network, given._optimizer, given._train
    network.train()
    begin_s = time.perf_counter()
    for chosen in torch.split(torch.randperm(len(train), device=train.images.device), given._params.batch_size):
        optimizer.zero_grad()
        loss = cross_entropy(network(train.images[chosen]), train.labels[chosen])
        torch.autograd.backward(loss)
        optimizer.step()
    given.synchronize()
    return time.perf_counter() - begin_s
