"""A person at a terminal: runs `farm` in a home of their own, and reads what it prints."""

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from farm.cli.app import main

#: A trial as short as can be.
MEASURE = (
    "{profile: quick, window_s: 0.2, idle_s: 0.1, context_idle_s: 0.1, warmup_s: 0.1, warmup_max_s: 0.3, "
    "latency_s: 0.1, guard_s: 0.02, min_iterations: 2}"
)
TINY = {"model": "shufflenet_v2_x0_5", "batch_size": "[1, 2]", "device": "cpu"}
#: Commands that start other processes, wait for them, or load drivers get a process of their own.
OWN_PROCESS = {"run", "serve", "worker", "watch", "reproduce", "doctor"}
#: Nothing here takes so long, on a busy machine either.
PATIENCE_S = 120.0


@dataclass(frozen=True, slots=True)
class Done:
    """What a command printed, and how it ended."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Its output as data."""
        return json.loads(self.out)

    @property
    def complaint(self) -> str:
        """The one line that an error is allowed."""
        (line,) = self.err.splitlines()
        return line


@dataclass(frozen=True)
class Person:
    """Someone with a folder, in which the farm's home is."""

    folder: Path
    memory_kib: int | None = None  #: what a process of theirs may have

    @property
    def home(self) -> Path:
        """Where the farm keeps its files."""
        return self.folder / "home"

    def writes(self, name: str, workload: Mapping[str, str], measure: str = MEASURE, **fields: str) -> str:
        """A sweep file; returns its name."""
        given = {
            "name": name,
            "kind": "inference",
            "workload": "{" + ", ".join(f"{key}: {value}" for key, value in workload.items()) + "}",
            "measure": measure,
            "repetitions": "1",
            **fields,
        }
        return self.writes_text(f"{name}.yaml", "".join(f"{key}: {value}\n" for key, value in given.items()))

    def writes_text(self, name: str, text: str) -> str:
        """Any file; returns its name."""
        (self.folder / name).write_text(text)
        return name

    @contextmanager
    def starts(self, *arguments: str, **env: str) -> Iterator[subprocess.Popen[str]]:
        """A command that goes on, in a process group of its own."""
        command = [sys.executable, "-m", "farm", *arguments]
        if self.memory_kib is not None:
            command = ["sh", "-c", f'ulimit -v {self.memory_kib}; exec "$@"', "sh", *command]
        process = subprocess.Popen(
            command,
            cwd=self.folder,
            env=self._environment(env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()

    def runs(self, *arguments: str, **env: str) -> Done:
        """A command to its end: in this process, unless it needs one of its own, or packages that this one lacks."""
        if self.memory_kib is None and OWN_PROCESS.isdisjoint(arguments[:1]) and "PYTHONPATH" not in env:
            return called(self.folder, self._environment(env), *arguments)
        with self.starts(*arguments, **env) as process:
            return ended(process)

    def waits_for(self, sweep: str, state: str) -> None:
        """Until a job of the sweep stands so."""
        deadline_s = time.monotonic() + PATIENCE_S
        while (seen := self.runs("status", sweep, "--json")).status or not seen.json[0][state]:
            assert time.monotonic() < deadline_s, f"no job of {sweep} was ever {state}: {seen}"

    def left_behind(self) -> list[str]:
        """Command lines of processes that were started for this home and have not gone, a moment later."""
        deadline_s = time.monotonic() + 10
        while (found := list(self._processes())) and time.monotonic() < deadline_s:
            time.sleep(0.1)
        return found

    def _processes(self) -> list[str]:
        mark = f"FARM_HOME={self.home}".encode()
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if mark in (process / "environ").read_bytes().split(b"\0"):
                    found.append((process / "cmdline").read_text().replace("\0", " "))
            except OSError:
                continue  # gone, or not ours
        return [line for line in found if line]  # a zombie has no command line

    def _environment(self, changes: Mapping[str, str]) -> dict[str, str]:
        plain = {k: v for k, v in os.environ.items() if not k.startswith("FARM_") and k not in {"COLUMNS", "LINES"}}
        own = {"FARM_HOME": str(self.home), "FARM_LOCK_FILE": str(self.folder / "lock"), "FARM_MACHINE_NAME": "lab1"}
        return {**plain, **own, **changes}


def called(folder: Path, environment: Mapping[str, str], *arguments: str) -> Done:
    """Run a command to its end, in this process: the program is imported once for many commands."""
    status: Any = os.EX_OK
    with (
        contextlib.chdir(folder),
        mock.patch.dict(os.environ, environment, clear=True),
        mock.patch.object(sys, "argv", ["farm", *arguments]),
        contextlib.redirect_stdout(io.StringIO()) as out,
        contextlib.redirect_stderr(io.StringIO()) as err,
    ):
        try:
            main()
        except SystemExit as ending:
            status = ending.code
    return Done(status, out.getvalue(), err.getvalue())


def ended(process: subprocess.Popen[str]) -> Done:
    """Wait for a command; a traceback is never right."""
    out, err = process.communicate(timeout=PATIENCE_S)
    assert "Traceback" not in out + err
    return Done(process.returncode, out, err)
