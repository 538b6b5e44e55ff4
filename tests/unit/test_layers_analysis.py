"""A network's energy by type of layer, with closure and ablation, against sums done by hand."""

from dataclasses import replace
from random import Random
from typing import Any

import pytest
from pydantic import JsonValue

from farm.analysis.intervals import Interval
from farm.kinds.layers.costs import Ablation, Closure, LayerCosts, PartCost, TypeCost, layer_costs
from farm.model.energies import COVERAGE_FACTOR

WHOLE = PartCost("whole", "forward", "Net", energy_j=10.0, energy_u_j=0.3, duration_s=0.1)
WHOLE_BACK = PartCost("whole", "backward", "Net", energy_j=20.0, energy_u_j=0.4, duration_s=0.2)
#: Three calls of one convolution and one of another: 3 x 2 J + 1 J = 7 J; u = 3 x 0.1 J + 0.4 J = 0.7 J.
CONV = PartCost("layer", "forward", "Conv2d", 3, energy_j=2.0, energy_u_j=0.1, duration_s=0.02)
CONV2 = PartCost("layer", "forward", "Conv2d", 1, energy_j=1.0, energy_u_j=0.4, duration_s=0.01)
CONV_BACK = PartCost("layer", "backward", "Conv2d", 3, energy_j=5.0, energy_u_j=0.1, duration_s=0.05)
CONV2_BACK = PartCost("layer", "backward", "Conv2d", 1, energy_j=1.0, energy_u_j=0.4, duration_s=0.01)
#: 2 x 1 J forward; u = 2 x 0.6 = 1.2 J. No backward part.
RELU = PartCost("layer", "forward", "ReLU", 2, energy_j=1.0, energy_u_j=0.6, duration_s=0.005)
WITHOUT_RELU = PartCost("ablated", "forward", "Net", ablated="ReLU", energy_j=8.5, energy_u_j=0.4, duration_s=0.09)
ALL = [WHOLE, WHOLE_BACK, CONV, CONV_BACK, CONV2, CONV2_BACK, RELU, WITHOUT_RELU]


#: Student's t for 95 %, one degree of freedom.
T_1 = 12.706204736


def near(value: float) -> Any:
    return pytest.approx(value)


def sure(mean: float, u: float) -> Interval:
    """The figure of one trial, which has no interval, with what its meter leaves open."""
    return Interval(near(mean), None, None, near(COVERAGE_FACTOR * u))


def closure(costs: LayerCosts, pass_: str) -> Closure:
    (found,) = (closure for closure in costs.closures if closure.pass_ == pass_)
    return found


def test_energy_by_type() -> None:
    conv, relu = layer_costs([ALL]).types
    assert conv == TypeCost(
        "Conv2d",
        calls=4,
        forward_j=sure(7, 0.7),
        backward_j=sure(16, 0.7),
        total_j=sure(23, 1.4),
        share=near(23 / 25),
        duration_s=near(0.07 + 0.16),
    )
    assert relu == TypeCost("ReLU", 2, sure(2, 1.2), None, sure(2, 1.2), near(2 / 25), near(0.01))


def test_closure_with_its_interval() -> None:
    """Forward 9 J of 10 J: u = (1.9 + 0.9 x 0.3) / 10. Both: 25 J of 30 J: u = (2.6 + 5/6 x 0.7) / 30."""
    costs = layer_costs([ALL])
    assert [closure.pass_ for closure in costs.closures] == ["forward", "backward", "both"]
    assert closure(costs, "forward") == Closure("forward", sure(9, 1.9), sure(10, 0.3), sure(0.9, 0.217), near(0.8))
    both = closure(costs, "both")
    assert (both.layers_j, both.whole_j) == (sure(25, 2.6), sure(30, 0.7))
    assert both.ratio == sure(25 / 30, (2.6 + 0.7 * 25 / 30) / 30)
    assert [found.is_closed for found in costs.closures] == [True, True, True]


@pytest.mark.parametrize(
    ("energy_j", "closed"), [(7.9, False), (8.0, True), (12.0, True), (12.1, False), (-3.0, False), (None, None)]
)
def test_layers_outside_0_8_and_1_2_of_the_whole_are_marked(energy_j: float | None, closed: bool | None) -> None:
    (found,) = layer_costs([[WHOLE, replace(CONV2, energy_j=energy_j)]]).closures
    assert found.is_closed is closed


@pytest.mark.parametrize(("energy_j", "u"), [(0.5, 0.3), (0.0, None), (-1.0, 0.1)])
def test_a_whole_that_is_lost_in_noise_has_no_ratio(energy_j: float, u: float | None) -> None:
    (found,) = layer_costs([[replace(WHOLE, energy_j=energy_j, energy_u_j=u), CONV]]).closures
    assert (found.ratio, found.is_closed, found.duration_ratio) == (None, None, near(0.6))


def test_ablation_against_the_layers_alone() -> None:
    """10 J - 8.5 J = 1.5 J, u = 0.3 J + 0.4 J; alone 2 J, u = 1.2 J; so 0.5 J apart, u = 1.9 J."""
    (found,) = layer_costs([ALL]).ablations
    assert found == Ablation("ReLU", "forward", sure(2, 1.2), sure(1.5, 0.7), sure(0.5, 1.9))
    assert found.agrees is None, "one trial shows no spread"
    apart = [*ALL[:-2], replace(RELU, energy_j=3.0), WITHOUT_RELU]
    (two,) = layer_costs([apart, apart]).ablations
    assert two.gap_j == Interval(4.5, near(4.5), near(4.5))
    assert two.agrees is False
    (like,) = layer_costs([apart, [*ALL[:-2], replace(RELU, energy_j=0.5), WITHOUT_RELU]]).ablations
    assert like.agrees is True


