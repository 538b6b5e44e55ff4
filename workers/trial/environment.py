"""The software that a trial runs on, as far as it may change a result."""

import json
import os
import platform
import subprocess
import sys
from contextlib import suppress
from importlib import metadata
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from pydantic import JsonValue

from farm import __version__

#: Libraries whose version may change a result.
LIBRARIES = ("torch", "torchvision", "numpy", "pillow", "nvidia-ml-py", "codecarbon")
#: Variables that may change a result; recorded where they are set.
VARIABLES = (
    "CUBLAS_WORKSPACE_CONFIG",
    "CUDA_DEVICE_ORDER",
    "CUDA_LAUNCH_BLOCKING",
    "CUDA_VISIBLE_DEVICES",
    "GOMP_CPU_AFFINITY",
    "KMP_AFFINITY",
    "LD_PRELOAD",
    "MKL_NUM_THREADS",
    "NVIDIA_TF32_OVERRIDE",
    "OMP_NUM_THREADS",
    "OMP_PROC_BIND",
    "PYTORCH_ALLOC_CONF",
    "PYTORCH_CUDA_ALLOC_CONF",
    "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE",
)


def environment() -> dict[str, JsonValue]:
    """Describe the software of this process. It asks torch only where torch is loaded, and never loads it."""
    return {
        "wattfarm": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "commit": COMMIT,
        "libraries": {name: _version(name) for name in LIBRARIES},
        "variables": {name: os.environ[name] for name in VARIABLES if name in os.environ},
        "cpus_allowed": len(os.sched_getaffinity(0)),
        "torch": _torch(),
    }


def _version(library: str) -> str | None:
    try:
        return metadata.version(library)
    except metadata.PackageNotFoundError:
        return None


def _commit() -> str | None:
    """Return the git commit that Wattfarm runs from, with `-dirty` behind it where files were changed since.

    Returns:
        None where it was installed from a package, or git cannot tell.
    """
    with suppress(metadata.PackageNotFoundError, OSError, subprocess.SubprocessError):
        origin = json.loads(metadata.distribution("wattfarm").read_text("direct_url.json") or "{}")
        if commit := origin.get("vcs_info", {}).get("commit_id"):
            return str(commit)
        folder = url2pathname(urlsplit(origin.get("url", "")).path)
        if folder:
            command = ("git", "-C", folder, "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*")
            return subprocess.run(command, capture_output=True, text=True, check=True, timeout=5).stdout.strip() or None
    return None


def _torch() -> JsonValue:
    torch: Any = sys.modules.get("torch")
    if torch is None:
        return None
    return {
        "version": str(torch.__version__),
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(),
        "threads": torch.get_num_threads(),
        "interop_threads": torch.get_num_interop_threads(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
    }


#: Read once, by the helper that all trials are forked from: its code is the code that they run.
COMMIT = _commit()
