"""Simulated hardware to try the farm on: `python -m workers.simulator BOARD [-- COMMAND...]`.

The command, and all that it starts, sees a GPU of that kind and a RAPL tree. Their load is the CPU use of the command's
trials, or, without a command, of all trials on this machine until Ctrl-C.
"""

import os
import signal
import subprocess
import sys
from argparse import ArgumentParser
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import NAMESPACE_OID, uuid5

from workers.simulator import A100, H100, IDLE, RTX4090, SERVER, V100, CpuUse, Follow, Preset, Simulation, simulated_gpu
from workers.simulator.library import THE_BOARD, compiler

BOARDS: Mapping[str, Preset] = {"a100": A100, "h100": H100, "rtx4090": RTX4090, "v100": V100}
#: Trials are what runs below it.
ZYGOTE = "workers.supervisor.zygote"
BAD_INPUT, INTERRUPTED = 2, 130
ENDING = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}


def main(arguments: Sequence[str]) -> int:
    """Simulate until the command ends; returns its exit status."""
    board, command = _parsed(arguments)
    if sys.platform != "linux":
        return _complain("it needs Linux")
    if compiler() is None:
        return _complain("it needs a C compiler: install gcc (Debian, Ubuntu: gcc and libc6-dev)")
    # a board of its own: what the farm has found out about one is not taken for another
    identity = replace(THE_BOARD, uuid=f"GPU-{uuid5(NAMESPACE_OID, board.name)}")
    try:
        with (
            TemporaryDirectory(prefix="farm-simulated-") as folder,
            simulated_gpu(Path(folder), board, IDLE, identity=identity, zones=SERVER) as simulation,
        ):
            return _run(simulation, command) if command else _wait(simulation)
    except OSError as error:
        return _complain(f"{error.filename}: {error.strerror}")
    except RuntimeError as error:
        return _complain(str(error))
    except KeyboardInterrupt:
        return INTERRUPTED


def _parsed(arguments: Sequence[str]) -> tuple[Preset, Sequence[str]]:
    split = arguments.index("--") if "--" in arguments else len(arguments)
    parser = ArgumentParser(
        prog="python -m workers.simulator", description=__doc__, usage="%(prog)s BOARD [-- COMMAND]"
    )
    parser.add_argument("board", choices=BOARDS, metavar="BOARD", help=", ".join(BOARDS))
    return BOARDS[parser.parse_args(arguments[:split]).board], arguments[split + 1 :]


def _run(simulation: Simulation, command: Sequence[str]) -> int:
    """Ctrl-C reaches the command by itself; what else would end us is for the command too."""
    signal.signal(signal.SIGINT, lambda *_: None)
    with subprocess.Popen(command, env={**os.environ, **simulation.env}) as process:
        signal.signal(signal.SIGTERM, lambda *_: process.terminate())
        simulation.fault(Follow(CpuUse(process.pid, below=ZYGOTE)))
    return process.returncode if process.returncode >= 0 else 128 - process.returncode


def _wait(simulation: Simulation) -> int:
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    simulation.fault(Follow(CpuUse(0, below=ZYGOTE)))
    print(f"simulated: {simulation.preset.name}; Ctrl-C ends it. In another terminal:")
    print(f"    export FARM_SIMULATOR={simulation.folder}", flush=True)
    signal.sigwait(ENDING)
    return 0


def _complain(reason: str) -> int:
    print(f"simulator: {reason}", file=sys.stderr)
    return BAD_INPUT


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
