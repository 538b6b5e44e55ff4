"""Sweeps of kind training: their factors and their schema."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from farm.kinds import factors
from farm.kinds.factors import Many
from farm.model.catalog import DATASETS
from farm.spec import EXCLUDE, KIND, WORKLOAD, Exclusion, ExclusionsOf, Factors, Sweep
from farm.spec.types import Expected, PositiveInt, Switch, integer, matching, path_or, same


def _class_folders(folder: Path) -> str | None:
    """Return why no images with labels can be read here: a folder has one for each class, below `train` if need be."""
    if not folder.is_dir():
        return f"no such folder on this machine, nor one of {', '.join(DATASETS)}"
    has_parts = all((folder / part).is_dir() for part in ("train", "val"))
    classes = [path for path in (folder / "train" if has_parts else folder).iterdir() if path.is_dir()]
    return None if len(classes) > 1 else "expected a folder for each of 2 classes or more"


TrainingPrecision = Annotated[Literal["fp32", "tf32", "amp-fp16", "amp-bf16"], Expected()]
Dataset = Annotated[
    str,
    matching(r"^.{1,4000}$"),
    path_or(*DATASETS, find_problem=_class_folders),
    Expected(f"one of {', '.join(DATASETS)}, or the path of a folder such as ./pictures", same(*DATASETS)),
]
Folder = Annotated[
    str | None, path_or(), Expected("the path of a folder such as ./data, or null for the cache of this machine")
]
Rate = Annotated[float, Field(strict=True, gt=0, le=1000), Expected("a number above 0")]
Decay = Annotated[float, Field(strict=True, ge=0, lt=1), Expected("a number from 0 to below 1")]
Amount = Annotated[float, Field(strict=True, ge=0, le=1000), Expected("a number, 0 or more")]
ImagesOrAll = Annotated[int | None, integer(1, 10_000_000), Expected("a positive integer, or null for all")]
Pixels = Annotated[int | None, integer(1, 4096), Expected("a positive integer, or null for their own size")]
Patience = Annotated[int | None, integer(1, 10_000), Expected("a positive integer, or null for no early stopping")]
Optimizer = Annotated[Literal["adam", "adamw", "sgd"], Expected()]
Schedule = Annotated[Literal["constant", "cosine", "step"], Expected()]


class Training(Factors):
    """Factors of kind training."""

    model: Many[factors.AnyNetworkName] = Field(
        description="network: one of the study's, of torchvision with a new head, or package.module:Class"
    )
    dataset: Many[Dataset] = Field(("digits",), description="images with labels")
    epochs: Many[PositiveInt] = Field((10,), description="passes over the training images")
    batch_size: Many[PositiveInt] = Field((128,), description="images in a batch")
    optimizer: Many[Optimizer] = Field(("adam",), description="adam, adamw or sgd")
    lr: Many[Rate] = Field((0.001,), description="learning rate")
    beta1: Many[Decay] = Field((0.9,), description="decay of the first moment, for adam and adamw")
    beta2: Many[Decay] = Field((0.999,), description="decay of the second moment, for adam and adamw")
    eps: Many[Amount] = Field((1e-8,), description="term added to the denominator, for adam and adamw")
    momentum: Many[Decay] = Field((0.0,), description="momentum of sgd")
    weight_decay: Many[Amount] = Field((0.0,), description="weight decay of any optimizer")
    schedule: Many[Schedule] = Field(
        ("constant",), description="learning rate: constant, cosine to 0, or step (a tenth)"
    )
    conv_layers: Many[factors.Layers] = factors.CONV_LAYERS
    linear_layers: Many[factors.Layers] = factors.LINEAR_LAYERS
    relu: Many[Switch] = factors.RELU
    weights: Many[factors.Weights] = Field(
        ("random",), description="weights of torchvision's networks: random, default (fine-tuning) or a file's path"
    )
    precision: Many[TrainingPrecision] = Field(("fp32",), description="fp32, tf32, or automatic mixed precision")
    device: Many[factors.Device] = factors.DEVICE
    patience: Many[Patience] = Field((None,), description="epochs without a better accuracy before training stops")
    train_size: Many[ImagesOrAll] = Field((None,), description="number of training images, in the seeded order")
    validation_size: Many[ImagesOrAll] = Field((None,), description="number of validation images")
    image_size: Many[Pixels] = Field((None,), description="images are resized to this number of pixels on each side")
    data_root: Many[Folder] = Field((None,), description="folder of the data sets; null: a cache of this machine")
    threads: Many[factors.Threads] = factors.THREADS


class TrainingSweep(Sweep):
    """Sweep of networks that are trained."""

    kind: Literal["training"] = KIND
    workload: Training = WORKLOAD
    exclude: Annotated[tuple[Exclusion, ...], ExclusionsOf(Training)] = EXCLUDE
