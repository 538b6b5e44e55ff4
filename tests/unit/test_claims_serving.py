"""The claims of the batching study about response times: each verdict from times that call for it."""

from collections.abc import Mapping, Sequence
from math import exp
from random import Random

import pytest

from farm.analysis.ratios import blocked
from farm.load.policy import Policy
from farm.model import Quality
from farm.report.notes import MODELLED
from farm.studies.claims.finding import Basis, Finding, Times, Verdict
from farm.studies.claims.serving import STUDY_RATE_PER_S, Answers, Source, findings, judge_energy, simulate
from tests.claims import found, one, trials
from tests.serving import service

AGREES, DIFFERS, UNCLEAR = Verdict
SURE, UNSURE = (0.99, 1.0, 1.01), (0.2, 1.0, 5.0)
NOTHING = "nothing was served"


def answers(mean_s: Mapping[str, float], spread: Sequence[float] = SURE, times: Times = Times.LIVE) -> Answers:
    each = [
        (Policy.parse(name), block, value * spread[(place + block) % len(spread)])
        for place, (name, value) in enumerate(mean_s.items())
        for block in range(len(spread))
    ]
    return Answers("alexnet", 16.0, times, blocked(each))


def judged(claim: str, *each: Answers) -> Finding:
    return found(findings([Source(each, Basis(times=Times.LIVE))], NOTHING), claim)


@pytest.mark.parametrize(
    ("mean_s", "spread", "verdict"),
    [
        ({"fixed:16": 0.5, "fixed:128": 4.0}, SURE, AGREES),
        ({"greedy:1": 0.1, "fixed:16": 0.5}, SURE, AGREES),
        ({"fixed:16": 0.5, "fixed:128": 0.52}, SURE, DIFFERS),
        ({"fixed:16": 0.5, "fixed:128": 1.0}, UNSURE, UNCLEAR),
        ({"fixed:16": 0.5, "greedy:16": 0.1}, SURE, UNCLEAR),  # one size alone
    ],
)
def test_response_by_batch(mean_s: Mapping[str, float], spread: Sequence[float], verdict: Verdict) -> None:
    assert judged("response-by-batch", answers(mean_s, spread)).verdict is verdict


@pytest.mark.parametrize(
    ("mean_s", "spread", "verdict"),
    [
        ({"greedy:16": 0.1, "fixed:4": 0.3, "fixed:16": 0.6}, SURE, AGREES),
        ({"greedy:16": 0.1, "fixed:4": 0.3, "fixed:16": 0.2}, SURE, DIFFERS),
        ({"greedy:16": 0.5, "fixed:16": 0.2}, SURE, DIFFERS),
        ({"greedy:16": 0.1, "fixed:16": 0.2}, UNSURE, UNCLEAR),
        ({"greedy:16": 0.1}, SURE, UNCLEAR),
    ],
)
def test_greedy_is_soonest(mean_s: Mapping[str, float], spread: Sequence[float], verdict: Verdict) -> None:
    assert judged("greedy-is-soonest", answers(mean_s, spread)).verdict is verdict


def test_live_requests_decide_and_simulated_ones_stand_beside() -> None:
    live = answers({"greedy:8": 0.1, "fixed:8": 0.3})
    other = answers({"greedy:8": 0.3, "fixed:8": 0.1}, times=Times.SIMULATED)
    sources = [Source([live], Basis(times=Times.LIVE)), Source([other], Basis(times=Times.SIMULATED))]
    judged = found(findings(sources, NOTHING), "greedy-is-soonest")
    assert (judged.verdict, judged.basis.times) == (AGREES, Times.LIVE)
    assert [figure.verdict for figure in judged.figures] == [AGREES, None]
    alone = found(findings([Source([], Basis(times=Times.LIVE)), sources[1]], NOTHING), "greedy-is-soonest")
    assert (alone.verdict, alone.basis.times) == (DIFFERS, Times.SIMULATED)


@pytest.mark.parametrize(
    ("joules", "spread", "verdict"),
    [
        ({"greedy:16": 1.0, "fixed:4": 1.2, "fixed:16": 1.1}, 0.01, AGREES),
        ({"greedy:16": 1.0, "fixed:4": 1.2, "fixed:16": 0.8}, 0.01, DIFFERS),
        ({"greedy:16": 1.0, "fixed:4": 1.2, "fixed:16": 1.1}, 0.5, UNCLEAR),
        ({"greedy:16": 1.0}, 0.01, UNCLEAR),
    ],
)
def test_greedy_takes_least(joules: Mapping[str, float], spread: float, verdict: Verdict) -> None:
    random = Random(7)
    samples = [
        one(
            {"model": "alexnet", "rate_per_s": 16.0, "policy": policy, "repetition": n},
            value * exp(random.gauss(0, spread)),
        )
        for policy, value in joules.items()
        for n in range(5)
    ]
    assert judge_energy(trials(samples)).verdict is verdict


def test_modelled_joules_of_bursts_decide_nothing() -> None:
    samples = [
        one({"model": "alexnet", "rate_per_s": 16.0, "policy": policy}, value * s, quality=Quality.MODELLED)
        for policy, value in {"greedy:16": 1.0, "fixed:16": 2.0}.items()
        for s in SURE
    ]
    assert (judge_energy(trials(samples)).verdict, judge_energy(trials(samples)).because) == (UNCLEAR, MODELLED)


def test_nothing_served_is_no_verdict() -> None:
    assert judge_energy(trials([])).verdict is UNCLEAR
    assert {(f.verdict, f.because) for f in findings([], NOTHING)} == {(UNCLEAR, NOTHING)}


def timed(by_size: Mapping[int, float]) -> Answers:
    """Simulated over three trials that differ by a hundredth."""
    spread = [[(value * s,) * 20 for s in SURE] for value in by_size.values()]
    own = service({size: [value] for size, value in by_size.items()})
    batches = tuple(
        type(batch)(batch.size, tuple(sorted(x for each in each_trial for x in each)), None, tuple(each_trial))
        for batch, each_trial in zip(own.batches, spread, strict=True)
    )
    return simulate(type(own)(key=own.key, batches=batches), "alexnet")


def test_a_fast_machine_is_asked_for_the_studys_rate_a_slow_one_for_what_it_can_serve() -> None:
    assert timed({1: 0.002, 8: 0.004}).rate_per_s == STUDY_RATE_PER_S
    assert timed({1: 0.5, 8: 1.0}).rate_per_s == pytest.approx(1.0, rel=0.02)


def test_simulated_policies_agree_with_the_study() -> None:
    own = timed({1: 0.002, 4: 0.003, 16: 0.006})
    assert [str(policy) for policy in own.mean_s.logs] == ["greedy:16", "fixed:1", "fixed:4", "fixed:16"]
    assert {len(values) for values in own.mean_s.logs.values()} == {3}
    assert [finding.verdict for finding in findings([Source([own], Basis())], NOTHING)] == [AGREES, AGREES]
