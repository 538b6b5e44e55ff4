"""The claims of the training study about searches: each verdict from studies that call for it."""

from collections.abc import Sequence

import pytest

from farm.kinds.tuning.searches import Study
from farm.model import Quality
from farm.studies.claims.finding import Basis, Finding, Verdict
from farm.studies.claims.searches import Searches, findings
from tests.claims import found, study

AGREES, DIFFERS, UNCLEAR = Verdict
SEEDS = range(8)
LATE, EARLY = (0.5, 0.6, 0.7, 0.8, 0.9), (0.95, 0.5, 0.5, 0.5, 0.5)


def judged(claim: str, studies: Sequence[Study]) -> Finding:
    return found(findings(Searches(studies, Basis())), claim)


def searches(strategy: str, accuracies: Sequence[float], joules: Sequence[float] = (10.0,)) -> list[Study]:
    """A study a seed; the joules of a training go round."""
    return [study(strategy, seed, accuracies, joules[seed % len(joules)]) for seed in SEEDS]


@pytest.mark.parametrize(
    ("joules", "verdict"),
    [((10.0, 10.1), AGREES), ((13.0, 13.1), DIFFERS), ((5.0, 18.0), UNCLEAR)],
)
def test_strategies_cost_alike(joules: Sequence[float], verdict: Verdict) -> None:
    studies = [*searches("random", LATE, (10.0, 10.1)), *searches("gp-pi", LATE, joules)]
    assert judged("strategies-cost-alike", studies).verdict is verdict


def test_one_search_a_strategy_cannot_show_costs() -> None:
    alone = judged("strategies-cost-alike", [study("random", 1, LATE), study("gp-pi", 1, LATE)])
    assert alone.verdict is UNCLEAR
    assert alone.because.startswith("one trial counts of strategy=gp-pi")


@pytest.mark.parametrize(("claim", "other"), [("bayesian-beats-random", "random"), ("bayesian-beats-grid", "grid")])
@pytest.mark.parametrize(("wins", "verdict"), [(8, AGREES), (0, DIFFERS), (5, UNCLEAR)])
def test_bayesian_search_ends_above(claim: str, other: str, wins: int, verdict: Verdict) -> None:
    own = [study("gp-pi", seed, (0.9 if seed < wins else 0.5,)) for seed in SEEDS]
    ended = judged(claim, [*own, *searches(other, (0.7,))])
    assert ended.verdict is verdict
    assert ended.figures[0].of == f"gp-pi above {other}: {wins} of 8 studies"


def test_the_studys_own_strategy_decides_and_others_stand_beside() -> None:
    studies = [*searches("tpe", (0.5,)), *searches("gp-pi", (0.9,)), *searches("random", (0.7,))]
    ended = judged("bayesian-beats-random", studies)
    assert ended.verdict is AGREES
    assert [(f.of.split()[0], f.verdict) for f in ended.figures] == [("gp-pi", AGREES), ("tpe", None)]


def test_ties_speak_for_neither() -> None:
    ended = judged("bayesian-beats-random", [*searches("gp-pi", (0.7,)), *searches("random", (0.7,))])
    assert (ended.verdict, ended.figures) == (UNCLEAR, ())


def test_no_grid_is_no_verdict() -> None:
    ended = judged("bayesian-beats-grid", [*searches("gp-pi", (0.9,)), *searches("random", (0.7,))])
    assert ended.verdict is UNCLEAR
    assert ended.because == "grid search is not among the searches"


@pytest.mark.parametrize(
    ("own", "verdict"),
    [
        (searches("gp-pi", EARLY), AGREES),
        (searches("gp-pi", LATE), DIFFERS),
        (searches("gp-pi", (0.5,)), DIFFERS),  # never passes
        (searches("gp-pi", EARLY)[:3], UNCLEAR),  # too few seeds
        ([*searches("gp-pi", EARLY)[:4], *searches("gp-pi", LATE)[4:]], UNCLEAR),
    ],
)
def test_bayesian_search_passes_randoms_best_early(own: Sequence[Study], verdict: Verdict) -> None:
    assert judged("bayesian-passes-early", [*own, *searches("random", LATE)]).verdict is verdict


def test_accuracy_alone_rests_on_no_joules() -> None:
    studies = [*searches("gp-pi", (0.9,)), *searches("random", (0.7,))]
    own = findings(Searches(studies, Basis(qualities=(Quality.MODELLED,))))
    assert {finding.claim.id: finding.is_modelled for finding in own} == {
        "strategies-cost-alike": True,
        "bayesian-beats-random": False,
        "bayesian-beats-grid": False,
        "bayesian-passes-early": True,
    }


def test_nothing_searched_is_no_verdict() -> None:
    found_here = findings(Searches([], Basis()))
    assert {(f.verdict, f.because) for f in found_here} == {(UNCLEAR, "no search was measured")}
