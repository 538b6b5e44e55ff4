"""What a sweep of batches shows in few sentences: the best batch size, the best network, and what batches cost."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from farm.analysis.across import Figure
from farm.analysis.aggregate import Key
from farm.analysis.best import Saving, best_batches
from farm.kinds.inference.results import Results, sentences
from farm.report import headlines, notes
from farm.report.layout import named
from farm.report.numbers import milliseconds, number

#: So few configurations are named.
_FEW = 3
#: A batch that takes so many times as long as the smallest one makes requests wait.
_LONGER = 1.1
Savings = Sequence[tuple[Key, Saving]]


def findings(found: Results) -> list[str]:
    """Return the best batch size, the configuration with the least energy, and how long the best batches take."""
    savings, unit = best_batches(found.groups), found.selected.unit
    best = {saving.best.key for _, saving in savings}
    rivals = [group for group in found.groups if group.summary.key in best] if savings else found.groups
    sizes = _sizes(savings, unit) if len(savings) > 1 else sentences(found.groups, unit)
    work = f"{unit} at its best batch size" if savings else unit
    return [*sizes, *headlines.cheapest(rivals, work), *_latency(savings)]


def _sizes(savings: Savings, unit: str) -> list[str]:
    """Return what the best batch sizes save against the smallest ones, and which sizes are surely the best."""
    sure = [(rest, saving) for rest, saving in savings if saving.ratio.high is not None and saving.ratio.high < 1]
    if not sure:
        return [f"Cannot tell yet whether larger batches need less: {_reason(savings)}. Add repetitions."]
    gains, what = [saving for _, saving in sure], _gain([saving for _, saving in sure], unit)
    best, *others = dict.fromkeys(f"batch {s.best.labels['batch_size']}" for _, s in savings)
    if len(sure) == len(savings) and not others and all(saving.is_clear for saving in gains):
        most = "the fastest" if _are_timed(gains) else "the least"
        return [f"{best.capitalize()} {what} {_smallest(gains)}, and {most}, for {_all(savings)}."]
    who = _all(savings) if len(sure) == len(savings) else _and(_named(rest) for rest, _ in sure[:_FEW])
    more = f" and {len(sure) - _FEW} more" if _FEW < len(sure) < len(savings) else ""
    return [f"The best batch size {what} {_smallest(gains)} for {who}{more}. {_best(savings)}"]


def _all(savings: Savings) -> str:
    what = "networks" if all(len(rest) == 1 for rest, _ in savings) else "configurations"
    return f"both {what}" if len(savings) == 2 else f"all {len(savings)} {what}"


def _are_timed(savings: Sequence[Saving]) -> bool:
    """Return whether seconds decide, because energy is modelled."""
    return any(saving.figure is Figure.SECONDS for saving in savings)


def _gain(savings: Sequence[Saving], unit: str) -> str:
    """Return the range of savings, as the begin of a comparison."""
    if _are_timed(savings):
        speeds = sorted(1 / saving.ratio.mean for saving in savings)
        return f"is {_range(*(number(end) for end in (speeds[0], speeds[-1])))} times as fast ({notes.MODELLED}) as"
    shares = sorted(100 - 100 * saving.ratio.mean for saving in savings)
    return f"needs {_range(*(f'{end:.0f}' for end in (shares[0], shares[-1])))}% less energy per {unit} than"


def _best(savings: Savings) -> str:
    """Return which size is the best for whom, and for whom that is not known yet."""
    sure: dict[str, list[str]] = defaultdict(list)
    for rest, saving in savings:
        if saving.is_clear:
            sure[f"batch {saving.best.labels['batch_size']}"].append(_named(rest))
    parts = [f"{size} is the best for {_and(who)}" for size, who in sure.items()]
    unsure = [(rest, saving) for rest, saving in savings if not saving.is_clear]
    if unsure:
        who = _all(savings) if len(unsure) == len(savings) else _and(_named(rest) for rest, _ in unsure)
        parts.append(f"cannot tell yet which size is the best for {who}: {_reason(unsure)}. Add repetitions")
    text = "; ".join(parts)
    return f"{text[:1].upper()}{text[1:]}."


def _reason(savings: Savings) -> str:
    return " or ".join(dict.fromkeys(notes.UNSURE[s.is_clear] for _, s in savings if not s.is_clear))


def _smallest(savings: Sequence[Saving]) -> str:
    sizes = dict.fromkeys(saving.reference.labels["batch_size"] for saving in savings)
    return f"batch {next(iter(sizes))}" if len(sizes) == 1 else "the smallest one"


def _latency(savings: Savings) -> list[str]:
    """Return how much longer the best batches take than the smallest ones, which their requests wait for."""
    known = [
        (rest, saving.best, saving.reference, saving.best.p50_s / saving.reference.p50_s)
        for rest, saving in savings
        if saving.best is not saving.reference and saving.best.p50_s and saving.reference.p50_s
    ]
    if not any(factor > _LONGER for *_, factor in known):
        return []
    rest, best, small, _ = known[0]
    times = ", ".join(f"{milliseconds(s.p50_s)} ms with batch {s.labels['batch_size']}" for s in (small, best))
    if len(known) == 1:
        return [f"{_named(rest)}: a batch takes longer the larger it is: {times} (medians)."]
    factors = sorted(factor for *_, factor in known)
    longer = _range(*(number(end, 2) for end in (factors[0], factors[-1])))
    return [f"A batch of the best size takes {longer} times as long as one of the smallest (medians)."]


def _named(rest: Key) -> str:
    return named(dict(rest)) or "all"


def _and(names: Iterable[str]) -> str:
    """Return names as a list in a sentence."""
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def _range(low: str, high: str) -> str:
    return low if low == high else f"{low} to {high}"
