"""Published facts about torchvision's classification networks, from `networks.csv` beside this file.

Parameters, GFLOPs and accuracies are those of torchvision's weights; a test holds the table against them. Paper, venue
and source are curated. The year is that of the paper's first version at its source, since a network is known from then
on. Variants (AlexNet with one stream, VGG with batch norm, SqueezeNet 1.1) have the year of their network's paper.
"""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class Accuracy(StrEnum):
    """The weights to which ImageNet accuracies belong."""

    V1 = "v1"  #: weights of the first recipe, which is nearest to the paper's
    DEFAULT = "default"  #: torchvision's current choice, often from a later recipe or more data


@dataclass(frozen=True, slots=True)
class PublishedNetwork:
    """The published facts about one network."""

    model: str
    year: int
    paper: str
    venue: str
    source: str  #: the source of year, title and venue
    parameters: int
    gflops: float  #: multiply-adds for one image of the size that the default weights want
    default_weights: str
    top1_percent: Mapping[Accuracy, float]  #: without v1 where there are no such weights
    top5_percent: Mapping[Accuracy, float]


def _read(path: Path) -> Mapping[str, PublishedNetwork]:
    with path.open(encoding="utf-8", newline="") as file:
        return {row["model"]: _network(row) for row in csv.DictReader(file)}


def _network(row: Mapping[str, str]) -> PublishedNetwork:
    return PublishedNetwork(
        model=row["model"],
        year=int(row["year"]),
        paper=row["paper"],
        venue=row["venue"],
        source=row["source"],
        parameters=int(row["parameters"]),
        gflops=float(row["gflops"]),
        default_weights=row["default_weights"],
        top1_percent=_accuracies(row, "top1_percent"),
        top5_percent=_accuracies(row, "top5_percent"),
    )


def _accuracies(row: Mapping[str, str], name: str) -> Mapping[Accuracy, float]:
    return {which: float(text) for which in Accuracy if (text := row[f"{which}_{name}"])}


#: The published networks by torchvision's name.
NETWORKS: Mapping[str, PublishedNetwork] = _read(Path(__file__).with_name("networks.csv"))
