"""The claims of the training study about layers: each verdict from trainings that call for it."""

from collections.abc import Mapping

import pytest

from farm.model import StoppingRule
from farm.studies.claims.finding import Finding, Verdict
from farm.studies.claims.training import findings
from tests.claims import Cells, cells, found, trainings, trials

AGREES, DIFFERS, UNCLEAR = Verdict


def judged(
    claim: str, given: Cells, spread: float = 0.01, repetitions: int = 5, accuracy: Mapping[int, float] | None = None
) -> Finding:
    """`accuracy` by convolutions."""
    samples = trainings(given, repetitions, spread)
    reached = {
        str(s.labels["trial"]): (accuracy or {1: 0.86, 4: 0.87})[int(s.labels["conv_layers"] or 0)]
        + 0.001 * int(s.labels["repetition"] or 0)
        for s in samples
    }
    return found(findings(trials(samples), reached), claim)


@pytest.mark.parametrize(
    ("given", "spread", "verdict"),
    [
        (cells(conv=2.0), 0.01, AGREES),
        (cells(conv=1.02, linear=2.0), 0.01, DIFFERS),
        (cells(conv=1.3), 1.0, UNCLEAR),
        (cells(conv=1.1, linear=1.09, relu=1.09), 0.01, UNCLEAR),  # the largest, but not most of it
    ],
)
def test_convolutions_dominate(given: Cells, spread: float, verdict: Verdict) -> None:
    assert judged("convolutions-dominate", given, spread).verdict is verdict


@pytest.mark.parametrize(
    ("conv", "spread", "verdict"),
    [(2.0, 0.01, AGREES), (4.0, 0.01, DIFFERS), (1.0, 0.01, DIFFERS), (2.0, 0.5, UNCLEAR)],
)
def test_convolutions_double_the_energy(conv: float, spread: float, verdict: Verdict) -> None:
    assert judged("convolutions-double", cells(conv=conv), spread).verdict is verdict


def test_repetitions_that_depended_on_results_make_a_ratio_less_sure() -> None:
    samples = trainings(cells())
    rule = StoppingRule(min=2, max=9, target=0.02)
    fixed, repeated = (
        found(findings(trials(samples), {}, rules), "smallest-saves-half").figures[0]
        for rules in ({}, {str(samples[0].labels.get("sweep")): rule})
    )
    assert fixed.value.mean == repeated.value.mean
    assert (repeated.value.half_width or 0) > 1.5 * (fixed.value.half_width or 0)


@pytest.mark.parametrize("factor", ["linear", "relu"])
@pytest.mark.parametrize(
    ("ratio", "spread", "verdict"), [(1.03, 0.01, AGREES), (2.0, 0.01, DIFFERS), (1.0, 0.8, UNCLEAR)]
)
def test_the_other_layers_matter_little(factor: str, ratio: float, spread: float, verdict: Verdict) -> None:
    claim = {"linear": "linear-layers-matter-little", "relu": "relu-matters-little"}[factor]
    given = cells(linear=ratio) if factor == "linear" else cells(relu=ratio)
    assert judged(claim, given, spread).verdict is verdict


@pytest.mark.parametrize(
    ("conv", "accuracy", "verdict"),
    [
        (2.0, {1: 0.86, 4: 0.87}, AGREES),
        (2.0, {1: 0.86, 4: 0.80}, AGREES),  # none at all
        (2.0, {1: 0.60, 4: 0.90}, DIFFERS),
        (2.0, {1: 0.860, 4: 0.903}, UNCLEAR),  # just at a twentieth
        (1.0, {1: 0.86, 4: 0.87}, UNCLEAR),  # no more energy was spent
    ],
)
def test_energy_buys_little_accuracy(conv: float, accuracy: Mapping[int, float], verdict: Verdict) -> None:
    assert judged("energy-buys-little-accuracy", cells(conv=conv), accuracy=accuracy).verdict is verdict


def test_unknown_accuracies_show_nothing() -> None:
    own = found(findings(trials(trainings(cells())), {}), "energy-buys-little-accuracy")
    assert (own.verdict, own.figures) == (UNCLEAR, ())


@pytest.mark.parametrize(
    ("conv", "spread", "verdict"), [(2.0, 0.01, AGREES), (1.2, 0.01, DIFFERS), (2.0, 0.6, UNCLEAR)]
)
def test_the_smallest_takes_half_of_the_largest(conv: float, spread: float, verdict: Verdict) -> None:
    smallest = judged("smallest-saves-half", cells(conv=conv), spread)
    assert smallest.verdict is verdict
    assert smallest.figures[0].of == (
        "conv_layers 1, linear_layers 3, relu off against conv_layers 4, linear_layers 7, relu on: net energy"
    )


def test_nothing_measured_is_no_verdict() -> None:
    assert {finding.verdict for finding in findings(trials([]), {})} == {UNCLEAR}


def test_a_missing_cell_is_named() -> None:
    given = {cell: joules for cell, joules in cells().items() if cell != (4, 7, True)}
    few = judged("convolutions-dominate", given)
    assert few.verdict is UNCLEAR
    assert "no trial counts of conv_layers=4,linear_layers=7,relu=True" in few.because


def test_a_factor_that_was_not_varied_is_named() -> None:
    given = {cell: joules for cell, joules in cells().items() if cell[2]}
    assert judged("relu-matters-little", given).because == "relu was not varied"
    assert judged("convolutions-dominate", given).verdict is AGREES


def test_runs_of_a_configuration_are_one_value() -> None:
    configured = [s for lr in (0.001, 0.01) for s in trainings(cells(), factors={"lr": lr})]
    figure = found(findings(trials(configured), {}), "convolutions-double").figures[0]
    assert (len(configured), figure.trials) == (80, 16)


def test_it_must_hold_in_every_setting() -> None:
    here, there = trainings(cells()), trainings(cells(conv=4.0), factors={"dataset": "cifar10"})
    both = found(findings(trials([*here, *there]), {}), "convolutions-double")
    assert both.verdict is DIFFERS
    assert both.because == "of 2 settings 1 agrees, 1 differs"
    assert [figure.of for figure in both.figures] == [
        "conv_layers, 1 to 4: net energy (fashion_mnist)",
        "conv_layers, 1 to 4: net energy (cifar10)",
    ]
