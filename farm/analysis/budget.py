"""Where the uncertainty of a mean net energy comes from, and what would shrink it most. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import hypot, sqrt
from statistics import fmean

from farm.analysis.aggregate import Group, UnitSample, net_trials
from farm.analysis.intervals import expanded_u
from farm.analysis.means import Trials, spreads
from farm.analysis.moderation import Spread
from farm.model import Component, Domain
from farm.model.energies import Components, combined

#: Standard uncertainty of the gain of a GPU board's sensor (Yang et al.: Part-time Power Measurements, SC 2024). It
#: cancels in ratios on one board, so no interval has it.
BOARD_GAIN = 0.05
#: The part of a component that windows twice as long leave in the energy of a unit of work; all of it if not named.
_LEFT_BY_LONGER_WINDOWS: Mapping[Component, float] = {
    Component.AGE: 0.5,
    Component.STEP: 0.5,
    Component.BEAT: 0.5,
    Component.WARM: 0.5,
    Component.CLOCK: 0.5,
    Component.SMEAR: 0.5,
    Component.SAMPLING: sqrt(0.5),
}
#: Components that an exact meter would not have.
_OF_METERS = (
    *(Component.AGE, Component.STEP, Component.SAMPLING, Component.BEAT),
    *(Component.SMEAR, Component.CLASS, Component.MODEL),
)
_LEFT_BY_AN_EXACT_METER = dict.fromkeys(_OF_METERS, 0.0)


class Remedy(StrEnum):
    """Something that makes an interval narrower."""

    TRIALS = "2x trials"
    WINDOWS = "2x window_s"
    METER = "another meter"


@dataclass(frozen=True, slots=True)
class Budget:
    """The standard uncertainties of a mean net energy, as shares of the mean."""

    group: Group
    between_trials: float | None  #: what trials differ by, beyond what their meters explain; None: one trial
    random: float  #: the random components of the meters
    shared: Mapping[Component, float]  #: the components that all trials share
    gain: float | None  #: that of absolute joules of a GPU board; in no interval
    half_width: float | None  #: of the 95 % interval
    predicted: Mapping[Remedy, float]  #: the half-width after each remedy; empty for one trial

    @property
    def best(self) -> Remedy | None:
        """The remedy after which the interval is the narrowest; None where none makes it narrower."""
        if self.half_width is None or min(self.predicted.values()) >= self.half_width:
            return None
        return min(self.predicted, key=lambda remedy: self.predicted[remedy])


def budgets(groups: Sequence[Group], known: Mapping[tuple[str, str], Components]) -> list[Budget]:
    """Return the budget of each group whose net energy is known and not 0.

    Args:
        groups: Samples and their summaries.
        known: The uncertainties of the work's net energy, by trial and domain.
    """
    trials = [net_trials(group.samples) for group in groups]
    return [
        _budget(group, own, spread, _components(group.samples, known))
        for group, own, (spread, _) in zip(groups, trials, spreads(trials), strict=True)
        if own.values and fmean(own.values) != 0
    ]


def _budget(group: Group, trials: Trials, spread: Spread | None, components: Components) -> Budget:
    mean, n = abs(fmean(trials.values)), len(trials.values)
    random = _part(components, shared=False)
    by_meters = min(random**2, spread.variance) if spread else random**2
    return Budget(
        group=group,
        between_trials=sqrt((spread.variance - by_meters) / n) / mean if spread else None,
        random=sqrt(by_meters / n) / mean,
        shared={c: u_j / mean for c, u_j in components.items() if c.is_shared and u_j},
        gain=BOARD_GAIN if group.samples[0].labels.get("domain") == Domain.GPU else None,
        half_width=expanded_u(spread, n, _part(components, shared=True)) / mean if spread else None,
        predicted={r: j / mean for r, j in _predictions(components, spread, by_meters, n).items()} if spread else {},
    )


def _predictions(components: Components, spread: Spread, by_meters: float, n: int) -> dict[Remedy, float]:
    """Return the half-width in J after each remedy; `by_meters` is the part of the variance that the meters explain."""

    def with_components(left: Components) -> float:
        changed = {component: u_j * left.get(component, 1.0) for component, u_j in components.items()}
        before, after = _part(components, shared=False), _part(changed, shared=False)
        gone = by_meters * (1 - (after / before) ** 2) if before else 0.0
        return expanded_u(Spread(spread.variance - gone, spread.freedom), n, _part(changed, shared=True))

    more = Spread(spread.variance, spread.freedom + n)
    return {
        Remedy.TRIALS: expanded_u(more, 2 * n, _part(components, shared=True)),
        Remedy.WINDOWS: with_components(_LEFT_BY_LONGER_WINDOWS),
        Remedy.METER: with_components(_LEFT_BY_AN_EXACT_METER),
    }


def _part(components: Components, shared: bool) -> float:
    return combined(components, shared) or 0.0


def _components(samples: Sequence[UnitSample], known: Mapping[tuple[str, str], Components]) -> Components:
    """Return components per unit of work: of random ones the root mean square over trials, of shared ones the mean."""
    each = [
        {Component(c): u_j * s.net_u_j / total for c, u_j in own.items()}
        for s in samples
        if s.net_u_j is not None
        and (own := known.get((str(s.labels["trial"]), str(s.labels["domain"]))))
        and (total := combined(own))
    ]
    names = dict.fromkeys(name for own in each for name in own)
    values = {name: [own.get(name, 0.0) for own in each] for name in names}
    return {name: fmean(us) if name.is_shared else hypot(*us) / sqrt(len(us)) for name, us in values.items()}
