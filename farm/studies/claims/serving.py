"""What "Batching for Green AI" claims of response times, judged by policies under one rate of requests. Pure."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from farm.analysis.across import Figure as Energy
from farm.analysis.across import blocked_samples
from farm.analysis.ratios import Blocked, blocked
from farm.analysis.rules import may_rank_energy
from farm.kinds.serving.simulated.assess import assess
from farm.kinds.serving.simulated.service import Service
from farm.load.arrivals import Constant
from farm.load.policy import Policy
from farm.report.notes import MODELLED
from farm.studies.claims import rules
from farm.studies.claims.batching import PLACE
from farm.studies.claims.finding import Basis, Claim, Figure, Finding, Times, Trials, Verdict
from farm.studies.claims.rules import Compared

#: Requests per second in the study, and requests in one cell of its design.
STUDY_RATE_PER_S, STUDY_REQUESTS = 16.0, 8192
#: Largest share of the capacity of the slowest policy that is simulated on slower machines.
MOST_LOAD = 0.5

RESPONSE = Claim(
    id="response-by-batch",
    statement="Batching changes the response time strongly.",
    figures="ConvNeXt at 32 requests/s: mean 0.48, 0.92, 2.00, 3.97 s in batches of 16, 32, 64, 128; GPU",
    rule="Agrees if for most networks the mean response in the largest batches is at least 25% above or 20% below "
    "that in the smallest, with its whole 95 % interval, and for no network it stays within these bounds. Differs if "
    "it is the other way round.",
    of_energy=False,
)
POLICY = Claim(
    id="greedy-is-soonest",
    statement="At a fixed rate larger fixed batches wait longer, and greedy ones answer soonest.",
    figures="ConvNeXt at 32 requests/s: 0.48 to 3.97 s in fixed batches, 0.165 s in greedy ones; GPU",
    rule="Agrees if for most networks each step takes longer, from greedy to the smallest fixed batch and on to the "
    "largest (95 % interval of the ratio above 1, Holm), and for no network a step takes less. Differs if it is the "
    "other way round.",
    of_energy=False,
)
ENERGY = Claim(
    id="greedy-takes-least",
    statement="At a fixed rate greedy batches take the least energy.",
    figures="ConvNeXt, 128 requests at 32/s: 397 J, against 424 to 493 J in fixed batches; GPU, gross",
    rule="Agrees if for most networks greedy batches of live requests take fewer gross joules than each fixed size "
    "(95 % interval of the ratio below 1, Holm), and for no network a fixed size takes fewer. Differs if it is the "
    "other way round.",
)
#: Labels that must be equal in live trials that are compared.
LOADS = (*PLACE, "model", "rate_per_s", "arrivals", "preprocess")


@dataclass(frozen=True, slots=True)
class Answers:
    """Mean response times of one network under one rate of requests, block by block, for each policy."""

    of: str  #: the network, and what distinguishes its place from others
    rate_per_s: float
    times: Times
    mean_s: Blocked[Policy]  #: all policies of a block serve the same requests

    def compare(self, pairs: Iterable[tuple[Policy, Policy]]) -> dict[tuple[Policy, Policy], Compared]:
        """Return the ratios of the response time of the second policy of each pair to that of the first."""
        return rules.compare(self.mean_s, {(a, b): (b, a) for a, b in pairs})

    def figure(self, a: Policy, b: Policy, pair: Compared, verdict: Verdict) -> Figure:
        """Return the comparison of two policies as a figure."""
        what = f"{self.of}: mean response at {self.rate_per_s:.3g}/s, {b} against {a}"
        return pair.figure(f"{what} ({self.times})", verdict)


def _choose_fixed(policies: Iterable[Policy]) -> list[Policy]:
    """Return the policies whose batches all have one size, the smallest first: also those of one request."""
    by_size = {policy.size: policy for policy in policies if policy.is_fixed or policy.size == 1}
    return [by_size[size] for size in sorted(by_size)]


def _choose_greedy(policies: Iterable[Policy]) -> Policy | None:
    """Return the greedy policy with the largest batches."""
    return max((p for p in policies if not p.timeout_s and p.size > 1), key=lambda p: p.size, default=None)


def simulate(service: Service, of: str) -> Answers:
    """Simulate fixed batches of each measured size and greedy ones, over the service times of each trial alone.

    The intervals then show the spread between processes. The rate is that of the study, or a lower one that the
    machine can serve.
    """
    capacities = [service.capacity_per_s(size) for size in service.sizes]
    rate_per_s = min(STUDY_RATE_PER_S, MOST_LOAD * min(capacities))
    policies = [Policy.greedy(service.largest), *(Policy.fixed(size) for size in service.sizes)]
    arrivals = Constant(rate_per_s)
    mean_s = [
        (policy, trial, assess(alone, arrivals, policy, STUDY_REQUESTS).response_s["mean"].mean)
        for policy in policies
        for trial, alone in enumerate(service.by_trial())
    ]
    return Answers(of, rate_per_s, Times.SIMULATED, blocked(mean_s))


@dataclass(frozen=True, slots=True)
class Source:
    """Answers that were obtained in one way, with the trials on which they rest."""

    answers: Sequence[Answers]
    basis: Basis


def findings(sources: Sequence[Source], absent: str) -> list[Finding]:
    """Return a finding for each claim about response times.

    Args:
        sources: the first one with an answer decides; figures of the others are shown without a verdict.
        absent: why there may be no answer.
    """
    judges = ((RESPONSE, _judge_batches), (POLICY, _judge_policies))
    return [_judge(claim, judge, sources, absent) for claim, judge in judges]


#: Function that returns the verdict and the figures of one network; None: it has no such policies.
Judge = Callable[[Answers], tuple[Verdict, list[Figure]] | None]


def _judge(claim: Claim, judge: Judge, sources: Sequence[Source], absent: str) -> Finding:
    judged = [(source, [one for own in source.answers if (one := judge(own))]) for source in sources]
    known = [(source, own) for source, own in judged if own]
    if not known:
        return rules.without_verdict(claim, absent, sources[0].basis if sources else Basis())
    (source, own), *others = known
    verdicts = [verdict for verdict, _ in own]
    figures = [figure for _, figures in own for figure in figures]
    beside = [replace(figure, verdict=None) for _, several in others for _, figures in several for figure in figures]
    return Finding(
        claim,
        rules.combine_most(verdicts),
        rules.count_verdicts(verdicts, "network"),
        (*figures, *beside),
        source.basis,
    )


def _judge_batches(own: Answers) -> tuple[Verdict, list[Figure]] | None:
    """Compare the largest batches with the smallest."""
    fixed = _choose_fixed(own.mean_s.logs)
    if len(fixed) < 2:
        return None
    a, *_, b = fixed
    (pair,) = own.compare([(a, b)]).values()
    verdict = rules.judge_strength(pair)
    return verdict, [own.figure(a, b, pair, verdict)]


def _judge_policies(own: Answers) -> tuple[Verdict, list[Figure]] | None:
    """Agree if each step takes longer, from greedy to the smallest fixed batch and on to the largest."""
    policies = own.mean_s.logs
    greedy, fixed = _choose_greedy(policies), [policy for policy in _choose_fixed(policies) if policy.size > 1]
    if greedy is None or not fixed:
        return None
    pairs = own.compare(pairwise([greedy, *fixed]))
    verdicts = [rules.judge_more(pair) for pair in pairs.values()]
    steps = [own.figure(a, b, pair, verdict) for ((a, b), pair), verdict in zip(pairs.items(), verdicts, strict=True)]
    return rules.combine_all(verdicts), steps


def judge_energy(trials: Trials) -> Finding:
    """Compare gross joules of live requests, which include the idle time between batches, as in the study."""
    decided, figures = [], []
    metered = [sample for sample in trials.counted if may_rank_energy(sample.quality)]
    for name, group in rules.group_comparable(metered, LOADS):
        served = ((Policy.parse(str(sample.labels["policy"])), [sample]) for sample in group)
        joules = blocked_samples(served, Energy.GROSS)
        greedy, fixed = _choose_greedy(joules.logs), _choose_fixed(joules.logs)
        if greedy is None or not fixed:
            continue
        pairs = rules.compare(joules, {policy: (greedy, policy) for policy in fixed})
        verdicts = {policy: rules.opposite(rules.judge_more(pair)) for policy, pair in pairs.items()}
        decided.append(rules.combine_all(verdicts.values()))
        of = name_network(str(group[0].labels["model"]), name)
        for policy, pair in pairs.items():
            what = f"{of}: gross energy per request, {greedy} against {policy} (live)"
            figures.append(pair.figure(what, verdicts[policy]))
    absent = "no live requests were served in greedy and in fixed batches"
    absent = MODELLED if not decided and len(metered) < len(trials.counted) else absent
    return rules.conclude(ENERGY, trials, decided, "network", figures, absent, rules.combine_most)


def name_network(model: str, place: str) -> str:
    """Return the name of a network, with what distinguishes its place from others."""
    return place if model in place else ", ".join(filter(None, (model, place)))
