"""`farm pause`, `farm resume` and `farm drain`: the state of a machine. Modules are imported on use."""

from typing import TYPE_CHECKING, Annotated

import typer

from farm.cli.options import Json
from farm.cli.output import Line, opened

if TYPE_CHECKING:
    from farm.model import MachineState

MachineName = Annotated[str, typer.Argument(metavar="MACHINE", help="A machine's name; `farm machines` lists them.")]
#: Between two looks whether a machine still runs something.
PERIOD_S = 1.0


def pause(machine: MachineName, as_json: Json = False) -> Line:
    """Start no new trial on a machine; the running one goes on."""
    from farm.model import MachineState

    return _assign(machine, MachineState.PAUSED, as_json)


def resume(machine: MachineName, as_json: Json = False) -> Line:
    """Let a paused or drained machine run trials again."""
    from farm.model import MachineState

    return _assign(machine, MachineState.ACTIVE, as_json)


def drain(
    machine: MachineName,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until it runs nothing.")] = False,
    as_json: Json = False,
) -> Line:
    """Let the worker of a machine leave after its running trial."""
    from farm.model import MachineState

    return _assign(machine, MachineState.DRAINING, as_json, wait)


def _assign(name: str, wanted_state: "MachineState", as_json: bool, wait: bool = False) -> Line:
    from time import sleep

    from farm.model.errors import InputError
    from farm.scheduling.status import states

    with opened() as (store, _):
        if not store.assign(name, wanted_state):
            raise InputError(states.unknown(name, [status.machine.name for status in store.machines()]))
        while (running := store.running_on(name)) and wait:
            sleep(PERIOD_S)
    record = [states.record(name, wanted_state, running)]
    return Line(states.sentence(name, wanted_state, running), record, as_json)
