"""What a worker runs, what came of it and what went wrong, in one line each, for its log."""

from farm.energy.samples import samples_of
from farm.model import USUAL_VALUES, Claim, Quality, Scalar, TrialReport
from farm.model.errors import FarmError


def described(claim: Claim) -> str:
    """Name a job: its sweep, the factors of its point that are not usual, and its repetition."""
    spec = claim.spec
    factors = (f"{name} {_short(value)}" for name, value in spec.point.items() if value not in USUAL_VALUES)
    named = ", ".join(factors).removeprefix("model ")
    return f"{claim.sweep_name or spec.sweep}: {named}, repetition {spec.repetition + 1}"


def outcome(report: TrialReport) -> str:
    """Return how a trial ended: its figures, or why it failed."""
    if report.failure:
        return f"failed: {report.failure.kind}: {report.failure.message}"
    own = next((s for s in samples_of(report) if s.own_device and s.part is None), None)
    figures = []
    if own and own.units and own.gross_j is not None:
        modelled = " (modelled)" if own.quality is Quality.MODELLED else ""
        figures.append(f"{_short(own.gross_j / own.units)} J/{own.unit or 'unit'} gross{modelled}")
    if own and own.units and own.duration_s:
        figures.append(f"{_short(own.units / own.duration_s)} {own.unit or 'unit'}/s")
    flags = own.flags if own else report.flags
    figures += [f"flags {' '.join(flags)}"] if flags else []
    return f"measured {', '.join(figures)}".strip()


def brief(error: Exception) -> str:
    """Describe an error."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    first_line = str(error).strip().partition("\n")[0]
    return first_line if isinstance(error, FarmError) else f"{type(error).__name__}: {first_line}"


def _short(value: Scalar) -> str:
    if not isinstance(value, float):
        return str(value)
    return f"{value:,.0f}" if 100 <= abs(value) < 1e7 else f"{value:.3g}"
