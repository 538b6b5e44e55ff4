"""The effect of a change of a machine's state."""

from collections.abc import Sequence
from difflib import get_close_matches

from farm.model import MachineState, Scalar

_AFTER = {
    MachineState.PAUSED: "no new trial starts there until `farm resume {0}`",
    MachineState.DRAINING: "its worker leaves; a worker that is started there waits for `farm resume {0}`",
}


def sentence(name: str, state: MachineState, running: Sequence[str]) -> str:
    """Describe what happens now; `running`: the machine's job, which runs to its end."""
    if state is MachineState.ACTIVE:
        return f"{name} is active: it may run trials again"
    now = f": job {', '.join(running)} goes on to its end, then" if running else " and runs nothing:"
    return f"{name} is {state}{now} {_AFTER[state].format(name)}"


def record(name: str, state: MachineState, running: Sequence[str]) -> dict[str, Scalar]:
    """Return the same facts as a plain record."""
    return {"machine": name, "wanted_state": state, "running_job": running[0] if running else None}


def unknown(name: str, known: Sequence[str]) -> str:
    """Return the error for an unknown machine."""
    if not known:
        return f"no machine {name!r}: none has joined yet, `farm worker` on it joins one"
    close = get_close_matches(name, known, n=3) or list(dict.fromkeys(known))[:3]
    return f"no machine {name!r}: did you mean {' or '.join(dict.fromkeys(close))}? `farm machines` lists all"
