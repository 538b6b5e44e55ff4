"""What "Batching for Green AI" claims of response times, judged by policies under one rate of requests. Pure."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import log

from farm.analysis.statistics.pairs import Pair, corrected, of_logs
from farm.kinds.serving.live.trials import BURSTS
from farm.kinds.serving.simulated.assess import assess
from farm.kinds.serving.simulated.service import Service
from farm.load.arrivals import Constant
from farm.load.policy import Policy
from farm.model import Quality
from farm.studies.claims.batching import PLACE
from farm.studies.claims.finding import (
    Basis,
    Claim,
    Figure,
    Finding,
    Times,
    Trials,
    Verdict,
    apart,
    below,
    beyond,
    every,
    is_sure,
    most,
    of_pair,
    strong,
    tally,
    unclear,
)

#: Requests a second in the study, and requests of one of its cells.
STUDY_RATE_PER_S, STUDY_REQUESTS = 16.0, 8192
#: A slower machine is asked for no more than this share of what its slowest policy can serve.
MOST_LOAD = 0.5

RESPONSE = Claim(
    id="response-by-batch",
    says="Batching changes the response time strongly.",
    figures="ConvNeXt at 32 requests/s: mean 0.48, 0.92, 2.00, 3.97 s in batches of 16, 32, 64, 128; GPU",
    rule="Agrees if for most networks the mean response in the largest batches is at least 25% above or 20% below "
    "that in the smallest, with its whole 95 % interval, and for no network it stays within these bounds. Differs if "
    "it is the other way round.",
    of_energy=False,
)
POLICY = Claim(
    id="greedy-is-soonest",
    says="At a fixed rate larger fixed batches wait longer, and greedy ones answer soonest.",
    figures="ConvNeXt at 32 requests/s: 0.48 to 3.97 s in fixed batches, 0.165 s in greedy ones; GPU",
    rule="Agrees if for most networks each step takes longer, from greedy to the smallest fixed batch and on to the "
    "largest (95 % interval of the ratio above 1, Holm), and for no network a step takes less. Differs if it is the "
    "other way round.",
    of_energy=False,
)


THRIFT = Claim(
    id="greedy-takes-least",
    says="At a fixed rate greedy batches take the least energy.",
    figures="ConvNeXt, 128 requests at 32/s: 397 J, against 424 to 493 J in fixed batches; GPU, gross",
    rule="Agrees if for most networks greedy batches of live requests take fewer gross joules than each fixed size "
    "(95 % interval of the ratio below 1, Holm), and for no network a fixed size takes fewer. Differs if it is the "
    "other way round.",
)
#: What live requests are never compared over.
LOADS = (*PLACE, "model", "rate_per_s", "arrivals", "preprocess")


@dataclass(frozen=True, slots=True)
class Answers:
    """One network under one rate of requests: the mean response time of each trial, policy by policy."""

    of: str  #: the network, and the place where there are several
    rate_per_s: float
    times: Times
    mean_s: Mapping[Policy, Sequence[float]]

    @property
    def of_a_size(self) -> list[Policy]:
        """Batches of a certain size, the smallest first: one request at a time, or those that wait until full."""
        return _of_a_size(self.mean_s)

    @property
    def fixed(self) -> list[Policy]:
        """Batches that wait until they are full, the smallest first."""
        return [policy for policy in self.of_a_size if policy.size > 1]

    @property
    def greedy(self) -> Policy | None:
        """That takes what waits; of several the one with the largest cap."""
        return _greedy(self.mean_s)

    def pair(self, a: Policy, b: Policy) -> Pair:
        """How many times as long the second policy takes."""
        return of_logs(*([log(mean_s) for mean_s in self.mean_s[policy]] for policy in (a, b)))

    def figure(self, a: Policy, b: Policy, pair: Pair, verdict: Verdict) -> Figure:
        """The two in words."""
        what = f"{self.of}: mean response at {self.rate_per_s:.3g}/s, {b} against {a}"
        return of_pair(f"{what} ({self.times})", pair, verdict)


def _of_a_size(policies: Iterable[Policy]) -> list[Policy]:
    by_size = {policy.size: policy for policy in policies if policy.is_fixed or policy.size == 1}
    return [by_size[size] for size in sorted(by_size)]


def _greedy(policies: Iterable[Policy]) -> Policy | None:
    return max((p for p in policies if not p.timeout_s and p.size > 1), key=lambda p: p.size, default=None)


def simulated(service: Service, of: str) -> Answers:
    """Fixed batches of each measured size and greedy ones, over the times of each trial alone.

    So the spread is that between processes. The rate is the study's, or what the machine can keep up with.
    """
    capacities = [service.capacity_per_s(size) for size in service.sizes]
    rate_per_s = min(STUDY_RATE_PER_S, MOST_LOAD * min(capacities))
    policies = [Policy.greedy(service.largest), *(Policy.fixed(size) for size in service.sizes)]
    arrivals = Constant(rate_per_s)
    mean_s = {
        policy: [assess(alone, arrivals, policy, STUDY_REQUESTS).response_s["mean"].mean for alone in service.by_trial]
        for policy in policies
    }
    return Answers(of, rate_per_s, Times.SIMULATED, mean_s)


@dataclass(frozen=True, slots=True)
class Source:
    """Answers that were obtained in one way, and what they rest on."""

    answers: Sequence[Answers]
    basis: Basis


def findings(sources: Sequence[Source], nothing: str) -> list[Finding]:
    """One for each claim. The first source that has an answer decides, the others stand beside it.

    `nothing`: why there may be none.
    """
    return [_judged(claim, judge, sources, nothing) for claim, judge in ((RESPONSE, _by_batch), (POLICY, _by_policy))]


#: What a network says of a claim, and its figures; None: nothing.
Judge = Callable[[Answers], tuple[Verdict, list[Figure]] | None]


def _judged(claim: Claim, judge: Judge, sources: Sequence[Source], nothing: str) -> Finding:
    judged = [(source, [one for own in source.answers if (one := judge(own))]) for source in sources]
    known = [(source, own) for source, own in judged if own]
    if not known:
        return unclear(claim, nothing, sources[0].basis if sources else Basis())
    (source, own), *others = known
    verdicts = [verdict for verdict, _ in own]
    figures = [figure for _, figures in own for figure in figures]
    beside = [replace(figure, verdict=None) for _, several in others for _, figures in several for figure in figures]
    return Finding(claim, most(verdicts), tally(verdicts, "network"), (*figures, *beside), source.basis)


def _by_batch(own: Answers) -> tuple[Verdict, list[Figure]] | None:
    """The largest batches against the smallest."""
    if len(own.of_a_size) < 2:
        return None
    a, *_, b = own.of_a_size
    pair = own.pair(a, b)
    verdict = strong(pair.ratio, pair.p)
    return verdict, [own.figure(a, b, pair, verdict)]


def _by_policy(own: Answers) -> tuple[Verdict, list[Figure]] | None:
    """Greedy, then the fixed ones in order: each step takes longer."""
    if own.greedy is None or not own.fixed:
        return None
    pairs = corrected({(a, b): own.pair(a, b) for a, b in pairwise([own.greedy, *own.fixed])})
    verdicts = [beyond(pair.ratio, 1) if is_sure(pair) else Verdict.UNCLEAR for pair in pairs.values()]
    steps = [own.figure(a, b, pair, says) for ((a, b), pair), says in zip(pairs.items(), verdicts, strict=True)]
    return every(verdicts), steps


def thrift(trials: Trials) -> Finding:
    """Of live requests: gross joules, with the idle between batches, as the study has them."""
    decided, figures = [], []
    metered = [sample for sample in trials.counted if sample.quality is not Quality.MODELLED]
    for name, group in apart(metered, LOADS):
        logs: dict[Policy, list[float]] = defaultdict(list)
        for sample in group:
            if sample.gross_j is not None and sample.gross_j > 0:
                logs[Policy.parse(str(sample.labels["policy"]))].append(log(sample.gross_j))
        greedy, fixed = _greedy(logs), _of_a_size(logs)
        if greedy is None or not fixed:
            continue
        pairs = corrected({policy: of_logs(logs[policy], logs[greedy]) for policy in fixed})
        verdicts = [below(pair.ratio, 1) if is_sure(pair) else Verdict.UNCLEAR for pair in pairs.values()]
        decided.append(every(verdicts))
        of = called(str(group[0].labels["model"]), name)
        figures += [
            of_pair(f"{of}: gross energy per request, {greedy} against {policy} (live)", pair, verdict)
            for (policy, pair), verdict in zip(pairs.items(), verdicts, strict=True)
        ]
    if not decided:
        absent = "no live requests were served in greedy and in fixed batches"
        absent = BURSTS if len(metered) < len(trials.counted) else absent
        return unclear(THRIFT, trials.nothing(absent), trials.basis())
    return Finding(THRIFT, most(decided), tally(decided, "network"), tuple(figures), trials.basis())


def called(model: str, place: str) -> str:
    """A network, with what distinguishes its place from the others."""
    return place if model in place else ", ".join(filter(None, (model, place)))
