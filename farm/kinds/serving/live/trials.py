"""The figures of requests that were served in real time: the same as of simulated ones, and how late requests came."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from statistics import fmean

import numpy as np

from farm.analysis.aggregate import Group, Summary, UnitSample, grouped
from farm.analysis.intervals import Interval
from farm.analysis.rules import are_apart, stands_out
from farm.kinds.serving.figures import Figures, around
from farm.load.arrivals import PROCESSES, Times
from farm.load.rates import spelt_per_s
from farm.load.served import STATISTICS, Served, served, statistic_of
from farm.model import Quality, Requests, Scalar

#: Why modelled joules of live requests cannot rank policies.
BURSTS = "modelled joules follow the mean load of each second, so they do not see short bursts between waits"
#: A load generator that is late by more than this share of the median response is worth a word.
LATE = 0.01


@dataclass(frozen=True, slots=True)
class Live:
    """One group of trials. The unit of replication is the trial: intervals are those of the trials' own figures."""

    work: Summary  #: joules a request, trials and their flags
    figures: Figures  #: times of the requests of all its trials
    rate_per_s: float | None  #: requests a second
    wait_s: Interval | None  #: mean from the intended arrival until a request's batch begins
    late_s: float | None  #: 99th percentile of how late the generator sent a request

    @property
    def is_late(self) -> bool:
        """Whether the load generator kept its plan too badly for these times."""
        median = self.figures.response_s.get("p50")
        return self.late_s is not None and median is not None and self.late_s > LATE * median.mean

    @property
    def is_comparable(self) -> bool:
        """Whether its figures may be held against those of another policy."""
        return not (self.figures.is_saturated or self.work.is_doubtful) and bool(self.figures.response_s)


@dataclass(frozen=True, slots=True)
class Least:
    """Of several policies under one load that with the least of something, and the next."""

    best: Live
    value: Interval
    next: Live
    next_value: Interval

    @property
    def share(self) -> float:
        """Of the next one's that is saved."""
        return 1 - self.value.mean / self.next_value.mean

    @property
    def is_clear(self) -> bool | None:
        """Whether the intervals lie apart; None where that is unknown."""
        return are_apart(self.value, self.next_value, min(self.best.work.trials, self.next.work.trials))


def summarise(
    samples: Iterable[UnitSample],
    requests: Mapping[str, Sequence[Requests]],
    by: Sequence[str],
    include_flagged: bool = False,
) -> list[Live]:
    """Group as `grouped` does; `requests` by trial. No group may hold trials of different rates or policies."""
    return [_summary(group, requests) for group in grouped(samples, by, include_flagged)]


def _summary(group: Group, requests: Mapping[str, Sequence[Requests]]) -> Live:
    rates = [sample.labels.get("rate_per_s") for sample in group.samples]
    windows = [requests.get(str(sample.labels["trial"]), ()) for sample in group.samples]
    asked = [rate if isinstance(rate, int | float) else None for rate in rates]
    trials = [trial for own, rate in zip(windows, asked, strict=True) if (trial := served(own, rate)) is not None]
    known = [trial.rate_per_s for trial in trials if trial.rate_per_s is not None]
    rate_per_s = fmean(known) if known else None
    late_s = np.sort(np.concatenate([trial.late_s for trial in trials])) if trials else None
    return Live(
        work=group.summary,
        figures=_figures(group.summary, trials, rate_per_s),
        rate_per_s=rate_per_s,
        wait_s=_mean([trial.wait_s for trial in trials]),
        late_s=None if late_s is None else float(statistic_of(late_s, "p99")),
    )


def _figures(work: Summary, trials: Sequence[Served], rate_per_s: float | None) -> Figures:
    """The load is rate over mean capacity: one trial that found its own too low does not condemn the others."""
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
    """Of all requests, with the spread over trials; none where there are no requests. Each in order."""
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
    """Its key for people: a rate with its unit, the rate of a trace too, and a trace by its file's name."""
    return dict(_spelt(name, value, live) for name, value in live.work.key)


def _spelt(name: str, value: Scalar, live: Live) -> tuple[str, Scalar]:
    if name == "rate_per_s":
        return "rate", None if live.rate_per_s is None else spelt_per_s(float(f"{live.rate_per_s:.4g}"))
    if name == "arrivals" and value not in PROCESSES:
        return name, f"trace {PurePath(str(value)).name}"
    return name, value


def are_net(lives: Iterable[Live]) -> bool:
    """Whether net joules may be compared: all of them stand out of their uncertainty."""
    return all(stands_out(live.work.net_j) for live in lives)


def soonest(lives: Iterable[Live]) -> Least | None:
    """The policy whose mean response is the shortest; None where there are not two to compare."""
    return _least(lives, lambda live: live.figures.response_s["mean"])


def least_energy(lives: Iterable[Live], is_net: bool) -> Least | None:
    """The policy with the least joules a request; None where an energy is unknown, or there are not two to compare.

    Nor of modelled joules: see `BURSTS`.
    """
    metered = [live for live in lives if live.work.quality is not Quality.MODELLED]
    return _least(metered, lambda live: live.work.net_j if is_net else live.work.gross_j)


def _least(lives: Iterable[Live], of: Callable[[Live], Interval | None]) -> Least | None:
    each = [(live, of(live)) for live in lives if live.is_comparable]
    known = [(live, value) for live, value in each if value is not None and value.mean > 0]
    if len(known) < max(len(each), 2):
        return None
    (best, value), (rival, rival_value), *_ = sorted(known, key=lambda pair: pair[1].mean)
    return Least(best, value, rival, rival_value)
