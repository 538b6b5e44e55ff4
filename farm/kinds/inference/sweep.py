"""Sweeps of kind inference: their factors and their schema."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from farm.kinds.factors import (
    CHANNELS_LAST,
    DEVICE,
    IMAGES,
    NETWORK,
    PRECISION,
    THREADS,
    WEIGHTS,
    Devices,
    ImagesFrom,
    Networks,
    Positives,
    Precisions,
    Switches,
    ThreadCounts,
    WeightsOf,
)
from farm.spec import EXCLUDE, KIND, WORKLOAD, Exclusion, ExclusionsOf, Factors, Sweep


class Inference(Factors):
    """A classification network on batch after batch of images."""

    model: Networks = NETWORK
    batch_size: Positives = Field((1,), description="images in a batch")
    precision: Precisions = PRECISION
    device: Devices = DEVICE
    weights: WeightsOf = WEIGHTS
    images: ImagesFrom = IMAGES
    channels_last: Switches = CHANNELS_LAST
    compile: Switches = Field((False,), description="compile the network with torch.compile")
    threads: ThreadCounts = THREADS


class InferenceSweep(Sweep):
    """Networks on batch after batch of images."""

    kind: Literal["inference"] = KIND
    workload: Inference = WORKLOAD
    exclude: Annotated[tuple[Exclusion, ...], ExclusionsOf(Inference)] = EXCLUDE
    usual_target: ClassVar[float] = 0.02
