"""Configurations across machines: ratios, their mean, ranks."""

from dataclasses import replace
from math import exp, log, sqrt
from random import Random

import pytest

from farm.analysis.across import Comparison, Figure, compare
from farm.analysis.aggregate import UnitSample, grouped
from farm.analysis.intervals import Interval
from farm.model import CarbonFactor, Flag, Quality
from farm.model.errors import InputError
from farm.report.across import parse_reference
from tests.summaries import sample

KEYS = ("model", "batch_size", "hardware_class", "machine")
SPEED = {"a": 1.0, "b": 2.5, "c": 4.0}


def on(machine: str, batch: int, net_j: float, repetition: int = 0, **changes: object) -> UnitSample:
    labels = {
        "model": "alexnet", "batch_size": batch, "machine": machine, "hardware_class": "x", "sweep": "s",
        "repetition": repetition, "unit": "image",
    }  # fmt: skip
    return sample(**{"labels": labels, "net_j": net_j, "gross_j": net_j + 1, "net_u_j": None} | changes)  # type: ignore[arg-type]


def compared(samples: list[UnitSample], figure: Figure | None = Figure.NET, **reference: str) -> Comparison:
    return compare(grouped(samples, KEYS), reference or {"batch_size": "1"}, figure)


def lab(share: float = 0.5, blocks: int = 6, spread: float = 0.02) -> list[UnitSample]:
    """Machines of different speed; blocks that disturb both configurations alike."""
    random = Random(1)
    found = []
    for machine, joules in SPEED.items():
        for block in range(blocks):
            drift = random.gauss(1, 0.2)
            for batch, factor in ((1, 1.0), (16, share)):
                found.append(on(machine, batch, joules * factor * drift * random.gauss(1, spread), block))
    return found


def ratio_of(comparison: Comparison, batch: int, machine: str) -> Interval | None:
    (cell,) = [
        c
        for c in comparison.cells
        if dict(c.configuration)["batch_size"] == batch and dict(c.machine)["machine"] == machine
    ]
    return cell.ratio


def test_a_ratio_is_to_the_reference_on_the_same_machine() -> None:
    found = compared([on("a", 1, 2.0), on("a", 16, 1.0), on("b", 1, 10.0), on("b", 16, 7.5)])
    assert ratio_of(found, 16, "a") == Interval(0.5, None, None)
    assert ratio_of(found, 16, "b") == Interval(pytest.approx(0.75), None, None)  # type: ignore[arg-type]
    assert ratio_of(found, 1, "b") == Interval(1.0, 1.0, 1.0)
    (least, reference) = found.overall
    assert least.ratio.mean == pytest.approx(sqrt(0.5 * 0.75))
    assert (least.machines, reference.ratio.mean) == (2, 1.0)


def test_blocks_are_resampled_together_so_what_disturbs_both_cancels() -> None:
    found = compared(lab(spread=0.001))
    ratio = ratio_of(found, 16, "a")
    assert ratio is not None
    assert ratio.mean == pytest.approx(0.5, abs=0.002)
    assert ratio.half_width is not None
    assert ratio.half_width < 0.005, "a block's own drift is 20 %"


def test_the_mean_over_machines_has_an_interval_that_holds_it_and_is_the_same_again() -> None:
    one, two = compared(lab()), compared(lab())
    assert one.overall == two.overall
    (least, _) = one.overall
    logs = [log(ratio.mean) for m in SPEED if (ratio := ratio_of(one, 16, m))]
    assert least.ratio.mean == pytest.approx(exp(sum(logs) / 3))
    assert least.ratio.half_width is not None
    assert least.ratio.half_width > abs(least.ratio.mean - 0.5)
    assert (least.rank, one.overall[1].rank) == (1, 2)


def test_ranks_are_shared_where_intervals_overlap() -> None:
    same = [on("a", batch, 1 + 0.1 * (block % 3), block) for block in range(6) for batch in (1, 2)]
    more = [on("a", 4, 5 + 0.1 * (block % 3), block) for block in range(6)]
    ranks = {dict(c.configuration)["batch_size"]: c.rank for c in compared(same + more).cells}
    assert ranks == {1: 1, 2: 1, 4: 3}


def test_joules_of_another_kind_are_never_divided_or_pooled() -> None:
    reference = [on("a", 1, 2.0), on("b", 1, 2.0)]
    for change in ({"quality": Quality.MODELLED}, {"simulated": True}, {"imported": True}):
        name, value = next(iter(change.items()))
        other = on("b", 16, 1.0)
        other = on("b", 16, 1.0, **change, labels={**other.labels, name: value})
        found = compared([*reference, on("a", 16, 1.0), other])
        assert ratio_of(found, 16, "b") is None
        assert [dict(one.configuration)["batch_size"] for one in found.overall] == [1]


def test_one_machine_has_ratios_but_no_mean() -> None:
    found = compared([on("a", 1, 2.0), on("a", 16, 1.0)])
    assert found.overall == []
    assert ratio_of(found, 16, "a") is not None


def test_flagged_trials_are_left_out_and_doubtful_rows_stay_out_of_the_mean() -> None:
    flagged = on("a", 16, 100.0, 1, flags=(Flag.THROTTLED,))
    found = compared(
        [on("a", 1, 2.0), on("a", 16, 1.0), flagged, on("b", 1, 2.0), on("b", 16, 1.0, flags=(Flag.THROTTLED,))]
    )
    assert ratio_of(found, 16, "a") == Interval(0.5, None, None)
    assert [dict(one.configuration)["batch_size"] for one in found.overall] == [1]


def test_net_is_compared_where_it_stands_out_else_gross() -> None:
    assert compared([on("a", 1, 2.0), on("a", 16, 1.0)], None).figure is Figure.NET
    assert compared([on("a", 1, 2.0), on("a", 16, -1.0)], None).figure is Figure.GROSS


@pytest.mark.parametrize("figure", list(Figure))
def test_seconds_and_grams_are_compared_too(figure: Figure) -> None:
    cheap, dear = (
        on("a", b, j, carbon=CarbonFactor(268.0, 1.0, "NLD"), units_per_s=r)
        for b, j, r in ((16, 1.0, 4.0), (1, 2.0, 2.0))
    )
    ratio = ratio_of(compared([dear, cheap], figure), 16, "a")
    assert ratio is not None
    assert ratio.mean == pytest.approx({"net": 0.5, "gross": 2 / 3, "seconds": 0.5, "grams": 2 / 3}[figure])


def test_where_nothing_is_known_not_even_the_reference_has_a_ratio() -> None:
    unknown = [on(machine, batch, 1.0) for machine in ("a", "b") for batch in (1, 16)]
    found = compared([replace(one, carbon=None) for one in unknown], Figure.GRAMS)
    assert [cell.ratio for cell in found.cells] == [None] * 4
    assert not found.overall


def test_a_reference_is_spelt_as_in_a_sweep() -> None:
    assert parse_reference("model=alexnet, batch_size=1") == {"model": "alexnet", "batch_size": "1"}
    with pytest.raises(InputError, match="--relative-to"):
        parse_reference("batch_size")


def test_a_rank_is_one_more_than_the_intervals_that_lie_wholly_below() -> None:
    random = Random(3)
    found = compared([on("a", batch, batch + random.gauss(0, 2) ** 2, n) for batch in range(1, 13) for n in range(4)])
    ends = [(net.low or 0.0, net.high or 0.0) for cell in found.cells if (net := cell.group.summary.net_j)]
    assert [cell.rank for cell in found.cells] == [1 + sum(high < low for _, high in ends) for low, _ in ends]
    assert len({cell.rank for cell in found.cells}) > 2
