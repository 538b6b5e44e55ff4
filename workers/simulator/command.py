"""`farm simulate`: lend a simulated GPU to a command, or to this machine until Ctrl-C."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import NAMESPACE_OID, uuid5

import typer

from farm.model.errors import FarmError, InputError
from workers.simulator import A100, H100, IDLE, RTX4090, SERVER, V100, CpuUse, Follow, Preset, Simulation, simulated_gpu
from workers.simulator.library import THE_BOARD

PRESETS: Mapping[str, Preset] = {"a100": A100, "h100": H100, "rtx4090": RTX4090, "v100": V100}
#: Trials are the processes below it.
ZYGOTE = "workers.supervisor.zygote"
INTERRUPTED = 130
ENDING = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}


def run(board: str, command: Sequence[str]) -> int:
    """Simulate a GPU until the command ends.

    Args:
        board: a name of PRESETS.
        command: the program and its arguments; empty: simulate until a signal ends it.

    Returns:
        The exit status of the command.

    Raises:
        InputError: on another system than Linux, without gcc, or for a command that cannot be started.
    """
    if sys.platform != "linux":
        raise InputError("farm simulate needs Linux")
    preset = PRESETS[board]
    # Each kind of board has an identity of its own, so that nothing remembered of one is used for another.
    identity = replace(THE_BOARD, uuid=f"GPU-{uuid5(NAMESPACE_OID, preset.name)}")
    try:
        with (
            TemporaryDirectory(prefix="farm-simulated-") as folder,
            simulated_gpu(Path(folder), preset, IDLE, identity=identity, zones=SERVER) as simulation,
        ):
            return _run(simulation, command) if command else _wait(simulation)
    except OSError as error:
        raise InputError(f"farm simulate: {error.filename}: {error.strerror}") from None
    except RuntimeError as error:
        raise FarmError(str(error)) from None
    except KeyboardInterrupt:
        return INTERRUPTED


def _run(simulation: Simulation, command: Sequence[str]) -> int:
    """Run the command; Ctrl-C reaches it by itself, and a SIGTERM to this process is passed on to it."""
    signal.signal(signal.SIGINT, lambda *_: None)
    with subprocess.Popen(command, env={**os.environ, **simulation.env}) as process:
        signal.signal(signal.SIGTERM, lambda *_: process.terminate())
        simulation.fault(Follow(CpuUse(process.pid, below=ZYGOTE)))
    return process.returncode if process.returncode >= 0 else 128 - process.returncode


def _wait(simulation: Simulation) -> int:
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    simulation.fault(Follow(CpuUse(0, below=ZYGOTE)))
    typer.echo(f"simulated: {simulation.preset.name}; Ctrl-C ends it. In another terminal:")
    typer.echo(f"    export FARM_SIMULATOR={simulation.folder}")
    signal.sigwait(ENDING)
    return 0
