"""Where the uncertainty of a mean net energy comes from, and what would shrink it most."""

from collections.abc import Mapping

import pytest
from scipy import stats

from farm.analysis.aggregate import grouped
from farm.analysis.budget import BOARD_GAIN, Budget, Remedy, budgets
from farm.kinds.inference.kind import COLUMNS
from farm.model import Budget as Components
from farm.model import Component, Domain
from farm.report.budget import document
from farm.report.selection import Selection
from farm.report.terminal import text
from tests.golden import assert_golden
from tests.loaded import Measured, loaded
from tests.summaries import POINT, measurement_row, sample, trial_row
from tests.unit.test_results import SWEEP

AGE, CLASS, IDLE, WANDER = Component.AGE, Component.CLASS, Component.IDLE, Component.WANDER


def budget(values: list[float], components: Mapping[Component, float], domain: Domain = Domain.CPU) -> Budget:
    """The budget of one point whose trials all have these standard uncertainties in J."""
    total = sum(u * u for u in components.values()) ** 0.5
    shared = sum(u * u for c, u in components.items() if c.is_shared) ** 0.5
    samples = [
        sample(labels={"trial": str(n), "domain": domain}, net_j=value, net_u_j=total, net_shared_u_j=shared)
        for n, value in enumerate(values)
    ]
    (found,) = budgets(grouped(samples, ["domain"]), {(str(n), domain): components for n in range(len(values))})
    return found


def test_the_parts_are_those_of_the_interval() -> None:
    """Trials of standard deviation 0.3 about 10 J: their meters explain 0.1 of it; the maker states 0.2 for all."""
    found = budget([9.7, 10.0, 10.3], {AGE: 0.1, CLASS: 0.2})
    assert found.between_trials == pytest.approx(((0.09 - 0.01) / 3) ** 0.5 / 10)
    assert found.random == pytest.approx(0.1 / 3**0.5 / 10)
    assert found.shared == {CLASS: pytest.approx(0.02)}
    u = (0.09 / 3 + 0.04) ** 0.5
    freedom = int(2 * (u * u / 0.03) ** 2 * 10) / 10
    assert found.half_width == pytest.approx(stats.t.ppf(0.975, freedom) * u / 10)
    mean = found.group.summary.net_j
    assert mean is not None
    assert found.half_width == pytest.approx(mean.relative)


@pytest.mark.parametrize(
    ("values", "components", "best"),
    [
        ([9.7, 10.0, 10.3], {AGE: 0.01}, Remedy.TRIALS),
        ([9.99, 10.0, 10.01, 10.0, 9.99, 10.01], {Component.CLOCK: 0.3}, Remedy.WINDOWS),
        ([9.99, 10.0, 10.01, 10.0, 9.99, 10.01], {CLASS: 0.3}, Remedy.METER),
    ],
)
def test_what_helps_most_is_computed(values: list[float], components: Mapping[Component, float], best: Remedy) -> None:
    found = budget(values, components)
    assert found.best is best
    assert found.half_width is not None
    assert found.predicted[best] < found.half_width


def test_a_remedy_leaves_what_it_does_not_concern() -> None:
    """Only repetitions shrink the wander of the idle: it is no part of a meter, and windows do not average it."""
    found = budget([9.7, 10.0, 10.3], {WANDER: 0.3})
    assert found.predicted[Remedy.WINDOWS] == found.predicted[Remedy.METER] == found.half_width


def test_one_trial_has_no_half_width_and_nothing_is_predicted() -> None:
    found = budget([10.0], {AGE: 0.1, CLASS: 0.2})
    assert (found.between_trials, found.half_width, found.best, found.predicted) == (None, None, None, {})
    assert found.random == pytest.approx(0.01)


def test_the_gain_of_a_board_is_a_line_of_its_own() -> None:
    assert budget([9.7, 10.0, 10.3], {AGE: 0.1}).gain is None
    board = budget([9.7, 10.0, 10.3], {AGE: 0.1}, Domain.GPU)
    assert board.gain == BOARD_GAIN
    assert board.half_width == budget([9.7, 10.0, 10.3], {AGE: 0.1}).half_width, "it is in no interval"


def measured(number: int, batch_size: int, net_j: float, components: Mapping[Component, float]) -> Measured:
    made = trial_row(trial=f"job{number}.1", factors={**POINT, "batch_size": batch_size})
    row = measurement_row(trial=made.trial, factors=made.factors, net_j=net_j, budget=Components(net=components))
    return made, [row]


def test_a_view() -> None:
    data = loaded(
        SWEEP,
        *(measured(n, 1, 20 + n, {AGE: 0.1, IDLE: 0.1, CLASS: 0.2}) for n in range(3)),
        *(measured(n, 4, 10 + n / 1000, {AGE: 0.1, IDLE: 0.1, CLASS: 0.2}) for n in range(3, 6)),
        measured(6, 16, 8.0, {AGE: 0.1, IDLE: 0.1, CLASS: 0.2}),
    )
    found = document(data, Selection(), COLUMNS)
    assert_golden("results-budget.txt", text(found))
    first, *_, alone = found.records()
    assert first["half_width_share_more_repetitions"] < first["half_width_share"]
    assert (alone["half_width_share"], alone["net_j_per_unit_low"]) == (None, None)


def test_a_bound_has_no_shares() -> None:
    """Of a net energy that may be 0, every component is a huge share, which means nothing."""
    trials = [measured(n, 1, net_j, {AGE: 0.5, CLASS: 0.5}) for n, net_j in enumerate((0.001, -0.002, 0.002))]
    found = document(loaded(SWEEP, *trials), Selection(), COLUMNS)
    (record,) = found.records()
    assert record["net_j_per_unit"] is not None
    assert [record[name] for name in ("u_share_random", "half_width_share", "u_share_gain")] == [None] * 3
    assert "A bound (<) has no shares" in text(found)
