"""Serving requests with a classification network: each is for one image, and batches are formed as requests arrive.

The images are a small pool, held in memory: ready for the network, or, with `preprocess`, as photographs that are
resized, cropped and normalised while their request is served. Taking a batch copies its images to the device.
"""

from collections.abc import Mapping
from typing import ClassVar

import torch
from PIL import Image
from pydantic import Field, JsonValue
from torch import nn

from farm.load.arrivals import PROCESSES, Arrivals, Recorded
from farm.load.policy import Policy
from farm.model import Point
from farm.model.errors import InputError
from workers.kinds.inference import images
from workers.kinds.inference.images import Preprocess
from workers.kinds.inference.workload import Classifier, NetworkParams
from workers.kinds.serving import course
from workers.trial.params import parse
from workers.trial.stage import Stage
from workers.trial.workload import InvalidWorkload

#: Requests use at most this many images, in turn.
POOL = 64


class Params(NetworkParams):
    """A point of kind serving."""

    policy: str
    rate_per_s: float | None = Field(default=None, gt=0)
    arrivals: str = "poisson"
    requests: int | None = Field(default=None, ge=1)
    preprocess: bool = False


class Serving:
    """The workload of kind `serving`."""

    unit: ClassVar[str] = "request"
    policy: Policy
    arrivals: Arrivals
    requests: int | None

    def __init__(self) -> None:
        self._forget()

    def _forget(self) -> None:
        self._network: nn.Module = nn.Identity()
        self._preprocess: Preprocess | None = None  #: while a request is served
        self._photographs: list[Image.Image] = []
        self._pixels: list[torch.Tensor] = []
        self._batch = torch.empty(0)
        self._facts: dict[str, JsonValue] = {}

    def setup(self, point: Point, device: str, seed: int) -> None:
        """Build the network and the largest batch on the device, and run batches of several sizes once."""
        params = parse(point, Params)
        self.policy = _policy(params.policy)
        self.arrivals = _arrivals(params)
        self.requests = params.requests
        classifier = Classifier.build(params, device, seed)
        self._pixels, self._photographs = [], []
        for _, photograph in images.photographs(params.images, min(POOL, params.requests or POOL), seed):
            self._pixels.append(classifier.preprocess(photograph))
            self._photographs += [photograph] if params.preprocess else []
        self._preprocess = classifier.preprocess if params.preprocess else None
        if device != "cpu":
            self._pixels = [pixels.pin_memory() for pixels in self._pixels]
        self._batch = classifier.batch(self.policy.size, like=self._pixels[0])
        self._network = classifier.module
        self._facts = {
            **classifier.facts,
            "input_shape": list(self._batch.shape[1:]),
            "photographs": len(self._pixels),
            "arrivals_per_s": self.arrivals.rate_per_s,
        }
        for size in _sizes(self.policy):
            self.take(0, size)
            self.serve(size)

    def run(self, stage: Stage) -> None:
        """Serve requests as they arrive, window by window."""
        course.run(stage, self)

    def take(self, first: int, count: int) -> None:
        """Copy the images of these requests into the batch."""
        for row, request in enumerate(range(first, first + count)):
            place = request % len(self._pixels)
            pixels = self._preprocess(self._photographs[place]) if self._preprocess else self._pixels[place]
            self._batch[row].copy_(pixels, non_blocking=True)

    def serve(self, count: int) -> None:
        """Enqueue the batch that was taken."""
        with torch.inference_mode():
            self._network(self._batch[:count])

    def step(self) -> int:
        """Enqueue a full batch; returns its requests."""
        self.take(0, self.policy.size)
        self.serve(self.policy.size)
        return self.policy.size

    def synchronize(self) -> None:
        """Wait for the GPU; a CPU has finished when `serve` returns."""
        if self._batch.is_cuda:
            torch.cuda.synchronize(self._batch.device)

    def facts(self) -> Mapping[str, JsonValue]:
        """Return the facts of `networks.build`, the input's shape, images in the pool, CPU threads, arrival rate."""
        return self._facts

    def close(self) -> None:
        """Release network and images."""
        self._forget()


def _sizes(policy: Policy) -> list[int]:
    """List the batch sizes to run once, because kernels are chosen and loaded on first use; each doubles the last."""
    if policy.is_fixed:
        return [policy.size]
    return [*(1 << power for power in range(policy.size.bit_length()) if 1 << power < policy.size), policy.size]


def _policy(text: str) -> Policy:
    try:
        return Policy.parse(text, "policy")
    except InputError as error:
        raise InvalidWorkload(str(error)) from None


def _arrivals(params: Params) -> Arrivals:
    if params.arrivals in PROCESSES:
        if params.rate_per_s is None:
            raise InvalidWorkload(f"rate_per_s: {params.arrivals} arrivals need one")
        return PROCESSES[params.arrivals](params.rate_per_s)
    try:
        return Recorded.read(params.arrivals)
    except InputError as error:
        raise InvalidWorkload(f"{error} (on this machine)") from None
