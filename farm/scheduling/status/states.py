"""What was wanted of a machine, and what comes of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from rich.text import Text

from farm.model import Duty, Scalar

_AFTER = {
    Duty.PAUSE: "no new trial starts there until `farm resume {0}`",
    Duty.DRAIN: "its worker leaves; one that is started there waits for `farm resume {0}`",
}


@dataclass(frozen=True, slots=True)
class Assigned:
    """A machine whose duty was changed."""

    name: str
    duty: Duty
    running: Sequence[str]  #: its job, which goes on to its end

    def rendered(self) -> Text:
        """One sentence."""
        if self.duty is Duty.WORK:
            return Text(f"{self.name} may run trials again")
        state = {Duty.PAUSE: "paused", Duty.DRAIN: "drained"}[self.duty]
        now = f": job {', '.join(self.running)} goes on to its end, then" if self.running else " and runs nothing:"
        return Text(f"{self.name} is {state}{now} {_AFTER[self.duty].format(self.name)}")

    def records(self) -> list[dict[str, Scalar]]:
        """For json."""
        return [{"machine": self.name, "duty": self.duty, "running_job": self.running[0] if self.running else None}]


def unknown(name: str, known: Sequence[str]) -> str:
    """No machine is called so."""
    if not known:
        return f"no machine {name!r}: none has joined yet, `farm worker` on it joins one"
    close = get_close_matches(name, known, n=3) or list(dict.fromkeys(known))[:3]
    return f"no machine {name!r}: did you mean {' or '.join(dict.fromkeys(close))}? `farm machines` lists all"
