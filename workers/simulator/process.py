"""The physics process: it simulates a machine in real time. Started by `workers.simulator.simulated_gpu`.

It wakes every `WAKE_S`, lets the passed time pass in the model too, publishes, and sleeps. On its pipe it receives its
`Config` and then faults; it ends when the other end of the pipe closes, for any reason.
"""

import os
import select
import struct
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from workers.simulator.library import LIBRARY, STATE_FILE, THE_BOARD, Identity, StateFile
from workers.simulator.loads import Load
from workers.simulator.physics import Board, Preset
from workers.simulator.powercap import Powercap, Zone
from workers.simulator.world import GPU_LOST, Fault, Truth, World

#: The time between two wake-ups. Published values are late by as much, as with a real driver.
WAKE_S = 0.01
#: One record of the truth: `Truth`'s fields.
RECORD = struct.Struct("<qddd")
TRUTH_FILE, POWERCAP_FOLDER = "truth", "powercap"
#: The pid of the physics process: supervisors count its CPU time as their own.
PID_FILE = "pid"


@dataclass(frozen=True, slots=True)
class Config:
    """The machine to simulate."""

    preset: Preset
    load: Load
    seed: int = 0
    identity: Identity = THE_BOARD
    zones: tuple[Zone, ...] = ()  #: the zones of the powercap tree; empty: there is no tree


class _Live:
    """A machine, its files, and the test at the other end of the line."""

    def __init__(self, folder: Path, config: Config) -> None:
        powercap = Powercap(folder / POWERCAP_FOLDER, config.zones) if config.zones else None
        self.world = World(Board(config.preset, config.seed, time.monotonic_ns()), config.load, powercap)
        self._state = StateFile(folder / STATE_FILE, folder / LIBRARY, config.preset, config.identity)
        self._truth_fd = os.open(folder / TRUTH_FILE, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self._log([self.world.truth()])
        self.publish()

    def catch_up(self) -> None:
        """Let the time that has passed pass in the model."""
        self._log(self.world.advance_to(time.monotonic_ns()))
        self.world.board.note_reads(self._state.counter_reads())

    def publish(self) -> None:
        """Show the machine as it is."""
        self._state.publish(self.world.board.published(), self.world.pids, self.world.refusals)
        if self.world.powercap is not None:
            self.world.powercap.publish()

    def _log(self, truths: Iterable[Truth]) -> None:
        records = (RECORD.pack(t.at_ns, t.gpu_j, t.cpu_j, t.dram_j) for t in truths)
        os.write(self._truth_fd, b"".join(records))


def serve(folder: Path, line: Connection) -> None:
    """Serve until the other end of the line closes; each fault is answered by None once readers see it."""
    live = _Live(folder, line.recv())
    (folder / PID_FILE).write_text(str(os.getpid()))
    line.send(None)
    due_s = time.monotonic()
    try:
        while True:
            readable, _, _ = select.select([line], [], [], max(due_s - time.monotonic(), 0.0))
            fault: Fault | None = line.recv() if readable else None
            live.catch_up()
            if fault is not None:
                fault.apply(live.world)
            live.publish()
            if fault is not None:
                line.send(None)
            due_s += WAKE_S * max((time.monotonic() - due_s) // WAKE_S + 1, 0)
    except (EOFError, ConnectionError):
        GPU_LOST.apply(live.world)
        live.publish()


def main(folder: str, line_fd: str) -> None:
    """Run the process."""
    with suppress(OSError):  # only root may; it keeps the model punctual on a busy machine
        os.setpriority(os.PRIO_PROCESS, 0, -10)
    serve(Path(folder), Connection(int(line_fd)))
