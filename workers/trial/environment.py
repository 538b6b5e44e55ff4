"""The environment of a trial: its software, and the state of the libraries that it loaded."""

import json
import platform
import subprocess
import sys
from contextlib import suppress
from importlib import metadata
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from pydantic import JsonValue

from farm.model.software import software


def environment() -> dict[str, JsonValue]:
    """Describe the software of this process. It asks torch only where torch is loaded, and never loads it."""
    return software() | {
        "platform": platform.platform(),
        "commit": COMMIT,
        "torch": _torch(),
    }


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
