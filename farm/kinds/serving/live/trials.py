"""The figures of requests that were served in real time, and how late requests were sent."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from statistics import fmean

import numpy as np

from farm.analysis.across import Figure, block_of
from farm.analysis.aggregate import Group, Summary, UnitSample, grouped
from farm.analysis.best import least
from farm.analysis.intervals import Interval
from farm.analysis.ratios import blocked
from farm.analysis.rules import may_rank_energy, stands_out
from farm.kinds.serving.figures import Figures, around
from farm.load.arrivals import PROCESSES, Times
from farm.load.rates import spelt_per_s
from farm.load.served import STATISTICS, Served, served, statistic_of
from farm.model import Requests, Scalar

#: Share of the median response time; if the load generator is late by more, there is a note.
LATE = 0.01


@dataclass(frozen=True, slots=True)
class Live:
    """Figures of one group of trials; the unit of replication is the trial, so intervals are over trials."""

    work: Summary  #: joules per request, trials and their flags
    figures: Figures  #: figures of the requests of all its trials
    rate_per_s: float | None  #: requests per second
    wait_s: Interval | None  #: mean time from the moment when a request was due until its batch begins
    late_s: float | None  #: 99th percentile of the delay with which the generator sent a request
    trials: Sequence[tuple[UnitSample, Served | None]]  #: each trial with its requests

    @property
    def is_late(self) -> bool:
        """Return True if the load generator was too late for these response times."""
        median = self.figures.response_s.get("p50")
        return self.late_s is not None and median is not None and self.late_s > LATE * median.mean

    @property
    def is_comparable(self) -> bool:
        """Return True if the figures may be compared with those of another policy."""
        return not (self.figures.is_saturated or self.work.is_doubtful) and bool(self.figures.response_s)


@dataclass(frozen=True, slots=True)
class Least:
    """Policy with the least value of a figure under one load, and the next one."""

    best: Live
    value: Interval
    next: Live
    next_value: Interval
    lead: Interval  #: ratio of the best to the least of the others; it pays for the selection
    is_clear: bool | None  #: the best is surely the least; None: its lead has no interval


def summarise(
    samples: Iterable[UnitSample],
    requests: Mapping[str, Sequence[Requests]],
    by: Sequence[str],
    include_flagged: bool = False,
) -> list[Live]:
    """Group samples as `grouped` does, without mixing rates or policies; `requests` has the windows of each trial."""
    return [_summary(group, requests) for group in grouped(samples, by, include_flagged)]


def _summary(group: Group, requests: Mapping[str, Sequence[Requests]]) -> Live:
    rates = [sample.labels.get("rate_per_s") for sample in group.samples]
    windows = [requests.get(str(sample.labels["trial"]), ()) for sample in group.samples]
    asked = [rate if isinstance(rate, int | float) else None for rate in rates]
    every = [served(own, rate) for own, rate in zip(windows, asked, strict=True)]
    trials = [trial for trial in every if trial is not None]
    known = [trial.rate_per_s for trial in trials if trial.rate_per_s is not None]
    rate_per_s = fmean(known) if known else None
    late_s = np.sort(np.concatenate([trial.late_s for trial in trials])) if trials else None
    return Live(
        work=group.summary,
        figures=_figures(group.summary, trials, rate_per_s),
        rate_per_s=rate_per_s,
        wait_s=_mean([trial.wait_s for trial in trials]),
        late_s=None if late_s is None else float(statistic_of(late_s, "p99")),
        trials=list(zip(group.samples, every, strict=True)),
    )


def _figures(work: Summary, trials: Sequence[Served], rate_per_s: float | None) -> Figures:
    """Return figures whose load is rate over mean capacity, so that one slow trial does not saturate the group."""
    sizes = sum((Counter(trial.batches) for trial in trials), Counter[int]())
    return Figures(
        requests=sum(len(trial.response_s) for trial in trials),
        unserved=0,
        load=(rate_per_s or 0.0) / fmean(trial.capacity_per_s for trial in trials) if trials else 0.0,
        response_s=_statistics([trial.response_s for trial in trials]),
        batches=dict(sorted(sizes.items())),
        utilisation=fmean(trial.utilisation for trial in trials) if trials else 0.0,
        net_j=work.net_j,
        gross_j=work.gross_j,
        service_s=_mean([trial.service_s for trial in trials]),
    )


def _statistics(trials: Sequence[Times]) -> dict[str, Interval]:
    """Return statistics of all requests with intervals over trials; the times of each trial are sorted."""
    if not trials:
        return {}
    whole = np.sort(np.concatenate(trials))
    return {
        name: around(statistic_of(whole, name), np.array([statistic_of(own, name) for own in trials]))
        for name in STATISTICS
    }


def _mean(trials: Sequence[Times]) -> Interval | None:
    if not trials:
        return None
    return around(np.concatenate(trials).mean(), np.array([own.mean() for own in trials]))


def spelt_key(live: Live) -> dict[str, Scalar]:
    """Return the key of a group for people: a rate has its unit, and a trace has the name of its file."""
    return dict(_spelt(name, value, live) for name, value in live.work.key)


def _spelt(name: str, value: Scalar, live: Live) -> tuple[str, Scalar]:
    if name == "rate_per_s":
        return "rate", None if live.rate_per_s is None else spelt_per_s(float(f"{live.rate_per_s:.4g}"))
    if name == "arrivals" and value not in PROCESSES:
        return name, f"trace {PurePath(str(value)).name}"
    return name, value


def are_net(lives: Iterable[Live]) -> bool:
    """Return True if net joules may be compared, because all of them stand out of their noise."""
    return all(stands_out(live.work.net_j) for live in lives)


def soonest(lives: Iterable[Live]) -> Least | None:
    """Return the policy with the shortest mean response time; None if there are not two to compare."""

    def mean_s(_: UnitSample, trial: Served | None) -> float | None:
        return None if trial is None else float(trial.response_s.mean())

    return _least(lives, lambda live: live.figures.response_s["mean"], mean_s)


def least_energy(lives: Iterable[Live], is_net: bool) -> Least | None:
    """Return the policy with the least joules per request, without policies with modelled joules.

    Returns:
        None if an energy is unknown, or there are not two policies to compare.
    """
    metered = [live for live in lives if may_rank_energy(live.work.quality)]
    figure = Figure.NET if is_net else Figure.GROSS
    return _least(
        metered, lambda live: live.work.net_j if is_net else live.work.gross_j, lambda sample, _: figure.of(sample)
    )


def _least(
    lives: Iterable[Live],
    shown: Callable[[Live], Interval | None],
    of: Callable[[UnitSample, Served | None], float | None],
) -> Least | None:
    """Compare policies within blocks, because all policies of a repetition serve the same arrivals."""
    known = [(live, value) for live in lives if live.is_comparable and (value := shown(live)) is not None]
    values = blocked(
        (place, block_of(sample.labels), figure)
        for place, (live, _) in enumerate(known)
        for sample, trial in live.trials
        if (figure := of(sample, trial)) is not None
    )
    found = least(values, range(len(known)))
    if found is None:
        return None
    (best, value), (rival, rival_value) = known[found.best], known[found.next]
    return Least(best, value, rival, rival_value, found.lead, found.is_clear)
