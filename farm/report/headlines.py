"""Sentences with which a view begins: what a sweep shows, or what it takes to tell."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from farm.analysis.across import Figure, blocked_samples, compare, place_of
from farm.analysis.aggregate import Group, Key, UnitSample
from farm.analysis.best import least
from farm.analysis.samples import unit_samples
from farm.model import JobState, SweepData
from farm.report import notes
from farm.report.document import KEY_HEADINGS, Block, Note, findings
from farm.report.layout import named
from farm.report.numbers import number, several
from farm.report.selection import KINDS_OF_JOULES, Selection

#: A view begins with at most so many sentences.
MOST = 3


def blocks(data: SweepData, selection: Selection, sentences: Sequence[str]) -> list[Block]:
    """Return the first sentences of a sweep, or what it takes to tell if there are none, and a note on flags."""
    samples = unit_samples(data)
    shown = list(sentences)[:MOST] or [_needed(data, samples, selection) if samples else _unmeasured(data)]
    return [*findings(shown), *map(Note, _flagged(data, samples, selection))]


def _flagged(data: SweepData, samples: Sequence[UnitSample], selection: Selection) -> Iterator[str]:
    """Yield a sentence on the trials in doubt, if there are any."""
    doubtful = [sample for sample in samples if not sample.is_valid]
    if doubtful:
        use = "compared too, as `--include-flagged` asks" if selection.include_flagged else "shown, but not compared"
        use = "counted too, because the search chose its points with them" if data.record.is_search else use
        are, they = ("is", "it is") if len(doubtful) == 1 else ("are", "they are")
        yield f"{len(doubtful)} of {several(len(samples), 'trial')} {are} flagged ({_flags(doubtful)}): {they} {use}."


def _flags(samples: Iterable[UnitSample]) -> str:
    flags = Counter(flag for sample in samples for flag in sample.flags if not flag.is_note)
    return ", ".join(f"{flag} {count}" for flag, count in flags.most_common())


def _unmeasured(data: SweepData) -> str:
    """Return why a sweep has no sample."""
    jobs, sweep = data.progress.total, data.record.id
    if data.progress.counts.get(JobState.FAILED, 0) == jobs > 0 and data.failures:
        failure = data.failures[-1].failure
        who = "The one job failed with" if jobs == 1 else f"All {jobs} jobs failed, the last with"
        return f"{who} {failure.kind}: {failure.message.rstrip('.')}. `farm logs {sweep}` shows more."
    return f"Nothing is measured yet. `farm status {sweep}` shows how the sweep progresses."


def _needed(data: SweepData, samples: Sequence[UnitSample], selection: Selection) -> str:
    """Return what it takes to compare the points of a sweep."""
    valid = [sample for sample in samples if sample.is_valid or selection.include_flagged]
    if not valid:
        return (
            "Nothing is compared, because every trial is flagged. Measure again while the machine is quiet, or add "
            "`--include-flagged` to compare them all the same."
        )
    points = {tuple(sorted((name, str(value)) for name, value in sample.factors.items())) for sample in data.samples}
    if len(points) == 1:
        return "The sweep has one point, and nothing to compare it with: give a factor several values."
    if all(sample.gross_j is None for sample in valid) and all(sample.units_per_s is None for sample in valid):
        return (
            "No energy and no time is known, so nothing is compared. `farm doctor` names the meters that are missing."
        )
    return "Nothing can be concluded yet: add repetitions."


def cheapest(groups: Sequence[Group], unit: str) -> list[str]:
    """Return which configuration of one machine takes the least energy, or the least time where energy is modelled.

    Args:
        groups: The configurations; those with flagged trials only are left out.
        unit: The unit of work.

    Returns:
        One sentence; none if there are not two to compare, or if they ran on several machines.
    """
    sound = {group.summary.key: group for group in groups if not group.summary.is_doubtful}
    if len(sound) < 2 or len({place_of(group) for group in sound.values()}) > 1:
        return []
    figure = compare(list(sound.values()), {}, None).figure
    found = least(blocked_samples(((key, group.samples) for key, group in sound.items()), figure), sound)
    if found is None:
        return []
    known = names(group.summary.key for group in groups)
    best, rival = known[found.best], known[found.next]
    if figure is Figure.SECONDS:
        verb, what, amount = "takes", f"takes the least time ({notes.MODELLED})", ""
    else:
        own = sound[found.best].summary
        joules = own.net_j if figure is Figure.NET else own.gross_j
        verb, what = "needs", f"needs the least {figure} energy per {unit}"
        amount = f"{number(joules.mean if joules else None)} J, "
    less = notes.less(found.lead, rival)
    if found.is_clear:
        return [f"{best} {what}: {amount}{less}."]
    sure = [known[key] for key, ratio in found.against.items() if ratio.high is not None and ratio.high < 1]
    beaten = sure[0] if len(sure) == 1 else f"{len(sure)} of {len(found.against)} others"
    doubt = f"{notes.UNSURE[found.is_clear]}{f'; it is surely less than {beaten}' if sure else ''}. Add repetitions."
    return [f"Cannot tell yet which {what}: {best} {verb} {amount}{less}, but {doubt}"]


def names(of: Iterable[Key]) -> dict[Key, str]:
    """Return configurations in words: what differs between them."""
    keys = list(of)
    levels = {name: {dict(key).get(name) for key in keys} for key in keys for name, _ in key}
    differs = {name for name, values in levels.items() if len(values) > 1} - set(KINDS_OF_JOULES)
    return {key: named({KEY_HEADINGS.get(n, n): v for n, v in key if n in differs}) or "all" for key in keys}
