"""Energies of windows, and their sums; a sum is unknown where a part is unknown. Pure."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, cast

from pydantic import JsonValue

from farm.model.words import Domain

#: 95 % of a normal distribution lie within this many standard uncertainties of the mean.
COVERAGE_FACTOR = 1.96


class Metered(Protocol):
    """The energies of one window in one domain."""

    @property
    def gross_j(self) -> float | None: ...
    @property
    def net_j(self) -> float | None: ...
    @property
    def net_j_low(self) -> float | None: ...
    @property
    def net_j_high(self) -> float | None: ...


@dataclass(frozen=True, slots=True)
class Joules:
    """Energy in one domain, in J; unknown is None."""

    gross: float | None = None
    net: float | None = None
    net_u: float | None = None  #: the standard uncertainty of net

    def per(self, units: float) -> "Joules":
        """Return the energy of one unit of work; it is unknown where no work was done."""
        return self._each(lambda j: j / units) if units else Joules()

    def times(self, share: float) -> "Joules":
        """Return a share of the energy."""
        return self._each(lambda j: j * share)

    def _each(self, change: Callable[[float], float]) -> "Joules":
        values = (self.gross, self.net, self.net_u)
        return Joules(*(None if j is None else change(j) for j in values))


def sum_of(measured: Iterable[Metered]) -> Joules:
    """Add the energies of windows of one trial and domain; the sum is unknown unless all of them are metered."""
    return total(Joules(m.gross_j, m.net_j, _standard_uncertainty(m)) for m in measured)


def total(joules: Iterable[Joules]) -> Joules:
    """Add energies; the sum is unknown where a part is, or there is none. Errors share the baseline, so they add."""
    known = list(joules)
    return Joules(
        gross=known_sum(j.gross for j in known),
        net=known_sum(j.net for j in known),
        net_u=known_sum(j.net_u for j in known),
    )


def known_sum(values: Iterable[float | None]) -> float | None:
    """Return the sum; None where there is nothing to add, or a part is unknown."""
    parts = list(values)
    known = [value for value in parts if value is not None]
    return sum(known) if parts and len(known) == len(parts) else None


def _standard_uncertainty(measured: Metered) -> float | None:
    if measured.net_j_low is None or measured.net_j_high is None:
        return None
    return (measured.net_j_high - measured.net_j_low) / 2 / COVERAGE_FACTOR


def own_domain(facts: Mapping[str, JsonValue]) -> Domain:
    """Return the domain in which a trial's device draws its power; an import names it."""
    named, device = facts.get("domain"), facts.get("device")
    return Domain(str(named)) if named else Domain.of_device(str(device or "cpu"))


def parts(facts: Mapping[str, JsonValue]) -> Sequence[Mapping[str, JsonValue]]:
    """Return the parts that a trial measured one by one, by window index; empty for a trial without parts."""
    return cast("Sequence[Mapping[str, JsonValue]]", facts.get("parts") or ())
