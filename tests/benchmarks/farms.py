"""Farms of real processes in folders of their own, and what their processes cost."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO

import psutil

from farm.store import Store
from tests.benchmarks.figures import Figure

ROOT = Path(__file__).parents[2]
FARM = (sys.executable, "-m", "farm")
#: Importing torch on a busy machine takes its time.
READY_WITHIN_S = 180.0
#: A benchmark that takes longer hangs.
OVER_WITHIN_S = 600.0


@dataclass(frozen=True)
class Farm:
    """A farm that shares nothing with another one, nor with the user's."""

    home: Path
    broker_url: str = "filesystem://"
    database_url: str = ""

    @property
    def env(self) -> dict[str, str]:
        """Default settings, but for the places; a terminal, where a process is given one, can do what most can."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("FARM_")}
        return inherited | {
            "FARM_HOME": str(self.home),
            "FARM_LOCK_FILE": str(self.home / "lock"),
            "FARM_BROKER_URL": self.broker_url,
            "FARM_DATABASE_URL": self.store_url,
            "TERM": "xterm-256color",
        }

    @property
    def store_url(self) -> str:
        """The database."""
        return self.database_url or f"sqlite:///{self.home / 'farm.db'}"

    def store(self) -> Store:
        """The farm's store, to look at."""
        return Store.open(self.store_url, create=True)

    def sweep(self, text: str) -> Path:
        """Write a sweep into the farm's folder."""
        path = self.home / "sweep.yaml"
        path.write_text(text)
        return path

    def run(self, *arguments: str) -> float:
        """Run a `farm` command to its end; returns its wall time in s. Raises RuntimeError with its last words."""
        begin_s = time.perf_counter()
        done = subprocess.run(
            [*FARM, *arguments],
            env=self.env,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=OVER_WITHIN_S,
            check=False,
        )
        wall_s = time.perf_counter() - begin_s
        if done.returncode:
            raise RuntimeError(f"farm {' '.join(arguments)}: status {done.returncode}: {done.stderr.strip()[-500:]}")
        return wall_s

    def cost(self, *arguments: str) -> tuple[float, float]:
        """Run a `farm` command to its end.

        Returns:
            User CPU time in s and peak resident memory in MB of its process.

        Raises:
            RuntimeError: It failed; with its last words.
        """
        with (self.home / "errors.log").open("w+b") as errors:
            process = subprocess.Popen(
                [*FARM, *arguments], env=self.env, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=errors
            )
            _, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode:
                errors.seek(0)
                raise RuntimeError(f"farm {' '.join(arguments)}: {errors.read().decode()[-500:]}")
        return used.ru_utime, used.ru_maxrss / 1024

    @contextmanager
    def running(self, *command: str, stderr: IO[bytes] | int | None = None) -> Iterator[psutil.Popen]:
        """A process of this farm; ended with SIGTERM when the block is left. Its output goes to output.log."""
        with (self.home / "output.log").open("wb") as log:
            process = psutil.Popen(
                command, env=self.env, cwd=ROOT, stdout=log, stderr=log if stderr is None else stderr
            )
            try:
                yield process
            finally:
                with suppress(psutil.NoSuchProcess):
                    process.terminate()
                try:
                    process.wait(READY_WITHIN_S)
                except psutil.TimeoutExpired:
                    process.kill()
                    process.wait()

    def fail_unless_alive(self, process: psutil.Popen) -> None:
        """Raise RuntimeError with the last words of a process that has ended."""
        if process.poll() is not None:
            words = (self.home / "output.log").read_text(errors="replace").strip()[-500:]
            raise RuntimeError(f"a process of the farm has ended: {words}")


@contextmanager
def new_farm(broker_url: str = "filesystem://", database_url: str = "") -> Iterator[Farm]:
    """A farm in a temporary folder."""
    with TemporaryDirectory(prefix="farm-bench-") as folder:
        yield Farm(Path(folder), broker_url, database_url)


def cpu_s(*processes: psutil.Process) -> float:
    """User and system time of processes, by the kernel's count."""
    return sum((float(t.user + t.system) for t in (process.cpu_times() for process in processes)), 0.0)


def costs(farm: Farm, what: str, goals: Mapping[str, tuple[tuple[str, ...], float, float | None]]) -> Iterator[Figure]:
    """Figures of whole commands; `goals` by name: arguments, user CPU in s at most, peak memory in MB at most."""
    for name, (arguments, at_most_s, at_most_mb) in goals.items():
        used_s, peak_mb = farm.cost(*arguments)
        how = "of the whole process, the database server apart"
        yield Figure(what=f"{name}, {what}: user CPU", value=used_s, unit="s", at_most=at_most_s, how=how)
        yield Figure(
            what=f"{name}, {what}: peak memory", value=peak_mb, unit="MB", digits=3, at_most=at_most_mb, how=how
        )
