"""Factors that several kinds share: networks, devices, number formats, images."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, Field

from farm.model import files
from farm.model.catalog import COLLECTIONS, IMAGE_SUFFIXES, MODELS, STUDY_MODELS, USER_MODEL
from farm.spec.types import Among, Expected, Needs, OneOrMore, integer, matching, path_or, problem, same

T = TypeVar("T")
#: Type of a factor: one value or a list of them.
Many = Annotated[tuple[T, ...], OneOrMore()]


def _of_no_collection(network: str) -> str:
    """Refuse `timm:resnet50`, which looks like the class `resnet50` of a package `timm`."""
    collection, _, name = network.rpartition(":")
    if collection in COLLECTIONS:
        raise problem(
            f"{collection} models are not available in this version (got {name!r}): a network of your own is "
            "package.module:Class"
        )
    return network


def _permission(model: str) -> Iterator[str]:
    """A network of a user's package is code, so a machine must allow it."""
    if ":" in model:
        yield f"worker.models = {model}"


def _gpus(device: str) -> Iterator[str]:
    """A point that asks for a GPU needs one, or so many that its GPU is among them."""
    name, _, number = device.partition(":")
    if name == "cuda":
        yield f"worker.gpus >= {int(number or 0) + 1}"


def readable_file(path: Path) -> str | None:
    """Return why a file cannot be used on this machine, or None."""
    if not path.exists():
        return "no such file on this machine"
    return None if path.is_file() else "not a file"


def _image_folder(folder: Path) -> str | None:
    if not folder.is_dir():
        return "no such folder on this machine"
    try:
        if any(files.below(folder, IMAGE_SUFFIXES)):
            return None
    except OSError as error:
        return f"{error.strerror}, and no image was found among so many: name a folder of images"
    return f"holds no image ({', '.join(sorted(IMAGE_SUFFIXES))})"


NetworkName = Annotated[
    str,
    Needs(_permission),
    Among(MODELS, USER_MODEL),
    Expected("a classification network of torchvision, or package.module:Class", same(*MODELS)),
    AfterValidator(_of_no_collection),
]
AnyNetworkName = Annotated[
    str,
    Needs(_permission),
    Among((*STUDY_MODELS, *MODELS), USER_MODEL),
    Expected(
        f"one of {', '.join(STUDY_MODELS)}, a network of torchvision, or package.module:Class",
        same(*STUDY_MODELS, *MODELS),
    ),
    AfterValidator(_of_no_collection),
]
Precision = Annotated[Literal["fp32", "fp16", "bf16", "tf32"], Expected()]
Device = Annotated[
    str,
    Needs(_gpus),
    matching(r"^(auto|cpu|cuda(:(0|[1-9][0-9]?))?)$"),
    Expected("auto, cpu, cuda or cuda:N", same("auto", "cpu", "cuda", "cuda:0")),
]
Weights = Annotated[
    str,
    matching(r"^.{1,4000}$"),
    path_or("random", "default", find_problem=readable_file),
    Expected("random, default or the path of a file such as ./weights.pth", same("random", "default")),
]
Images = Annotated[
    str,
    matching(r"^.{1,4000}$"),
    path_or("sample", find_problem=_image_folder),
    Expected("sample or the path of a folder such as ./photos", same("sample")),
]
Threads = Annotated[int | None, integer(1, 4096), Expected("a positive integer, or null for all cores")]
Layers = Annotated[int, integer(1, 100), Expected("a positive integer")]

NETWORK: Any = Field(description="network: a classification network of torchvision, or package.module:Class")
PRECISION: Any = Field(("fp32",), description="number format of the computation")
DEVICE: Any = Field(("auto",), description="auto (a GPU if there is one), cpu, cuda or cuda:N")
WEIGHTS: Any = Field(
    ("random",), description="random, default (trained weights of torchvision) or the path of a local file"
)
IMAGES: Any = Field(("sample",), description="sample (scikit-learn's two photographs) or the path of a folder")
CHANNELS_LAST: Any = Field((False,), description="use the memory format with the channels last")
THREADS: Any = Field((None,), description="CPU threads of the trial; null: all cores")
CONV_LAYERS: Any = Field((2,), description="convolutions of simple_cnn and simple_cnn2")
LINEAR_LAYERS: Any = Field((3,), description="linear layers of the study's networks")
RELU: Any = Field((True,), description="activations of simple_cnn")
