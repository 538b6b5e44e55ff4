"""Run a program: once for each run of the warm-up, and once in the measure window.

The program has a session of its own, so a signal that it sends to its group does not reach the trial. What it has
started is killed when it ends. Its output goes to the log of the trial.
"""

import fcntl
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from pathlib import Path

from pydantic import ConfigDict, Field, JsonValue

from farm.marks import DESCRIPTOR, SOCKET
from farm.model import Frozen, Point, WindowKind
from farm.model.commands import ENV, CommandLine, as_text, command_line, passed_output
from workers.kinds.command.marks import MOST_WINDOWS, Marked, MarksServer
from workers.kinds.command.memory import Peak
from workers.trial.params import parse
from workers.trial.stage import Stage
from workers.trial.workload import InvalidWorkload

SHELL = ("/bin/sh", "-c")
#: The unit of a run as a whole.
RUN = "run"


class ProgramFailed(Exception):
    """The program did not end well; the text is one line."""


class Params(Frozen):
    """A point of kind command, without the factors that the user has named."""

    model_config = ConfigDict(extra="ignore")

    cwd: str = "."
    unit: str = RUN
    units: int | None = Field(None, ge=1)
    warmup_runs: int = Field(0, ge=0)


@dataclass(frozen=True)
class Program:
    """What runs: the command line, its folder, and its environment."""

    line: CommandLine
    folder: Path
    environment: Mapping[str, str]

    @property
    def words(self) -> tuple[str, ...]:
        """What the kernel runs."""
        return (*SHELL, *self.line.words) if self.line.is_shell else self.line.words

    def is_found(self) -> bool:
        """Return whether there is such a program; a shell looks for its own."""
        name = self.line.words[0]
        if self.line.is_shell or "/" not in name:
            return self.line.is_shell or shutil.which(name, path=self.environment.get("PATH")) is not None
        return os.access(self.folder / name, os.X_OK)


class Command:
    """The workload of kind `command`."""

    unit = RUN

    def __init__(self) -> None:
        self._params = Params()
        self._program: Program | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._facts: dict[str, JsonValue] = {}

    def setup(self, point: Point, device: str, seed: int) -> None:  # noqa: ARG002 - the program chooses them
        """Find the program and its folder."""
        self._params = parse(point, Params)
        self.unit = self._params.unit
        try:
            line = command_line(point)
        except ValueError as error:
            raise InvalidWorkload(f"command: {error}") from None
        own = {name.removeprefix(ENV): as_text(value) for name, value in point.items() if name.startswith(ENV)}
        program = Program(line, Path(self._params.cwd), {**os.environ, **own})
        if not program.folder.is_dir():
            raise InvalidWorkload(f"cwd: {program.folder}: no such folder on this machine")
        if not program.is_found():
            raise InvalidWorkload(f"command: {line.words[0]}: this machine has no such program in {program.folder}")
        self._program = program
        self._facts = {"command": str(line), "cwd": str(program.folder)}

    def run(self, stage: Stage) -> None:
        """Run the program; raises ProgramFailed where it does not end well."""
        program, params = self._program, self._params
        if program is None:
            raise InvalidWorkload("command: it was not set up")
        if not program.line.is_allowed(stage.start.allow_commands):
            raise InvalidWorkload(
                f"command: this worker may not run `{program.line}`: if you trust it, start the worker with "
                "`farm worker --allow-commands PATTERN`, or set FARM_ALLOW_COMMANDS"
            )
        for index in range(params.warmup_runs):
            with stage.window(WindowKind.WARMUP, index, of=params.warmup_runs):
                self._run_once(program, Marked(None))
        marked = Marked(stage.line)
        try:
            with stage.window(WindowKind.MEASURE, guard_s=stage.measure.guard_s) as tally:
                self._run_once(program, marked)
                tally.units = self._units(marked)
        finally:
            self._facts |= {"parts": marked.parts(), "metrics": {**marked.metrics}}
            stage.report_facts(self)
        for note in _notes(marked, tally.units, params.unit):
            stage.doubt(None, note)

    def synchronize(self) -> None:
        """Return at once: a run is over when its process has ended."""

    def facts(self) -> Mapping[str, JsonValue]:
        """Return the command line, how its last run ended, and what it marked."""
        return self._facts

    def close(self) -> None:
        """Kill the program and what it has started."""
        process, self._process = self._process, None
        if process is not None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def _units(self, marked: Marked) -> int | None:
        """Return the units of the run: as the sweep says, else as the program counted them."""
        params = self._params
        if params.unit == RUN:
            return params.units or 1
        counted = marked.units if marked.units is not None else marked.units_of.get(params.unit)
        return params.units or counted

    def _run_once(self, program: Program, marked: Marked) -> None:
        """Run the program to its end, and answer its marks; raises ProgramFailed."""
        with ExitStack() as stack:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="farm-marks-"))
            server = stack.enter_context(closing(MarksServer(marked, Path(folder))))
            descriptor = fcntl.fcntl(server.theirs, fcntl.F_DUPFD, 3)  # a small number: sh writes to one digit alone
            out, err = passed_output() or (None, None)
            try:
                self._process = process = subprocess.Popen(
                    program.words,
                    cwd=program.folder,
                    env={**program.environment, SOCKET: str(server.path), DESCRIPTOR: str(descriptor)},
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=err,
                    pass_fds=[descriptor],
                    start_new_session=True,
                )
            except OSError as error:
                raise ProgramFailed(f"{program.line.words[0]}: {error.strerror}") from None
            finally:
                os.close(descriptor)
            stack.callback(self.close)
            ended, peak = os.pidfd_open(process.pid), Peak(process.pid)
            stack.callback(os.close, ended)
            server.serve(ended, peak.look)
            status = process.wait()
        self._facts |= {"exit_status": status, "peak_rss_bytes": peak.rss_bytes}
        if status:
            how = f"status {status}" if status > 0 else f"signal {-status} ({signal.Signals(-status).name})"
            raise ProgramFailed(f"the program ended with {how}: `farm logs` shows its output")


def _notes(marked: Marked, units: int | None, unit: str) -> list[str]:
    """Return what a reader should know of the marks."""
    notes = [f"the window {name} was begun and never ended: it is not measured" for name in marked.never_ended()]
    notes += [
        f"{count} windows {name} are not measured: a trial measures the first {MOST_WINDOWS}, so mark longer ones"
        for name, count in marked.not_measured.items()
    ]
    if units is None:
        notes.append(f"the program counted no {unit}: count them in its marks, or give `units` in the sweep")
    return notes
