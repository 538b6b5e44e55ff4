"""The environment of a trial: its software, and the state of the libraries that it loaded."""

import platform
import sys
from typing import Any

from pydantic import JsonValue

from farm.model.software import software


def environment() -> dict[str, JsonValue]:
    """Describe the software of this process. It asks torch only where torch is loaded, and never loads it."""
    return software() | {
        "platform": platform.platform(),
        "torch": _torch(),
    }


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
