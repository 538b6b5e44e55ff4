"""Batches of real photographs, preprocessed as a network's published weights require."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import cycle, islice
from pathlib import Path

import torch
from PIL import Image

from farm.model.catalog import IMAGE_SUFFIXES
from workers.trial.workload import InvalidWorkload

#: One photograph to a float tensor of 3 x height x width.
Preprocess = Callable[[Image.Image], torch.Tensor]


@dataclass(frozen=True)
class Images:
    """Preprocessed photographs that fill a batch of any size."""

    pixels: Sequence[torch.Tensor]  #: each 3 x height x width, on the CPU
    names: Sequence[str]

    def fill(self, batch: torch.Tensor) -> torch.Tensor:
        """Copy photographs into a batch of n x 3 x height x width, on any device, in turn."""
        for row, pixels in zip(batch, cycle(self.pixels), strict=False):
            row.copy_(pixels)
        return batch


def load(source: str, preprocess: Preprocess, at_most: int, seed: int) -> Images:
    """Read and preprocess up to `at_most` photographs of a source; see `photographs`."""
    chosen = photographs(source, at_most, seed)
    return Images([preprocess(photograph) for _, photograph in chosen], [name for name, _ in chosen])


def photographs(source: str, at_most: int, seed: int) -> list[tuple[str, Image.Image]]:
    """Read up to `at_most` photographs of a source, with their names, in seeded order.

    The source is `sample` (the two that scikit-learn carries) or a folder, with the folders below it. Raises
    InvalidWorkload where there is none or one cannot be read.
    """
    paths = sorted(_sample() if source == "sample" else _folder(Path(source)))
    random.Random(seed).shuffle(paths)  # noqa: S311 - an order to repeat, not a secret
    return [(path.name, _read(path)) for path in islice(paths, at_most)]


def _sample() -> list[Path]:
    """Find the files of `sklearn.datasets.load_sample_images`; its import takes seconds and starts threads."""
    found = find_spec("sklearn")
    paths = list((Path(found.origin).parent / "datasets" / "images").glob("*.jpg")) if found and found.origin else []
    if not paths:
        raise InvalidWorkload("images: sample: scikit-learn's photographs are missing: pip install 'wattfarm[worker]'")
    return paths


def _folder(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise InvalidWorkload(f"images: {folder}: no such folder on this machine")
    paths = [path for path in folder.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES]
    if not paths:
        raise InvalidWorkload(f"images: {folder}: holds no image ({', '.join(sorted(IMAGE_SUFFIXES))})")
    return paths


def _read(path: Path) -> Image.Image:
    try:
        with Image.open(path) as image:
            return image.convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise InvalidWorkload(f"images: {path}: not a readable image ({type(error).__name__})") from None
