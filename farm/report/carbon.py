"""The carbon intensity of trials, and the footprint of a whole sweep, in words."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from farm.model import CarbonFactor, Domain, Quality, Spent
from farm.report.document import Block, Note, Paragraph
from farm.report.numbers import number, several

_J_PER_WH = 3600.0


def intensities(of: Iterable[CarbonFactor]) -> list[str]:
    """Return a line with the intensities of trials, their tables, years and unit; no line if none is known."""
    trials = Counter(of)
    known = Counter({factor: count for factor, count in trials.items() if factor.g_per_kwh is not None})
    unknown = trials.total() - known.total()
    found = origins(known.elements(), unknown)
    found += [f"unknown ({several(unknown, 'trial')})"] if unknown and found else []
    return [f"grams: {'; '.join(found)}"] if found else []


def origins(of: Iterable[CarbonFactor], others: int = 0) -> list[str]:
    """Return the known intensities of trials by their origin; `others` are trials beside them."""
    found: dict[tuple[str, float], Counter[float]] = {}
    for factor in of:
        if factor.g_per_kwh is not None:
            found.setdefault((factor.source, factor.pue), Counter())[factor.g_per_kwh] += 1
    return [_origin(*origin, values, len(found) > 1 or others > 0) for origin, values in found.items()]


def _origin(source: str, pue: float, values: Counter[float], is_one_of_several: bool) -> str:
    ends = [number(value) for value in dict.fromkeys((min(values), max(values)))]
    building = f", PUE {pue:g}" if pue != 1 else ""
    trials = f" ({several(values.total(), 'trial')})" if is_one_of_several else ""
    return f"{' to '.join(ends)} g CO2e/kWh, {source}{building}{trials}"


def footprint(spent: Sequence[Spent]) -> list[Block]:
    """Return what the work of a sweep took, and what measuring it cost; modelled joules have a line of their own.

    Joules of the wall meter include those of the other domains, so that they are never added to these.
    """
    groups: dict[str, list[Spent]] = {}
    for one in spent:
        if one.gross_j is not None:
            groups.setdefault(_how(one), []).append(one)
    if not groups:
        return []
    lines = [f"All trials, {_domains(own)} {how}: {_sentence(own)}" for how, own in sorted(groups.items())]
    return [*map(Paragraph, lines), *map(Note, _gaps(spent))]


def records(spent: Sequence[Spent]) -> list[dict[str, Any]]:
    """Return the joules and grams of each domain, quality and purpose as plain records."""
    return [
        {
            "domain": one.domain,
            "quality": one.quality,
            "is_work": one.is_work,
            "windows": one.windows,
            "gross_j": one.gross_j,
            "carbon_g": one.carbon.grams(one.gross_j),
            "carbon_source": one.carbon.source or None,
        }
        for one in spent
    ]


def _how(spent: Spent) -> str:
    if spent.quality is Quality.MODELLED:
        return "modelled, an estimate"
    return "metered, with the other domains in it" if spent.domain is Domain.WALL else "metered"


def _domains(spent: Iterable[Spent]) -> str:
    return " + ".join(sorted({one.domain for one in spent}))


def _sentence(spent: Sequence[Spent]) -> str:
    work, rest = ([one for one in spent if one.is_work is is_work] for is_work in (True, False))
    return f"work {_amount(work)}; measuring it cost {_amount(rest)}."


def _amount(spent: Sequence[Spent]) -> str:
    if not spent:
        return "an unknown energy"
    energy = f"{number(sum(one.gross_j or 0.0 for one in spent) / _J_PER_WH)} Wh"
    known = [g for one in spent if (g := one.carbon.grams(one.gross_j)) is not None]
    if not known:
        return energy
    return f"{energy}, {'' if len(known) == len(spent) else 'at least '}{number(sum(known))} g CO2e"


def _gaps(spent: Sequence[Spent]) -> Iterator[str]:
    unknown: Counter[Domain] = Counter()
    for one in spent:
        unknown[one.domain] += one.windows if one.gross_j is None else 0
    gaps = ", ".join(f"{domain} in {several(count, 'window')}" for domain, count in unknown.items() if count)
    if gaps:
        yield f"Unknown, and in no sum: {gaps}."
