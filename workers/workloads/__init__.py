"""Workloads: what a trial runs. A workload knows no clock, no meter and no window; loops and timing live in trial.py.

The contract, which `tests/contract/test_workloads.py` runs over every workload:

- `setup` builds everything (model on its device, inputs ready) and raises `InvalidWorkload` with one clear line for
  what cannot be had here: an unknown model, weights that cannot be read or downloaded, an unreadable image.
- The same params and seed give the same parameters and inputs.
- `step` enqueues one batch and returns the units it will do; it does not synchronize.
- `synchronize` waits until all enqueued work is done.
- `facts` describes what ran; JSON values only. `close` is safe at any time, twice too.
"""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import ClassVar, Protocol

from pydantic import JsonValue

from farm.model import Point


class InvalidWorkload(Exception):
    """The workload cannot run here; the text is one clear line."""


class Workload(Protocol):
    """One thing a trial can run, again and again."""

    unit: ClassVar[str]  #: of what `step` counts: "image"

    def setup(self, point: Point, device: str, seed: int) -> None: ...
    def step(self) -> int: ...
    def synchronize(self) -> None: ...
    def facts(self) -> Mapping[str, JsonValue]: ...
    def close(self) -> None: ...


#: Workloads by the sweep's kind, as "module:Class", imported on use.
REGISTRY: Mapping[str, str] = {
    "inference": "workers.workloads.inference:Inference",
    "burn": "workers.workloads.burn:Burn",
}


def load(kind: str) -> Callable[[], Workload]:
    """The class of a registered workload."""
    module, _, cls = REGISTRY[kind].partition(":")
    factory: Callable[[], Workload] = getattr(import_module(module), cls)
    return factory
