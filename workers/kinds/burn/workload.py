"""A load for the probe: matrix products for a share of each period, and rest for the remainder.

It is busy from each multiple of the period of the monotonic clock, so the probe knows its edges. For that it reads the
clock and waits for the device, which other workloads leave to the loops.
"""

import time
from collections.abc import Mapping
from typing import ClassVar

import torch
from pydantic import Field, JsonValue

from farm.model import Frozen, Point
from workers.trial.loops import run_windows
from workers.trial.params import parse
from workers.trial.stage import Stage

#: Rows of the square matrices, and products between two readings of the clock: below 2 ms on either device.
ROWS = {"cpu": 256, "cuda": 2048}
PRODUCTS = {"cpu": 1, "cuda": 8}


class Params(Frozen):
    """A point of kind burn."""

    period_s: float = Field(gt=0)
    busy_share: float = Field(1.0, gt=0, le=1)  #: the share of each period in which the load is busy


class Burn:
    """The workload of kind `burn`; a step lasts until the end of the running period."""

    unit: ClassVar[str] = "period"

    def __init__(self) -> None:
        self._forget()

    def _forget(self) -> None:
        self._matrix = torch.empty(0)
        self._product = torch.empty(0)
        self._products = 0
        self._period_ns = self._busy_ns = 0

    def setup(self, point: Point, device: str, seed: int) -> None:
        """Make a matrix on the device (`cpu`, `cuda:N`)."""
        params = parse(point, Params)
        family = device.partition(":")[0]
        rows, dtype = ROWS[family], torch.float16 if family == "cuda" else torch.float32
        noise = torch.randn(rows, rows, generator=torch.Generator().manual_seed(seed))
        self._matrix = noise.to(device=device, dtype=dtype)
        self._product = torch.empty_like(self._matrix)
        self._products = PRODUCTS[family]
        self._period_ns = round(params.period_s * 1e9)
        self._busy_ns = round(params.period_s * params.busy_share * 1e9)

    def run(self, stage: Stage) -> None:
        """Repeat the step through all windows."""
        run_windows(stage, self)

    def step(self) -> int:
        """Finish the running period: multiply while it is busy, then sleep."""
        now_ns = time.monotonic_ns()
        begin_ns = now_ns - now_ns % self._period_ns
        while now_ns < begin_ns + self._busy_ns:
            self._multiply()
            now_ns = time.monotonic_ns()
        time.sleep(max(begin_ns + self._period_ns - now_ns, 0) / 1e9)
        return 1

    def synchronize(self) -> None:
        """Return at once: nothing is left to wait for after a step."""

    def facts(self) -> Mapping[str, JsonValue]:
        """Return the rows and the type of the matrices."""
        return {"rows": self._matrix.shape[0], "dtype": str(self._matrix.dtype).removeprefix("torch.")}

    def close(self) -> None:
        """Release the matrices."""
        self._forget()

    def _multiply(self) -> None:
        """Compute a few products, and wait until they are done."""
        for _ in range(self._products):
            torch.mm(self._matrix, self._matrix, out=self._product)
        if self._matrix.is_cuda:
            torch.cuda.current_stream(self._matrix.device).synchronize()
