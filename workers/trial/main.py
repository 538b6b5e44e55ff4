"""The program of a trial's process: set a workload up, mark its idle context, and let it run. It knows no meter."""

import gc
import os
import re
import socket
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from farm.model import SEARCH_FACTORS, Failure, FailureKind, JobSpec, Point, Scalar, WindowKind
from workers.trial import protocol
from workers.trial.stage import Line, Stage, SupervisorGone
from workers.trial.workload import DISK_FULL, InvalidWorkload, Workload, load

#: Texts by which allocators report that memory ran out, where they raise a bare RuntimeError.
OUT_OF_MEMORY = ("can't allocate memory", "out of memory", "_ALLOC_FAILED")
#: The text of the error where no folder takes a temporary file.
NO_TEMPORARY = "temporary directory"
#: The first so many characters of an exception's text are kept: it may quote a whole array.
MOST_CHARACTERS = 500


def main(sock: socket.socket) -> int:
    """Run one trial over a socket; returns the process's exit status. Quiet when the supervisor is gone."""
    line = Line(sock)
    try:
        order = line.receive()
        if not isinstance(order, protocol.Start):
            raise TypeError(f"a trial starts with Start, got {order!r}")
        failure = _run(line, order)
        line.send(protocol.Failed(failure=failure) if failure else protocol.Done())
    except SupervisorGone:
        return 1
    return 1 if failure else 0


def _run(line: Line, start: protocol.Start) -> Failure | None:
    spec = start.spec
    if start.import_from is not None:
        sys.path.append(start.import_from)  # the last one: it replaces no module that is installed
    try:
        device = choose_device(spec.point.get("device", "auto"))
        workload = load(spec.kind)()
        try:
            lead(Stage(line, start, device), workload)
        finally:
            workload.close()
    except SupervisorGone:
        raise
    except Exception as error:
        if not isinstance(error, InvalidWorkload):
            traceback.print_exc()
        return _failure(error, spec)
    return None


def choose_device(wanted: Scalar) -> str:
    """Turn the device of a sweep into `cpu` or `cuda:N`; raises InvalidWorkload for one that this machine lacks."""
    count = torch.cuda.device_count() if wanted != "cpu" and torch.cuda.is_available() else 0
    if wanted == "auto":
        return "cuda:0" if count else "cpu"
    if wanted == "cpu":
        return "cpu"
    found = re.fullmatch(r"cuda(?::(\d+))?", str(wanted))
    if found is None:
        raise InvalidWorkload(f"device: expected auto, cpu, cuda or cuda:N, got {wanted!r}")
    if count == 0:
        raise InvalidWorkload(f"device {wanted}: this machine has no usable NVIDIA GPU: use device: cpu or auto")
    if int(found[1] or 0) >= count:
        raise InvalidWorkload(f"device {wanted}: the last GPU of this machine is cuda:{count - 1}")
    return f"cuda:{int(found[1] or 0)}"


def _factors(point: Point) -> Point:
    """Return the factors of the workload: without the device and the factors that only a search uses."""
    return {name: value for name, value in point.items() if name not in {"device", *SEARCH_FACTORS}}


def _failure(error: Exception, spec: JobSpec) -> Failure:
    """Turn an exception into a failure, with one line of text."""
    text = str(error)
    if isinstance(error, InvalidWorkload):
        return Failure(kind=FailureKind.INVALID, message=text)
    is_out = isinstance(error, MemoryError | torch.OutOfMemoryError)
    if is_out or (isinstance(error, RuntimeError) and any(sign in text for sign in OUT_OF_MEMORY)):
        sizes = [
            f"{n} {v}" for n, v in spec.point.items() if n == "model" or (type(v) is int and n not in SEARCH_FACTORS)
        ]
        return Failure(kind=FailureKind.OOM, message=f"out of memory with {', '.join(sizes)}: use smaller levels")
    if isinstance(error, OSError) and (error.errno in DISK_FULL or NO_TEMPORARY in text):
        return Failure(kind=FailureKind.INVALID, message=_disk_full(error))
    first_line = text[: 2 * MOST_CHARACTERS].strip().partition("\n")[0]
    shown = first_line if len(first_line) <= MOST_CHARACTERS else f"{first_line[:MOST_CHARACTERS]} ..."
    return Failure(kind=FailureKind.ERROR, message=f"{type(error).__name__}: {shown}")


def _disk_full(error: OSError) -> str:
    """Say which disk has no space. Only an error of opening names its file: other files are mostly temporary ones."""
    folder = error.filename or os.environ.get("TMPDIR", "/tmp")  # noqa: S108 - named, not used
    what = os.strerror(error.errno) if error.errno in DISK_FULL else "no temporary file can be written"
    return f"{folder}: {what}: free space on its disk, or set TMPDIR for temporary files; then submit again"


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Collect garbage before the loops rather than in them."""
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.unfreeze()


def lead(stage: Stage, workload: Workload) -> None:
    """Run all windows of a trial."""
    with stage.window(WindowKind.SETUP):
        workload.setup(_factors(stage.spec.point), stage.device, stage.spec.seed)
        workload.synchronize()
    stage.report_facts(workload)
    with _no_garbage_collection():
        stage.settle()
        with stage.window(WindowKind.CONTEXT_IDLE):
            time.sleep(stage.measure.context_idle_s)
        workload.run(stage)
