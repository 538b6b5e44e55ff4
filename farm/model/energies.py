"""Energies of windows, and their sums; a sum is unknown where a part is unknown. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import hypot
from typing import Protocol, cast

from pydantic import JsonValue

from farm.model.words import Component, Domain

#: 95 % of a normal distribution lie within this many standard uncertainties of the mean.
COVERAGE_FACTOR = 1.96
_SHARED = frozenset(component for component in Component if component.is_shared)


#: Standard uncertainties in J by component; empty where they are unknown.
Components = Mapping[Component, float]


class Metered(Protocol):
    """The energies of one window in one domain."""

    @property
    def gross_j(self) -> float | None: ...
    @property
    def gross_u_j(self) -> float | None: ...
    @property
    def net_j(self) -> float | None: ...
    @property
    def net_j_low(self) -> float | None: ...
    @property
    def net_j_high(self) -> float | None: ...
    @property
    def gross_budget(self) -> Components: ...
    @property
    def net_budget(self) -> Components: ...


@dataclass(frozen=True, slots=True)
class Joules:
    """Energy in one domain, in J, with the components of its uncertainty; unknown is None or empty."""

    gross: float | None = None
    net: float | None = None
    gross_budget: Components = field(default_factory=dict)
    net_budget: Components = field(default_factory=dict)

    @property
    def net_u(self) -> float | None:
        """The standard uncertainty of net."""
        return combined(self.net_budget)

    def per(self, units: float) -> "Joules":
        """Return the energy of one unit of work; it is unknown where no work was done."""
        return self.times(1 / units) if units else Joules()

    def times(self, share: float) -> "Joules":
        """Return a share of the energy."""
        gross, net = (None if j is None else j * share for j in (self.gross, self.net))
        budgets = ({c: u_j * share for c, u_j in own.items()} for own in (self.gross_budget, self.net_budget))
        return Joules(gross, net, *budgets)


def combined(budget: Components, shared: bool | None = None) -> float | None:
    """Return the root sum of squares of all components, or of those that are shared or not; None if they are unknown.

    Args:
        budget: The standard uncertainty of each component.
        shared: Whether to take the components that all trials of a machine share, or the others; None: all.
    """
    wanted = [u for component, u in budget.items() if shared is None or (component in _SHARED) == shared]
    return hypot(*wanted) if budget else None


def sum_of(measured: Iterable[Metered]) -> Joules:
    """Add the energies of windows of one trial and domain; the sum is unknown unless all of them are metered."""
    return total(Joules(m.gross_j, m.net_j, *_budgets(m)) for m in measured)


def total(joules: Iterable[Joules]) -> Joules:
    """Add energies of one trial and domain; the sum is unknown where a part is, or there is none."""
    known = list(joules)
    gross, net = known_sum(j.gross for j in known), known_sum(j.net for j in known)
    gross_budget = {} if gross is None else _added([j.gross_budget for j in known])
    net_budget = {} if net is None else _added([j.net_budget for j in known])
    return Joules(gross, net, gross_budget, net_budget)


def _added(budgets: Sequence[Components]) -> Components:
    """Add the uncertainties of windows of one trial, component by component; one that is unknown makes all unknown."""
    if not all(budgets):
        return {}
    found = dict.fromkeys(component for budget in budgets for component in budget)
    return {
        component: (sum if Component(component).adds_up else _root_sum)(
            [budget.get(component, 0.0) for budget in budgets]
        )
        for component in found
    }


def _root_sum(values: Iterable[float]) -> float:
    return hypot(*values)


def known_sum(values: Iterable[float | None]) -> float | None:
    """Return the sum; None where there is nothing to add, or a part is unknown."""
    parts = list(values)
    known = [value for value in parts if value is not None]
    return sum(known) if parts and len(known) == len(parts) else None


def _budgets(measured: Metered) -> tuple[Components, Components]:
    """Return the uncertainties of gross and net; a file that was imported may state no more than an interval."""
    low, high, gross_u_j = measured.net_j_low, measured.net_j_high, measured.gross_u_j
    gross = {} if gross_u_j is None else {Component.STATED: gross_u_j}
    net = {} if low is None or high is None else {Component.STATED: (high - low) / 2 / COVERAGE_FACTOR}
    return measured.gross_budget or gross, measured.net_budget or net


def own_domain(facts: Mapping[str, JsonValue]) -> Domain:
    """Return the domain in which a trial's device draws its power; an import names it."""
    named, device = facts.get("domain"), facts.get("device")
    return Domain(str(named)) if named else Domain.of_device(str(device or "cpu"))


def parts(facts: Mapping[str, JsonValue]) -> Sequence[Mapping[str, JsonValue]]:
    """Return the parts that a trial measured one by one, by window index; empty for a trial without parts."""
    return cast("Sequence[Mapping[str, JsonValue]]", facts.get("parts") or ())
