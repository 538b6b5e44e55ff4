"""Workloads: what a trial runs. A workload knows no clock, no meter and no window; loops and timing live in trial.py.

The contract, which `tests/contract/test_workloads.py` runs over every workload:

- `setup` builds everything (model on its device, inputs ready) and raises `InvalidWorkload` with one clear line for
  what cannot be had here: an unknown model, weights that cannot be read or downloaded, an unreadable image.
- The same params and seed give the same parameters and inputs.
- `step` enqueues one batch and returns the units it will do; it does not synchronize. Nor does `train_epoch`.
- `synchronize` waits until all enqueued work is done.
- `facts` describes what ran; JSON values only. `close` is safe at any time, twice too.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, ClassVar, Protocol

from pydantic import JsonValue

from farm.load.arrivals import Arrivals
from farm.load.policy import Policy
from farm.model import Point


class InvalidWorkload(Exception):
    """The workload cannot run here; the text is one clear line."""


class Workload(Protocol):
    """What a trial can set up and lead through its windows."""

    unit: ClassVar[str]  #: of what its work counts: "image"

    def setup(self, point: Point, device: str, seed: int) -> None: ...
    def synchronize(self) -> None: ...
    def facts(self) -> Mapping[str, JsonValue]: ...
    def close(self) -> None: ...


class Repeatable(Workload, Protocol):
    """One that does the same again and again."""

    def step(self) -> int: ...


class Servable(Repeatable, Protocol):
    """One that serves requests as they come: `take` those of a batch, then `serve` it; a step is a full batch."""

    @property
    def policy(self) -> Policy: ...
    @property
    def arrivals(self) -> Arrivals: ...
    @property
    def requests(self) -> int | None: ...  #: in a measure window; None: the usual number, of a trace all
    def take(self, first: int, count: int) -> None: ...  #: the inputs of these requests, put together
    def serve(self, count: int) -> None: ...  #: enqueue what was taken


class Part(Protocol):
    """One of several things that a workload can do."""

    @property
    def index(self) -> int: ...


class Divisible(Repeatable, Protocol):
    """One whose `step` does the part that was selected last."""

    @property
    def parts(self) -> Sequence[Part]: ...
    def select(self, index: int) -> None: ...


@dataclass(frozen=True, slots=True)
class Scores:
    """How good a network is; a loss is a mean over images, None where it is no number."""

    train_loss: float | None  #: while it was trained
    validation_loss: float | None
    validation_accuracy: float  #: share of the validation images, in evaluation mode


class Trainable(Workload, Protocol):
    """One that is trained epoch by epoch. What an epoch left is kept until it is validated."""

    @property
    def epochs(self) -> int: ...  #: to train, at most
    @property
    def patience(self) -> int | None: ...  #: epochs without a better accuracy; None: no early stopping
    @property
    def kept_bytes(self) -> int: ...  #: that wait for validation
    def train_epoch(self) -> int: ...  #: enqueue one, keep the network that it leaves; returns its images
    def validate(self) -> tuple[int, list[Scores]]: ...  #: what was kept, oldest first; the images that it took
    def state(self) -> dict[str, Any]: ...  #: for a checkpoint: tensors and plain values
    def restore(self, state: dict[str, Any]) -> None: ...


#: Workloads by the job's kind, as "module:Class", imported on use.
REGISTRY: Mapping[str, str] = {
    "inference": "workers.kinds.inference.workload:Inference",
    "serving": "workers.kinds.serving.workload:Serving",
    "training": "workers.kinds.training.workload:Training",
    "layers": "workers.kinds.layers.workload:Layers",
    "burn": "workers.kinds.burn.workload:Burn",
}


def load(kind: str) -> Callable[[], Workload]:
    """The class of a registered workload."""
    module, _, cls = REGISTRY[kind].partition(":")
    factory: Callable[[], Workload] = getattr(import_module(module), cls)
    return factory
