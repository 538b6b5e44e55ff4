"""Functions that workloads share: they parse points, and configure torch's numbers and threads."""

from typing import TypeVar

import torch
from pydantic import BaseModel, ValidationError

from farm.model import Point
from workers.trial.workload import InvalidWorkload

P = TypeVar("P", bound=BaseModel)


def parse(point: Point, model: type[P]) -> P:
    """Parse a point; raises InvalidWorkload with one clear line."""
    try:
        return model.model_validate(point)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise InvalidWorkload(f"{field}: {first['msg']}, got {first['input']!r}") from None


def configure_torch(precision: str, threads: int | None, device: str) -> None:
    """Set what is global in torch: TF32 on or off, CPU threads (None: torch's choice)."""
    if precision == "tf32" and device == "cpu":
        raise InvalidWorkload("precision: a CPU has no tf32: use fp32, or a CUDA device")
    torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
    torch.backends.cudnn.allow_tf32 = precision == "tf32"
    if threads is not None:
        torch.set_num_threads(threads)
