"""The commands that this package adds to `farm`, by the entry point group `wattfarm.commands`.

`farm --help` imports this module, so it imports what a command needs only when the command runs.
"""

from enum import StrEnum
from typing import Annotated

import typer


class SimulatedBoard(StrEnum):
    """A kind of GPU that can be simulated."""

    A100 = "a100"
    H100 = "h100"
    RTX4090 = "rtx4090"
    V100 = "v100"


def worker(
    gpu: Annotated[
        str | None, typer.Option(metavar="GPU", help="Measure on this GPU: its index or UUID in nvidia-smi.")
    ] = None,
    allow_models: Annotated[
        list[str] | None,
        typer.Option("--allow-models", metavar="NAMES", help="Run networks of this package too: my_package.*"),
    ] = None,
    allow_commands: Annotated[
        list[str] | None,
        typer.Option("--allow-commands", metavar="PATTERN", help="Run such command lines too: 'python train.py*'"),
    ] = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log what Celery does, too.")] = False,
    parent: Annotated[int | None, typer.Option(hidden=True, help="Die with this process: it is farm run.")] = None,
) -> None:
    """Measure on this machine; a machine has one worker.

    Ctrl-C or SIGTERM stops after the running trial, a second one stops now. Exit status 75: it no longer receives
    messages, restart it; 76: its version differs from the controller's, update it.
    """
    from workers.agent.main import run

    raise typer.Exit(run(gpu, allow_models or [], allow_commands or [], verbose, parent))


def simulate(
    board: Annotated[SimulatedBoard, typer.Argument(metavar="BOARD", help="The GPU to simulate.")],
    command: Annotated[
        list[str] | None, typer.Argument(metavar="-- COMMAND", help="The command that sees this GPU.")
    ] = None,
) -> None:
    """Run a command with a simulated GPU, to try the farm.

    The command, and all that it starts, sees one GPU of that kind and a processor that counts its energy. Their load is
    the CPU use of the command's trials. Without a command, it simulates until Ctrl-C, and the load is that of all
    trials on this machine. All results are labelled as simulated. It needs Linux and gcc.

    Example: farm simulate a100 -- farm run SWEEP.yaml
    """
    from workers.simulator.command import run

    raise typer.Exit(run(board.value, command or []))
