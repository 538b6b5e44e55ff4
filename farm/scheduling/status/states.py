"""What was wanted of a machine, and what comes of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from rich.text import Text

from farm.model import MachineState, Scalar

_AFTER = {
    MachineState.PAUSED: "no new trial starts there until `farm resume {0}`",
    MachineState.DRAINING: "its worker leaves; one that is started there waits for `farm resume {0}`",
}


@dataclass(frozen=True, slots=True)
class Assigned:
    """A machine whose wanted_state was changed."""

    name: str
    wanted_state: MachineState
    running: Sequence[str]  #: its job, which goes on to its end

    def rendered(self) -> Text:
        """One sentence."""
        if self.wanted_state is MachineState.ACTIVE:
            return Text(f"{self.name} may run trials again")
        state = {MachineState.PAUSED: "paused", MachineState.DRAINING: "drained"}[self.wanted_state]
        now = f": job {', '.join(self.running)} goes on to its end, then" if self.running else " and runs nothing:"
        return Text(f"{self.name} is {state}{now} {_AFTER[self.wanted_state].format(self.name)}")

    def records(self) -> list[dict[str, Scalar]]:
        """For json."""
        return [
            {
                "machine": self.name,
                "wanted_state": self.wanted_state,
                "running_job": self.running[0] if self.running else None,
            }
        ]


def unknown(name: str, known: Sequence[str]) -> str:
    """No machine is called so."""
    if not known:
        return f"no machine {name!r}: none has joined yet, `farm worker` on it joins one"
    close = get_close_matches(name, known, n=3) or list(dict.fromkeys(known))[:3]
    return f"no machine {name!r}: did you mean {' or '.join(dict.fromkeys(close))}? `farm machines` lists all"
