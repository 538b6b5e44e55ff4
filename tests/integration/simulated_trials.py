"""Trials on a simulated machine, whose work is played by the test: it can let things happen in any window.

test                                         supervisor's process (`main`), which sees the simulated machine
  Bench.run(acts) ── claim, a line ───────▶  Supervisor.run(claim): real meters, real watch
    plays the trial ◀── the trial's line ──▶   the trial that it believes to have started
                    ◀── report, a line ────
"""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import IO
from unittest.mock import patch

from farm.model import Claim, Machine, MeasureSettings, Probe, TrialReport, Window, WindowKind
from farm.settings import load_settings
from tests.factories import TrialEnd, job_spec
from workers.simulator import IDLE, Constant, Follow, Load, Simulation
from workers.simulator.world import Fault
from workers.supervisor import supervisor
from workers.supervisor.stop import Stop
from workers.supervisor.supervisor import Supervisor
from workers.supervisor.watch import Watch
from workers.supervisor.zygote import ExitStatus, TrialProcess
from workers.trial import protocol
from workers.trial.protocol import Channel

#: All stretches short: a trial takes about two seconds.
BRIEF = MeasureSettings(
    profile="quick", window_s=0.5, windows=1, min_iterations=1, idle_s=0.5, cool_down_max_s=30, context_idle_s=0.3,
    warmup_s=0.1, warmup_max_s=0.1, latency_s=0.1, latency_max_batches=1, guard_s=0.1, poll_period_s=0.1,
)  # fmt: skip
#: The trial's process, as the driver lists it.
OWN_PID = 1001
UNITS = 32
FACTS = protocol.Facts(device="cuda:0", unit="image", workload={}, environment={})
MACHINE = Machine(id="m1", name="bench", hardware_class="simulated", hardware={}, simulated=True)
#: What a probe would find out about the simulated board; the meters' own defaults are slower.
PROBE = Probe(
    probed_at=datetime(2026, 1, 1, tzinfo=UTC), sensor="instant", sensor_update_period_s=0.02, averaging_window_s=0.02,
    counter_update_period_s=0.02, counter_trusted=True,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Act:
    """One measure window: a load, and what happens to the machine in its middle."""

    faults: tuple[Fault, ...] = ()
    undo: tuple[Fault, ...] = ()  #: after the window
    load: float | Load = 0.25
    seconds: float = BRIEF.window_s


@dataclass(frozen=True, slots=True)
class Bench:
    """A supervisor on a simulated machine."""

    simulation: Simulation
    started: list[protocol.Start]  #: what the trials were told at their start
    _process: subprocess.Popen[str]
    _line: socket.socket

    def run(
        self,
        *acts: Act,
        says: tuple[protocol.Doubt, ...] = (),
        in_context: tuple[Fault, ...] = (),
        at_end: tuple[Fault, ...] = (),
        **measure: object,
    ) -> TrialReport:
        """One trial: setup, context idle, a measure window for each act.

        Args:
            acts: the measure windows.
            says: doubts of the trial's own.
            in_context: what happens in the middle of the context idle.
            at_end: what happens after the last window, before the trial leaves.
            measure: settings that differ from `BRIEF`.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        claim = Claim(spec=job_spec(measure=BRIEF.model_copy(update=measure)), attempt=1)
        self._process.stdin.write(f"{claim.model_dump_json()}\n")
        self._process.stdin.flush()
        end = TrialEnd(self._line)
        start = end.receive()
        assert isinstance(start, protocol.Start)
        self.started.append(start)
        self._play(end, Act(load=0.0, seconds=0.05), WindowKind.SETUP)
        end.send(FACTS)
        self._play(end, Act(in_context, load=0.0, seconds=claim.spec.measure.context_idle_s), WindowKind.CONTEXT_IDLE)
        for index, act in enumerate(acts):
            self._play(end, act, WindowKind.MEASURE, index, claim.spec.measure.guard_s)
        self.simulation.fault(Follow(IDLE), *at_end)
        end.send(*says, protocol.Done())
        return TrialReport.model_validate_json(self._process.stdout.readline())

    def _play(self, end: TrialEnd, act: Act, kind: WindowKind, index: int = 0, guard_s: float = 0.0) -> None:
        """One window, as a trial opens and closes it."""
        end.edge()
        time.sleep(guard_s)
        started, begin_ns = datetime.now(UTC), time.monotonic_ns()
        load = Constant(act.load, pids=(OWN_PID,)) if isinstance(act.load, float) else act.load
        self.simulation.fault(Follow(load))
        time.sleep(act.seconds / 2)
        self.simulation.fault(*act.faults)
        time.sleep(act.seconds / 2)
        self.simulation.fault(Follow(Constant(0.0, pids=(OWN_PID,))))
        end_ns = time.monotonic_ns()
        time.sleep(guard_s)
        end.edge()
        window = Window(
            kind=kind, index=index, begin_at_ns=begin_ns, end_at_ns=end_ns, started_at_utc=started, units=UNITS
        )
        end.send(protocol.Closed(window=window))
        self.simulation.fault(*act.undo)


@contextmanager
def bench(simulation: Simulation, probe: Probe = PROBE, *, watches_cpu: bool = False) -> Iterator[Bench]:
    """A supervisor's process that sees the simulated machine.

    It judges the use of the CPU where it is told to: while tests run, others use it too.
    """
    ours, theirs = socket.socketpair()
    with ours, theirs:
        process = subprocess.Popen(
            [sys.executable, "-m", __name__, str(theirs.fileno()), probe.model_dump_json(), str(watches_cpu)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            pass_fds=[theirs.fileno()],
            env={**os.environ, **simulation.env, "FARM_HOME": str(simulation.folder)},
            cwd=Path(__file__).parents[2],
        )
        theirs.close()  # a supervisor that dies closes the line
        with process:
            yield Bench(simulation, [], process, ours)
            assert process.stdin is not None
            process.stdin.close()


class _Alone(Watch):
    """Sees who uses the GPU, and a CPU that nobody else uses."""

    def look(self) -> None:
        super().look()
        last = self.glances[-1]
        self.glances[-1] = replace(last, busy_s=last.own_s, stolen_s=0.0, waited_s=None)


class _Played(TrialProcess):
    """A trial at the other end of a line."""

    def __init__(self, line: socket.socket) -> None:
        self.channel = Channel(line)

    def kill(self) -> None: ...

    def wait(self, timeout_s: float | None = None) -> ExitStatus:
        return ExitStatus(code=0)


class _Stage:
    """Starts no process: the trial is played."""

    def __init__(self, line: socket.socket) -> None:
        self._line = line

    def launch(self) -> None: ...

    def start(self) -> None: ...

    def spawn(self, log_file: IO[bytes]) -> _Played:
        return _Played(self._line)

    def close(self) -> None: ...


def main(line_fd: str, probe: str, watches_cpu: str) -> None:
    """Run a trial for each claim on stdin, a line of JSON, until it ends; the reports go to stdout."""
    with (
        socket.socket(fileno=int(line_fd)) as line,
        patch.object(supervisor, "Zygote", lambda: _Stage(line)),
        patch.object(supervisor, "Watch", Watch if watches_cpu == "True" else _Alone),
        patch.object(supervisor, "probe_of", lambda *_: Probe.model_validate_json(probe)),
        Supervisor(load_settings(), MACHINE) as worker,
    ):
        for claim in sys.stdin:
            with closing(Stop()) as stop:
                print(worker.run(Claim.model_validate_json(claim), stop).model_dump_json(), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
