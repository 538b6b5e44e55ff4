"""The seam between a trial and its workload: what a class must offer to be measured.

A workload is a class without constructor arguments. Its package names it in the entry point group `wattfarm.workloads`,
under the name of its kind. The trial builds it, calls `setup`, meters the idle context, calls `run`, and then `close`.
`tests/contract/test_workloads.py` checks this contract for every installed workload:

Setup
    `setup` builds everything: the model is on its device, the inputs are ready. It raises `InvalidWorkload` with one
    clear line for what this machine cannot run: an unknown model, weights that cannot be read, an unreadable image.
Determinism
    The same point and the same seed give the same parameters and inputs.
Windows
    `run` leads the workload through its windows. Most workloads call one of the loops of `workers.trial.loops`, which
    need a method `step` besides: it enqueues one batch, does not wait for it, and returns its number of units.
    A workload sees no meter. The block of a window ends synchronized: `synchronize` waits for all enqueued work.
Facts
    `facts` describes what ran, in JSON values only.
Closing
    `close` is safe at any time, and may be called twice.
Importing
    Importing the module starts no thread and does not touch CUDA: trials are forked from a process that imported it.
"""

import errno
from collections.abc import Callable, Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Protocol

from pydantic import JsonValue

from farm.model import Point
from workers.trial.stage import Stage

#: The group of entry points in which a package names its workloads.
GROUP = "wattfarm.workloads"
#: The errors of a disk that takes no more.
DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class InvalidWorkload(Exception):
    """The workload cannot run here; the text is one clear line."""


class Workload(Protocol):
    """The interface of everything that a trial can measure. The module's docstring is the contract."""

    @property
    def unit(self) -> str: ...  #: the unit of its work: "image"

    def setup(self, point: Point, device: str, seed: int) -> None: ...
    def run(self, stage: Stage) -> None: ...
    def synchronize(self) -> None: ...
    def facts(self) -> Mapping[str, JsonValue]: ...
    def close(self) -> None: ...


@cache
def installed() -> Mapping[str, EntryPoint]:
    """Find the workloads of all installed packages, by name."""
    return {entry.name: entry for entry in entry_points(group=GROUP)}


def load(name: str) -> Callable[[], Workload]:
    """Import a workload's class; raises InvalidWorkload for a name that no installed package has."""
    entry = installed().get(name)
    if entry is None:
        known = ", ".join(sorted(installed()))
        raise InvalidWorkload(
            f"kind: this machine has no workload {name}, it has {known}: install the package that brings it, or update"
        )
    factory: Callable[[], Workload] = entry.load()
    return factory
