"""The claims of the batching study about energy: each verdict from trials that call for it."""

from typing import Any

import pytest

from farm.model import Flag, Quality
from farm.studies.claims.batching import findings
from farm.studies.claims.finding import Basis, Finding, Verdict
from tests.claims import Joules, found, inference, trials

AGREES, DIFFERS, UNCLEAR = Verdict
SAVING: Joules = {"alexnet": {1: 10, 16: 5}, "vit_b_16": {1: 40, 16: 24}}
SAME: Joules = {"alexnet": {1: 10, 16: 10.2}, "vit_b_16": {1: 40, 16: 40}}
DECADE = {
    "alexnet": 1.0,
    "googlenet": 2.0,
    "resnet18": 3.0,
    "shufflenet_v2_x0_5": 4.5,
    "vit_b_16": 7.5,
    "convnext_base": 11,
}


def judged(claim: str, joules: Joules, **changes: Any) -> Finding:
    return found(findings(trials(inference(joules, **changes))), claim)


def best_batch_only(values: dict[str, float]) -> Joules:
    return {model: {1: value} for model, value in values.items()}


# Energy by batch


@pytest.mark.parametrize(
    ("joules", "spread", "verdict"),
    [
        (SAVING, 0.01, AGREES),
        ({"alexnet": {1: 10, 16: 20}}, 0.01, AGREES),  # a strong change is one in either direction
        (SAME, 0.01, DIFFERS),
        (SAVING, 1.5, UNCLEAR),
        ({"alexnet": {1: 10, 16: 5}, "vit_b_16": {1: 40, 16: 40}}, 0.01, UNCLEAR),  # networks disagree
        ({"alexnet": {1: 10, 16: 8}}, 0.01, UNCLEAR),  # just at a fifth less
    ],
)
def test_energy_by_batch(joules: Joules, spread: float, verdict: Verdict) -> None:
    assert judged("energy-by-batch", joules, spread=spread).verdict is verdict


def test_net_and_gross_are_figures_and_net_decides() -> None:
    figures = judged("energy-by-batch", {"alexnet": {1: 10, 4: 8, 16: 5}}).figures
    assert [(f.of, f.verdict) for f in figures] == [
        ("alexnet: net energy per image, batch 16 against 1", AGREES),
        ("alexnet: gross energy per image, batch 16 against 1", None),
    ]
    assert figures[0].value.mean == pytest.approx(0.5, rel=0.03)
    assert figures[0].trials == 10


def test_gross_decides_where_a_net_energy_is_within_its_noise() -> None:
    found_here = judged("energy-by-batch", SAVING, net_u_j=100.0)
    assert {f.of.split(": ")[1].split()[0] for f in found_here.figures} == {"gross"}
    assert found_here.verdict is AGREES


def test_one_batch_size_gives_no_verdict() -> None:
    alone = judged("energy-by-batch", {"alexnet": {1: 10}})
    assert (alone.verdict, alone.figures) == (UNCLEAR, ())
    assert alone.because == "no network was measured with two batch sizes"


def test_single_trials_give_no_verdict() -> None:
    assert judged("energy-by-batch", SAVING, repetitions=1).verdict is UNCLEAR


def test_nothing_measured_is_no_verdict() -> None:
    assert {finding.verdict for finding in findings(trials([]))} == {UNCLEAR}


def test_unknown_joules_are_no_verdict() -> None:
    unknown = judged("energy-by-batch", SAVING, net_j=None, gross_j=None, net_u_j=None)
    assert unknown.verdict is UNCLEAR
    assert unknown.because == "the joules of all trials are unknown: `farm doctor` shows what is missing"


def test_flagged_trials_are_left_out_unless_they_are_asked_for() -> None:
    flagged = inference(SAVING, flags=(Flag.CONTAMINATED,))
    alone = found(findings(trials(flagged)), "energy-by-batch")
    assert alone.verdict is UNCLEAR
    assert alone.because == "each of the 20 trials is flagged: --include-flagged counts them too"
    assert (alone.basis.trials, alone.basis.left_out) == (0, 20)
    all_of_them = found(findings(trials(flagged, include_flagged=True)), "energy-by-batch")
    assert all_of_them.verdict is AGREES
    assert (all_of_them.basis.trials, all_of_them.basis.flagged) == (20, 20)


def test_too_few_without_the_flagged_shows_what_would_help() -> None:
    sound, flagged = inference({"alexnet": {1: 10}}), inference({"alexnet": {16: 5}}, flags=(Flag.THROTTLED,))
    few = found(findings(trials([*sound, *flagged])), "energy-by-batch")
    assert few.because == (
        "no network was measured with two batch sizes, without the flagged trials: --include-flagged counts them too"
    )