def test_one_unknown_part_makes_its_sums_unknown_and_no_others() -> None:
    costs = layer_costs([[replace(part, energy_j=None) if part is CONV2 else part for part in ALL]])
    conv, relu = costs.types
    assert (conv.forward_j, conv.total_j, conv.share, relu.share) == (None, None, None, None)
    assert (conv.backward_j, relu.total_j) == (sure(16, 0.7), sure(2, 1.2))
    assert [found.ratio is None for found in costs.closures] == [True, False, True]
    assert costs.ablations[0].gap_j == sure(0.5, 1.9)


def test_joules_without_uncertainty_have_no_interval() -> None:
    costs = layer_costs([[replace(part, energy_u_j=None) if part is CONV else part for part in ALL]])
    assert costs.types[0].forward_j == Interval(7.0, None, None)
    assert closure(costs, "forward").ratio == Interval(0.9, None, None)
    assert closure(costs, "forward").is_closed is True
    assert closure(costs, "backward").ratio == sure(0.8, (0.7 + 0.8 * 0.4) / 20)
    unsure = layer_costs([[replace(part, energy_u_j=None) if part is WHOLE else part for part in ALL]]).ablations[0]
    assert (unsure.gap_j, unsure.agrees) == (Interval(0.5, None, None), None)


def test_inference_has_one_closure() -> None:
    costs = layer_costs([[WHOLE, CONV, RELU]])
    assert [closure.pass_ for closure in costs.closures] == ["forward"]
    assert [found.backward_j for found in costs.types] == [None, None]
    assert costs.types[0].share == near(6 / 8)


def test_nothing_measured_is_nothing_known() -> None:
    assert layer_costs([]) == LayerCosts((), (), ())
    (found,) = layer_costs([[WHOLE]]).closures
    assert (found.layers_j, found.ratio, found.duration_ratio) == (None, None, None)


# Several trials


def test_sums_ratios_and_gaps_are_those_of_each_trial() -> None:
    """A board 10 % hotter in the second trial takes more in every part: the ratio of parts does not move."""
    hotter = [replace(part, energy_j=1.1 * (part.energy_j or 0.0)) for part in ALL]
    costs = layer_costs([ALL, hotter])
    forward = closure(costs, "forward")
    assert forward.layers_j == Interval(near(9.45), near(9.45 - 0.45 * T_1), near(9.45 + 0.45 * T_1))
    assert forward.ratio is not None
    assert (forward.ratio.low, forward.ratio.high) == (near(0.9), near(0.9))
    (ablation,) = costs.ablations
    assert ablation.gap_j == Interval(near(0.525), near(0.525 - 0.025 * T_1), near(0.525 + 0.025 * T_1))


def test_what_all_trials_share_widens_sums_and_cancels_in_ratios() -> None:
    """A meter of a class of 10 %: no number of trials makes a sum more certain than that."""
    shared = [replace(part, shared_u_j=0.1 * (part.energy_j or 0.0)) for part in ALL]
    forward = closure(layer_costs([shared] * 3), "forward")
    assert forward.layers_j is not None
    assert forward.layers_j.relative == pytest.approx(0.1 * COVERAGE_FACTOR, rel=1e-3)
    assert forward.ratio is not None
    assert (forward.ratio.low, forward.ratio.high) == (near(0.9), near(0.9))


def test_a_trial_without_a_part_is_left_out_of_its_sums_alone() -> None:
    lost = [replace(part, energy_j=None) if part is RELU else part for part in ALL]
    costs = layer_costs([ALL, lost])
    assert costs.types[1].forward_j == sure(2, 1.2)
    assert costs.types[0].forward_j == Interval(near(7), near(7), near(7))


def test_a_whole_that_is_noise_in_one_trial_has_no_ratio() -> None:
    wholes = [[replace(WHOLE, energy_j=energy_j), CONV] for energy_j in (10.0, 10.1, 9.9, 10.0, -0.1)]
    assert layer_costs(wholes[:4]).closures[0].ratio is not None
    assert layer_costs(wholes).closures[0].ratio is None


@pytest.mark.parametrize("shared", [0.0, 0.2])
def test_intervals_of_sums_and_closure_hold_the_truth(shared: float) -> None:
    """Ten layers of 1 J and a whole of 12 J; each trial has its own baseline, wrong by `shared` J in every part."""
    random, held = Random(4), [0, 0]
    for _ in range(400):
        trials = []
        for _ in range(4):
            off = random.gauss(0, shared)
            layers = [replace(CONV2, energy_j=1 + off + random.gauss(0, 0.05), energy_u_j=None) for _ in range(10)]
            trials.append([*layers, replace(WHOLE, energy_j=12 + off + random.gauss(0, 0.05), energy_u_j=None)])
        found = layer_costs(trials).closures[0]
        assert found.layers_j is not None
        assert found.ratio is not None
        for place, (one, truth) in enumerate(((found.layers_j, 10.0), (found.ratio, 10 / 12))):
            held[place] += (one.low or 0.0) <= truth <= (one.high or 0.0)
    assert min(held) >= 368  # 92 %
    assert max(held) <= 396


def test_a_part_comes_from_a_trials_facts() -> None:
    fact: dict[str, JsonValue] = {
        "index": 4,
        "label": "ReLU features.relu0",
        "kind": "layer",
        "pass": "forward",
        "type": "ReLU",
        "names": ["features.relu0"],
        "count": 2,
        "input_shape": [4, 3, 8, 8],
        "parameters": 0,
        "ablated": None,
    }
    assert PartCost.of(fact, energy_j=1.0, energy_u_j=0.6, duration_s=0.005) == RELU
    assert PartCost.of({**fact, "kind": "ablated", "ablated": "ReLU"}).ablated == "ReLU"
