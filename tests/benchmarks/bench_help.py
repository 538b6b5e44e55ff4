"""How long `farm --help` takes."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from tests.benchmarks.figures import Figure

ROUNDS = 10
AT_MOST_S = 0.35


def figures() -> Iterator[Figure]:
    """The command as installed, and an interpreter that does nothing, by turns."""
    farm = str(Path(sys.executable).with_name("farm"))
    rounds = [(_wall_s(farm, "--help"), _wall_s(sys.executable, "-c", "pass")) for _ in range(ROUNDS)]
    help_s, bare_s = (median(times_s) for times_s in zip(*rounds, strict=True))
    how = f"wall time of the process, median of {ROUNDS}, by turns with `python -c pass`: {bare_s:.3f} s"
    yield Figure(what="`farm --help`", value=help_s, unit="s", digits=3, at_most=AT_MOST_S, how=how)


def _wall_s(*command: str) -> float:
    begin_s = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - begin_s
