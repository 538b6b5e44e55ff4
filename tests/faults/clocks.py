"""Wall clocks that can be set, each for the processes that look at it."""

import shutil
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Clock:
    """So many seconds ahead of the true time as it was set last."""

    library: Path
    file: Path

    @property
    def environment(self) -> dict[str, str]:
        """Of a process that is to go by this clock."""
        return {"LD_PRELOAD": str(self.library), "SHAM_CLOCK": str(self.file)}

    def set(self, ahead_s: int) -> None:
        """Jump, in every such process, at once."""
        with self.file.open("r+b") as file:
            file.write(struct.pack("l", ahead_s))


def made_clock(folder: Path) -> Clock:
    """A clock that is right; skips where there is no compiler. Every user may read it."""
    if shutil.which("gcc") is None:
        pytest.skip("no gcc: a clock that jumps is a small C library")
    library, file = folder / "clock.so", folder / "clock"
    subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-o", library, Path(__file__).with_name("clock.c")], check=True)
    file.write_bytes(struct.pack("l", 0))
    for path in (library, file):
        path.chmod(0o755)
    return Clock(library, file)
