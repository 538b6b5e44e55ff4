"""The section on doubtful and failed trials: a row for each flag, note and failure, not for each trial."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from farm.analysis.aggregate import UnitSample
from farm.kinds.points import point
from farm.model import FailedTrial, Flag, TrialRow, WindowKind
from farm.report import notes
from farm.report.document import Block, Note, Paragraph, Value, text_table
from farm.report.numbers import several
from farm.studies.paper import words
from farm.studies.paper.material import Material

#: Largest number of notes and failures in a table; the JSON report has all of them.
_MOST = 12
#: Labels that differ between the trials of a point.
_OF_TRIALS = frozenset({"repetition", "job", "trial", "environment"})
#: The window of a note, which stands before it.
_WINDOW = re.compile(f"^({'|'.join(WindowKind)}): ")


def section(material: Material) -> list[Block]:
    """Return how many trials completed, then flags, failures and notes, each with the number of its trials."""
    trials = [trial for study in material.studies for trial in study.trials]
    measured = {trial.trial: trial for trial in trials if trial.failure is None}
    samples = [sample for study in material.studies for sample in study.samples]
    return [
        Paragraph(f"{len(measured)} of {several(len(trials), 'trial')} completed."),
        *_flags(samples, measured),
        *_failed([failure for study in material.studies for failure in study.failures]),
        *_noted(trial for trial in measured.values() if not trial.imported),
    ]


def _flags(samples: Sequence[UnitSample], trials: dict[str, TrialRow]) -> list[Block]:
    """Return a row for each flag, with what its trials say of it, and whether trials with it are left out."""
    flags = Counter(flag for sample in samples for flag in sample.flags)
    rows: list[list[Value]] = []
    for flag, _ in flags.most_common():
        own = [trials[str(sample.labels["trial"])] for sample in samples if flag in sample.flags]
        machines = Counter(trial.machine or "an unknown machine" for trial in own)
        where = ", ".join(f"{count} on {machine}" for machine, count in machines.items())
        rows.append([flag.value, where, "no" if flag.is_note else "yes", _seen(flag, own)])
    if not rows:
        return []
    return [text_table("Flags", ("flag", "trials", "left out", "what was seen"), rows), *_left_out(samples)]


def _seen(flag: Flag, trials: Sequence[TrialRow]) -> str:
    """Return what notes of the trials say of a flag, with the range of their numbers, or the meaning of the flag."""
    sign = words.SIGNS.get(flag)
    noted = [[_WINDOW.sub("", note) for note in trial.notes if sign and sign.search(note)] for trial in trials]
    return "; ".join(note for note, _ in notes.alike(noted)) or words.FLAGS[flag]


def _left_out(samples: Sequence[UnitSample]) -> list[Block]:
    """Return how many trials are in doubt, and how many points have no other trial."""
    doubtful = sum(not sample.is_valid for sample in samples)
    if not doubtful:
        return []
    by_point: dict[object, list[bool]] = {}
    for sample in samples:
        point_of = tuple((name, value) for name, value in sample.labels.items() if name not in _OF_TRIALS)
        by_point.setdefault(point_of, []).append(sample.is_valid)
    bare = sum(not any(valid) for valid in by_point.values())
    others = f"{bare} of {several(len(by_point), 'point')} {'has' if bare == 1 else 'have'} no other trial"
    text = f"{doubtful} of {several(len(samples), 'trial')} are in doubt; {others}. `farm export` names them."
    return [Note(text)]


def _failed(failures: Sequence[FailedTrial]) -> list[Block]:
    """Return a row for each cause, with the number of its trials and one of them."""
    alike: dict[tuple[str, str], list[FailedTrial]] = {}
    for failure in failures:
        alike.setdefault((failure.failure.kind, notes.shape(failure.failure.message)), []).append(failure)
    rows: list[list[Value]] = []
    for (kind, _), own in sorted(alike.items(), key=lambda item: -len(item[1])):
        first, message = own[0], notes.alike([f.failure.message] for f in own)[0][0]
        example = f"{first.job}.{first.attempt}: {point(first.point)}, repetition {first.repetition + 1}"
        rows.append([kind, message, len(own), example])
    return _listed("Failures", ("failure", "message", "trials", "for example"), rows)


def _noted(trials: Iterable[TrialRow]) -> list[Block]:
    """Return a row for each note that no flag stands for."""
    signs = list(words.SIGNS.values())
    own = ([note for note in trial.notes if not any(sign.search(note) for sign in signs)] for trial in trials)
    return _listed("Notes of trials", ("note", "trials"), [list(row) for row in notes.alike(own)])


def _listed(caption: str, headings: Sequence[str], rows: Sequence[Sequence[Value]]) -> list[Block]:
    if not rows:
        return []
    cut = [Note(f"The first {_MOST} of {len(rows)} are shown; the JSON report has all.")] if len(rows) > _MOST else []
    return [text_table(caption, headings, rows[:_MOST], numbers=("trials",)), *cut]
