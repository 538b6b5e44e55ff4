"""Configurations across machines: ratios, their mean, ranks."""

from dataclasses import replace
from math import exp, log, sqrt
from random import Random
from statistics import fmean, stdev

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
    return cell.ratio.interval if cell.ratio else None


def test_a_ratio_is_to_the_reference_on_the_same_machine() -> None:
    found = compared([on("a", 1, 2.0), on("a", 16, 1.0), on("b", 1, 10.0), on("b", 16, 7.5)])
    assert ratio_of(found, 16, "a") == Interval(0.5, None, None)
    assert ratio_of(found, 16, "b") == Interval(pytest.approx(0.75), None, None)  # type: ignore[arg-type]
    assert ratio_of(found, 1, "b") == Interval(1.0, 1.0, 1.0)
    (least, reference) = found.overall
    assert least.ratio.value == pytest.approx(sqrt(0.5 * 0.75))
    assert (least.machines, reference.ratio.value) == (2, 1.0)


def test_what_disturbs_a_block_cancels() -> None:
    found = compared(lab(spread=0.001))
    ratio = ratio_of(found, 16, "a")
    assert ratio is not None
    assert ratio.mean == pytest.approx(0.5, abs=0.002)
    assert ratio.half_width is not None
    assert ratio.half_width < 0.005, "a block's own drift is 20 %"


def test_the_mean_over_machines_has_an_interval_by_t_over_machines() -> None:
    found = compared(lab())
    (least, reference) = found.overall
    logs = [log(ratio.mean) for m in SPEED if (ratio := ratio_of(found, 16, m))]
    ratio = least.ratio.interval
    assert ratio.mean == pytest.approx(exp(fmean(logs)))
    assert ratio.high == pytest.approx(exp(fmean(logs) + 4.302653 * stdev(logs) / sqrt(3)))
    assert (least.rank, reference.rank) == (1, 2)
    assert reference.ratio.interval == Interval(1.0, 1.0, 1.0)


def test_two_machines_are_no_sample() -> None:
    found = compared([one for one in lab() if one.labels["machine"] != "c"])
    assert [(one.ratio.interval.half_width, one.rank) for one in found.overall] == [(None, None)] * 2


def test_ranks_are_shared_where_figures_may_be_equal() -> None:
    random = Random(1)
    same = [on("a", batch, random.gauss(1, 0.1), block) for block in range(6) for batch in (1, 2)]
    more = [on("a", 4, random.gauss(5, 0.1), block) for block in range(6)]
    ranks = {dict(c.configuration)["batch_size"]: c.rank for c in compared(same + more).cells}
    assert ranks == {1: 1, 2: 1, 4: 3}


def test_modelled_joules_have_neither_ratio_nor_rank_and_seconds_decide() -> None:
    modelled = [
        on("a", batch, joules, block, quality=Quality.MODELLED, units_per_s=100 / joules + block)
        for batch, joules in ((1, 2.0), (16, 1.0))
        for block in range(3)
    ]
    assert [(cell.ratio, cell.rank) for cell in compared(modelled, Figure.NET).cells] == [(None, None)] * 2
    found = compared(modelled, None)
    assert found.figure is Figure.SECONDS
    assert [cell.rank for cell in found.cells] == [2, 1]


def test_a_value_of_zero_or_less_has_no_ratio() -> None:
    found = compared([on("a", 1, 2.0), on("a", 16, 1.0), on("a", 4, -1.0)])
    assert ratio_of(found, 4, "a") is None
    assert ratio_of(found, 16, "a") is not None


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


def test_a_row_of_flagged_trials_alone_is_never_compared() -> None:
    bad = [on("a", 16, 1.0, block, flags=(Flag.THROTTLED,)) for block in range(3)]
    sound = [on("a", batch, joules + block, block) for batch, joules in ((1, 2.0), (4, 1.0)) for block in range(3)]
    found = compared([*sound, *bad])
    assert [(cell.ratio is None, cell.rank) for cell in found.cells] == [(False, 1), (False, 1), (True, None)]
    of_bad = compared([*sound, *bad], batch_size="16")
    assert [cell.ratio for cell in of_bad.cells] == [None, None, None]


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
    found = compared([replace(one, carbon=CarbonFactor()) for one in unknown], Figure.GRAMS)
    assert [cell.ratio for cell in found.cells] == [None] * 4
    assert not found.overall


def test_a_reference_is_spelt_as_in_a_sweep() -> None:
    assert parse_reference("model=alexnet, batch_size=1") == {"model": "alexnet", "batch_size": "1"}
    with pytest.raises(InputError, match="--relative-to"):
        parse_reference("batch_size")
