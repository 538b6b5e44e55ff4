"""The trials of a sweep that ended a moment ago, while others still run: their figures and flags. Pure.

The figures are totals over totals and have no interval: results have those, and leave flagged trials out.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from farm.kinds.points import point
from farm.model import EndedTrial, Flag, Quality, WindowKind
from farm.model.energies import known_sum
from farm.report.numbers import number

_WINDOWS = {str(kind) for kind in WindowKind}


@dataclass(frozen=True, slots=True)
class Filled:
    """One row of the table that fills: the trials of a point on a machine so far."""

    name: str
    trials: Sequence[EndedTrial]

    @property
    def units_per_s(self) -> float | None:
        """Units of work in a second."""
        return _ratio(known_sum(t.units for t in self.trials), known_sum(t.duration_s for t in self.trials))

    @property
    def gross_j_per_unit(self) -> float | None:
        """The gross energy of a unit, in J."""
        return _ratio(known_sum(t.gross_j for t in self.trials), known_sum(t.units for t in self.trials))

    @property
    def flagged(self) -> int:
        """The number of trials that analysis leaves out."""
        return sum(not trial.is_valid for trial in self.trials)


def rows(ended: Sequence[EndedTrial]) -> list[Filled]:
    """Return a row for each point and machine, in the order in which their first trials ended."""
    measured = [trial for trial in ended if trial.failure is None]
    has_several = len({trial.machine for trial in measured}) > 1
    found: dict[str, list[EndedTrial]] = {}
    for trial in measured:
        machine = f"{trial.machine}: " if has_several else ""
        found.setdefault(f"{machine}{point(trial.point)}", []).append(trial)
    return [Filled(name, trials) for name, trials in found.items()]


def is_modelled(ended: Sequence[EndedTrial]) -> bool:
    """Return whether any of the joules are modelled."""
    return any(trial.quality is Quality.MODELLED for trial in ended)


def line(trial: EndedTrial) -> str:
    """Return a trial and its figures, or how it failed, in one line."""
    row, name = Filled("", [trial]), f"{point(trial.point)}, repetition {trial.repetition + 1}"
    if trial.failure:
        return f"{name}: {trial.failure}"
    modelled = " (modelled)" if is_modelled([trial]) else ""
    unit = trial.unit or "unit"
    known = {f"{unit}/s": row.units_per_s, f"J/{unit} gross{modelled}": row.gross_j_per_unit}
    figures = [f"{number(value)} {unit}" for unit, value in known.items() if value is not None]
    return f"{name}: {', '.join([*figures, *(flag for flag in trial.flags if not flag.is_note)])}"


def flag_lines(ended: Sequence[EndedTrial]) -> list[str]:
    """Return a line for each flag for which analysis leaves trials out: how many have it, and why the last one has."""
    measured = [trial for trial in ended if trial.failure is None]
    counts = Counter(flag for trial in measured for flag in trial.flags if not flag.is_note)
    return [f"{count} of {len(measured)} {flag}{_reason(flag, measured)}" for flag, count in counts.most_common()]


def _reason(flag: Flag, measured: Sequence[EndedTrial]) -> str:
    """Return who used the machine, of the last trial that others disturbed; its notes name the windows."""
    if flag is not Flag.CONTAMINATED:
        return ""
    last = next(trial for trial in reversed(measured) if flag in trial.flags)
    uses = dict(note.split(": ", 1) for note in last.notes if ": " in note)
    found: Mapping[str, str] = {window: use for window, use in uses.items() if window in _WINDOWS}
    return f": {found.get(WindowKind.MEASURE) or next(iter(found.values()))}" if found else ""


def _ratio(part: float | None, whole: float | None) -> float | None:
    return None if part is None or not whole else part / whole
