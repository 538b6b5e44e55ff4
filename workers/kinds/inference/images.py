"""Batches of real photographs, preprocessed as a network's published weights require."""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import cycle, islice
from pathlib import Path

import torch
from PIL import Image

from farm.model import files
from farm.model.catalog import IMAGE_SUFFIXES
from workers.trial.workload import InvalidWorkload

#: The formats of IMAGE_SUFFIXES, as Pillow calls them.
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
#: A larger image is refused: decoded, this many pixels take 200 MB.
MOST_PIXELS = 50_000_000
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
    """Read and preprocess up to `at_most` photographs of a source, one after the other; see `photographs`."""
    chosen = [(name, preprocess(photograph)) for name, photograph in photographs(source, at_most, seed)]
    return Images([pixels for _, pixels in chosen], [name for name, _ in chosen])


def photographs(source: str, at_most: int, seed: int) -> Iterator[tuple[str, Image.Image]]:
    """Read up to `at_most` photographs of a source, with their names, in seeded order.

    The source is `sample` (the two that scikit-learn carries) or a folder, with the folders below it. Raises
    InvalidWorkload where there is none or one cannot be read.
    """
    paths = sorted(_sample() if source == "sample" else _folder(Path(source)))
    random.Random(seed).shuffle(paths)  # noqa: S311 - an order to repeat, not a secret
    return ((path.name, read_image(path, "images", "RGB")) for path in islice(paths, at_most))


def read_image(path: Path, field: str, mode: str) -> Image.Image:
    """Read one image of bounded size, its first frame, in a mode of Pillow.

    Only formats with a decoder of Pillow's own are read: others would start a program, as PostScript does. Raises
    InvalidWorkload, which names the field and the file, but repeats nothing of it.
    """
    if not path.is_file():  # a FIFO would never end, a device neither
        raise InvalidWorkload(f"{field}: {path}: not a file")
    try:
        with Image.open(path, formats=FORMATS) as image:
            if image.width * image.height > MOST_PIXELS:
                size = f"{image.width} x {image.height}"
                raise InvalidWorkload(
                    f"{field}: {path}: {size} pixels, the most are {MOST_PIXELS / 1e6:.0f} million: make it smaller"
                )
            return image.convert(mode)
    except Image.DecompressionBombError:
        raise InvalidWorkload(f"{field}: {path}: more than {MOST_PIXELS / 1e6:.0f} million pixels") from None
    except (OSError, ValueError, SyntaxError) as error:
        raise InvalidWorkload(f"{field}: {path}: not a readable image ({type(error).__name__})") from None


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
    return images_below(folder, "images")


def images_below(folder: Path, field: str) -> list[Path]:
    """Find the images of a folder and of those below it; raises InvalidWorkload, which names the field."""
    try:
        paths = list(files.below(folder, IMAGE_SUFFIXES))
    except OSError as error:
        raise InvalidWorkload(f"{field}: {folder}: {error.strerror}: name a folder of images") from None
    if not paths:
        raise InvalidWorkload(f"{field}: {folder}: holds no image ({', '.join(sorted(IMAGE_SUFFIXES))})")
    return paths
