"""Who runs here: the identity that a lease carries."""

import os
import socket
from pathlib import Path

from farm.model import Owner


def owner(pid: int | None = None) -> Owner:
    """A process of this machine, by default this one."""
    try:
        boot_id = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        boot_id = "unknown"
    return Owner(host=socket.gethostname(), pid=pid or os.getpid(), boot_id=boot_id)
