"""The software that a trial runs on, as far as it may change a result, and whether two machines have the same.

The list of what must be the same stands here, and only here: see `difference`.
"""

import os
import platform
import re
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

from pydantic import JsonValue

from farm import __version__

#: Libraries whose version may change a result.
LIBRARIES = ("torch", "torchvision", "numpy", "pillow", "nvidia-ml-py", "codecarbon")
#: Variables that choose a GPU. A worker sets them itself, and the id of its machine tells which GPU that was.
_CHOICE_OF_GPU = ("CUDA_DEVICE_ORDER", "CUDA_VISIBLE_DEVICES")
#: Variables that may change a result; recorded where they are set.
VARIABLES = (
    *("CUBLAS_WORKSPACE_CONFIG", *_CHOICE_OF_GPU, "CUDA_LAUNCH_BLOCKING", "GOMP_CPU_AFFINITY", "KMP_AFFINITY"),
    *("LD_PRELOAD", "MKL_NUM_THREADS", "NVIDIA_TF32_OVERRIDE", "OMP_NUM_THREADS", "OMP_PROC_BIND"),
    *("PYTORCH_ALLOC_CONF", "PYTORCH_CUDA_ALLOC_CONF", "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE"),
)
_DRIVER = Path("/proc/driver/nvidia/version")


def software() -> dict[str, JsonValue]:
    """Describe the software of this process and its machine; it imports no library, and what is unknown is None."""
    return {
        "wattfarm": __version__,
        "python": platform.python_version(),
        "libraries": {name: _version(name) for name in LIBRARIES},
        "variables": {name: os.environ[name] for name in VARIABLES if name in os.environ},
        "driver": driver(),
        "cpus_allowed": len(os.sched_getaffinity(0)),
    }


def difference(measured: Mapping[str, JsonValue], now: Mapping[str, JsonValue]) -> str | None:
    """Return in words what differs between the software of a trial and that of a machine; None: nothing that matters.

    The versions of Wattfarm, of the NVIDIA driver, of each library, and the first two numbers of Python's must be the
    same, as must the number of processors that the process may use, and the variables that change how work is done.
    A fact that is unknown on both sides is the same.
    """
    if not measured or not now:
        return "software is not known"
    before, after = _matter(measured), _matter(now)
    for name in dict.fromkeys((*before, *after)):
        if before.get(name) != after.get(name):
            return f"{name} {before.get(name) or 'absent'}, now {after.get(name) or 'absent'}"
    return None


def _matter(content: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """Return what must be the same, by name; `content` may say more, as the environment of a trial does."""
    libraries, variables = content.get("libraries"), content.get("variables")
    return {
        "wattfarm": content.get("wattfarm"),
        "python": ".".join(str(content.get("python")).split(".")[:2]),
        **dict(_items(libraries)),
        "NVIDIA driver": content.get("driver"),
        "cpus allowed": content.get("cpus_allowed"),
        **{name: set_ for name, set_ in _items(variables) if name not in _CHOICE_OF_GPU},
    }


def _items(value: JsonValue) -> list[tuple[str, JsonValue]]:
    return list(value.items()) if isinstance(value, dict) else []


def _version(library: str) -> str | None:
    try:
        return metadata.version(library)
    except metadata.PackageNotFoundError:
        return None


def driver(file: Path = _DRIVER) -> str | None:
    """Return the version of NVIDIA's kernel module, without its library; None: there is none."""
    try:
        found = re.search(r"Module\s+(?:for \S+\s+)?(\d[\d.]*)", file.read_text(errors="replace"))
    except OSError:
        return None
    return found[1] if found else None
