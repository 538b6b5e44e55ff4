"""How fast response times are simulated: requests a second on one core, and against a plain event simulation."""

import time
from collections.abc import Callable, Iterator
from itertools import product
from math import inf

import numpy as np

from farm.kinds.serving.simulated.assess import assess
from farm.load.arrivals import Poisson
from farm.load.policy import Policy
from farm.load.simulation import simulate
from tests.benchmarks.figures import Figure
from tests.serving import exponential_s, plainly, service, steady

#: Issue: at least so many.
PER_S = 200_000
REQUESTS, COMPARED = 500_000, 100_000
RATES = [10.0 * 1.05**step for step in range(80)]
TIMEOUTS_S = (0, 0.005, 0.01, 0.02, 0.05, inf)
POLICIES = [Policy(size, timeout_s) for size in (1, 2, 4, 8) for timeout_s in TIMEOUTS_S]
EACH = 5000


def figures() -> Iterator[Figure]:
    """The hardest case first: batches of one, so that there are as many batches as requests."""
    one, arrivals, policy = service({1: exponential_s(1.0)}), Poisson(0.9), Policy.greedy(1)
    seconds = _cpu_s(lambda: assess(one, arrivals, policy, REQUESTS))
    yield Figure(
        what="simulated requests in a CPU second, batches of one",
        value=REQUESTS / seconds,
        unit="/s",
        digits=0,
        at_least=PER_S,
        how=f"M/M/1 at load 0.9, {REQUESTS:,} requests, arrivals and figures with their intervals included",
    )
    arrivals_s = arrivals.times_s(COMPARED, np.random.default_rng(1))
    times_s, plain_s = one.times_s, arrivals_s.tolist()
    fast = _cpu_s(lambda: simulate(arrivals_s, policy, times_s, np.random.default_rng(2)))
    plain = _cpu_s(lambda: plainly(plain_s, policy, lambda size, first: times_s[size - 1][first % len(times_s[0])]))
    yield Figure(
        what="simulation against one with an event queue",
        value=plain / fast,
        unit="x",
        digits=1,
        at_least=1.0,
        how=f"CPU time for the same {COMPARED:,} requests, without figures; the other keeps its events on a heap",
    )
    pairs = list(product(RATES, POLICIES))
    batched = steady()
    seconds = _cpu_s(lambda: [assess(batched, Poisson(rate), how, EACH) for rate, how in pairs])
    yield Figure(
        what=f"{len(pairs):,} pairs of rate and policy",
        value=seconds,
        unit="s",
        digits=1,
        how=f"CPU time, {EACH:,} requests each, batches of up to 8, loads from 0.02 to over 1, figures included",
    )


def _cpu_s(work: Callable[[], object]) -> float:
    """What it takes of one core: this machine may do other things meanwhile."""
    begin_s = time.process_time()
    work()
    return time.process_time() - begin_s
