"""What a live sweep shows in few sentences: the policies that answer soonest, take least energy, or cannot keep up."""

from collections import Counter
from collections.abc import Iterator, Sequence

from farm.kinds.serving.live.results import Results, by_load, policy, sentences
from farm.kinds.serving.live.trials import Least, are_net, least_energy, soonest, spelt_key
from farm.report import notes
from farm.report.numbers import several


def findings(found: Results) -> list[str]:
    """Return the sentences on one load, or for several loads what they have in common."""
    loads = by_load(found.lives)
    if len(loads) == 1:
        return sentences(found.lives)
    fast = [soonest(load) for load in loads]
    cheap = [least_energy(load, are_net([live for live in load if live.is_comparable])) for load in loads]
    return [
        *_common(fast, "answers soonest", "time"),
        *_common(cheap, "takes the least energy", "energy"),
        *_saturated(found),
    ]


def _common(least: Sequence[Least | None], what: str, figure: str) -> Iterator[str]:
    """Yield which policy is most often the best, by how much, and how often that is sure."""
    known = [one for one in least if one is not None]
    if not known:
        return
    best, count = Counter(policy(one.best) for one in known).most_common(1)[0]
    own = [one for one in known if policy(one.best) == best]
    shares = sorted(100 - 100 * one.lead.mean for one in own)
    span = " to ".join(dict.fromkeys((f"{shares[0]:.0f}", f"{shares[-1]:.0f}")))
    loads = "both loads" if count == len(known) == 2 else f"{count} of {several(len(known), 'load')}"
    clear = sum(bool(one.is_clear) for one in own)
    unsure = next((one.is_clear for one in own if not one.is_clear), None)
    sure = "" if clear == count else f", surely so under {clear}: {notes.UNSURE[unsure]}. Add repetitions"
    yield f"{best} {what} under {loads}, with {span}% less {figure} than the next policy{sure}."


def _saturated(found: Results) -> list[str]:
    """Return the policies that cannot keep up, with their rates."""
    sound = [live for live in found.lives if not live.work.is_doubtful]
    slow = [live for live in sound if live.figures.is_saturated]
    if len(slow) == len(sound):
        rates = ", ".join(dict.fromkeys(str(spelt_key(live).get("rate")) for live in slow))
        return [f"No policy can keep up with {rates}: lower the rates."] if slow else []
    by_rate: dict[str, list[str]] = {}
    for live in slow:
        by_rate.setdefault(str(spelt_key(live).get("rate")), []).append(policy(live))
    named = [f"{', '.join(policies)} at {rate}" for rate, policies in by_rate.items()]
    return [f"Some cannot keep up: {'; '.join(named)}."] if named else []