def test_machines_and_kinds_of_joules_are_judged_apart() -> None:
    here = inference({"alexnet": {1: 10, 16: 5}})
    elsewhere = inference({"alexnet": {1: 1000, 16: 1000}}, quality=Quality.MODELLED)
    both = found(findings(trials([*here, *elsewhere])), "energy-by-batch")
    assert [f.of for f in both.figures if f.verdict] == [
        "alexnet: net energy per image, batch 16 against 1 (counter)",
        "alexnet: net energy per image, batch 16 against 1 (modelled)",
    ]
    assert both.verdict is UNCLEAR
    assert both.is_modelled


def test_what_it_rests_on() -> None:
    assert judged("energy-by-batch", SAVING, quality=Quality.MODELLED, simulated=True).basis == Basis(
        trials=20, machines=("lab1",), devices=("cuda",), qualities=(Quality.MODELLED,), simulated=True
    )


# Networks


@pytest.mark.parametrize(
    ("joules", "spread", "verdict"),
    [
        ({"alexnet": {1: 10, 16: 5}, "vit_b_16": {1: 40, 16: 36}}, 0.01, AGREES),
        ({"alexnet": {1: 10, 16: 5}, "vit_b_16": {1: 40, 16: 20}}, 0.01, DIFFERS),
        ({"alexnet": {1: 10, 16: 5}, "vit_b_16": {1: 40, 16: 23}}, 0.5, UNCLEAR),
        ({"alexnet": {1: 10, 16: 5}, "vit_b_16": {1: 40}}, 0.01, UNCLEAR),
        ({"alexnet": {1: 10, 16: 5}, "vit_b_16": {1: 40, 8: 20}}, 0.01, UNCLEAR),
    ],
)
def test_the_effect_depends_on_the_network(joules: Joules, spread: float, verdict: Verdict) -> None:
    assert judged("depends-on-network", joules, spread=spread).verdict is verdict


def test_a_cell_with_too_few_trials_is_named() -> None:
    samples = inference(SAVING)
    samples = [s for s in samples if s.labels["model"] != "alexnet" or s.labels["repetition"] == 0]
    few = found(findings(trials(samples)), "depends-on-network")
    assert (few.verdict, few.basis.left_out) == (UNCLEAR, 0)
    assert few.because == "one trial counts of model=alexnet,batch_size=1, but two or more are needed"


# The decade


@pytest.mark.parametrize(
    ("growth", "verdict"),
    [(1.0, AGREES), (-1.0, DIFFERS)],
)
def test_energy_outgrows_accuracy(growth: float, verdict: Verdict) -> None:
    joules = best_batch_only({model: value**growth for model, value in DECADE.items()})
    decade = judged("energy-outgrows-accuracy", joules)
    assert decade.verdict is verdict
    assert "a line through 6 papers" in decade.because


def test_trials_of_many_years_decide_where_there_are_such() -> None:
    few = trials(inference(best_batch_only({"alexnet": 1.0, "resnet18": 2.0})))
    many = trials(inference(best_batch_only(DECADE)))
    assert found(findings(few), "energy-outgrows-accuracy").verdict is UNCLEAR
    assert found(findings(few, many), "energy-outgrows-accuracy").verdict is AGREES
    assert found(findings(many, few), "energy-outgrows-accuracy").verdict is UNCLEAR


def test_few_papers_cannot_show_a_decade() -> None:
    few = best_batch_only({model: DECADE[model] for model in ("alexnet", "resnet18", "convnext_base")})
    decade = judged("energy-outgrows-accuracy", few)
    assert decade.verdict is UNCLEAR
    assert "through 3 papers, but 5 are needed" in decade.because
    assert judged("energy-outgrows-accuracy", best_batch_only({"alexnet": 1.0})).figures == ()


# The exception


@pytest.mark.parametrize(
    ("shufflenet", "spread", "verdict"), [(1.0, 0.01, AGREES), (3.0, 0.01, DIFFERS), (1.95, 0.2, UNCLEAR)]
)
def test_shufflenet_is_the_exception(shufflenet: float, spread: float, verdict: Verdict) -> None:
    joules = best_batch_only({"alexnet": 2.0, "vit_b_16": 9.0, "shufflenet_v2_x0_5": shufflenet})
    assert judged("shufflenet-is-efficient", joules, spread=spread).verdict is verdict


def test_each_network_stands_by_its_best_batch() -> None:
    joules = {"alexnet": {1: 2.0, 16: 0.5}, "shufflenet_v2_x0_5": {1: 1.0, 16: 0.9}}
    assert judged("shufflenet-is-efficient", joules).verdict is DIFFERS


def test_no_exception_without_the_network() -> None:
    assert judged("shufflenet-is-efficient", SAVING).verdict is UNCLEAR
