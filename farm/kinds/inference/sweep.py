"""Sweeps of kind inference: their factors and their schema."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from farm.kinds import factors
from farm.kinds.factors import Many
from farm.spec import EXCLUDE, KIND, WORKLOAD, Exclusion, ExclusionsOf, Factors, Sweep
from farm.spec.types import PositiveInt, Switch


class Inference(Factors):
    """Factors of kind inference."""

    model: Many[factors.NetworkName] = factors.NETWORK
    batch_size: Many[PositiveInt] = Field((1,), description="images in a batch")
    precision: Many[factors.Precision] = factors.PRECISION
    device: Many[factors.Device] = factors.DEVICE
    weights: Many[factors.Weights] = factors.WEIGHTS
    images: Many[factors.Images] = factors.IMAGES
    channels_last: Many[Switch] = factors.CHANNELS_LAST
    compile: Many[Switch] = Field((False,), description="compile the network with torch.compile")
    threads: Many[factors.Threads] = factors.THREADS


class InferenceSweep(Sweep):
    """Sweep that runs networks on batch after batch of images."""

    kind: Literal["inference"] = KIND
    workload: Inference = WORKLOAD
    exclude: Annotated[tuple[Exclusion, ...], ExclusionsOf(Inference)] = EXCLUDE
    usual_target: ClassVar[float] = 0.02
