"""The sections of a report: first the findings, then the methods, then everything else."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from shlex import quote

from farm import __version__, kinds
from farm.analysis.aggregate import UnitSample
from farm.analysis.statistics.data import order
from farm.kinds.points import point
from farm.model import FailedTrial, Flag, Machine, Scalar, TrialRow, verdict
from farm.model.durations import span
from farm.report import across, carbon
from farm.report.document import (
    Alert,
    Block,
    Code,
    Facts,
    Heading,
    Note,
    Paragraph,
    Report,
    Section,
    Value,
    captioned,
    findings,
    text_table,
)
from farm.report.facts import flat
from farm.report.numbers import UNKNOWN, label, number, several
from farm.studies.paper import record, traces, words
from farm.studies.paper.material import Material, Studied

#: Largest number of trials and of notes in a list; the JSON report has all of them.
_MOST, _MOST_NOTES = 50, 12
#: Largest number of levels of a factor that are listed.
_LEVELS = 12


def document(material: Material, claims: Section | None = None, title: str | None = None) -> Report:
    """Return a report with all sections that are not empty.

    Args:
        material: what the report shows.
        claims: section about the claims of a study that was repeated.
        title: title of the report; None: the names of the sweeps.
    """
    sections = (
        Section("summary", "Summary", _summary(material)),
        *([claims] if claims else []),
        Section("methods", "Methods", _methods(material)),
        Section("results", "Results", [block for study in material.studies for block in _results(study, material)]),
        Section("across", "Across machines and sweeps", _across(material)),
        Section("statistics", "Statistics", [block for study in material.studies for block in _tests(study, material)]),
        Section("reservations", "Flags, and what was left out", _reservations(material)),
        Section("traces", "Power traces", _traces(material)),
        Section("hardware", "Machines and software", _hardware(material)),
        Section("provenance", "Provenance", [_provenance(material)]),
        Section("reproduce", "How to reproduce", _reproduce(material)),
    )
    made = f"Wattfarm {__version__}, {material.made_at:%Y-%m-%d %H:%M} UTC"
    shown = [section for section in sections if section.blocks]
    return Report(title or words.title(material), made, shown)


def _named(study: Studied, material: Material) -> list[Block]:
    """Return a heading that names the sweep if the report has several sweeps."""
    return [Heading(f"{study.record.name} ({study.record.id})")] if len(material.studies) > 1 else []


def _summary(material: Material) -> list[Block]:
    blocks: list[Block] = []
    for study in material.studies:
        name = f"{study.record.name}: " if len(material.studies) > 1 else ""
        blocks += [Alert(f"{name}{alert}") for alert in words.alerts(study)]
    for study in material.studies:
        blocks.append(Paragraph(words.status(study)))
        blocks += findings(study.results.findings)
    return blocks


def _methods(material: Material) -> list[Block]:
    used = [kinds.get(study.record.kind) for study in material.studies if not study.record.imported]
    methods = dict.fromkeys(kind.method for kind in used if kind.method)
    common = [Paragraph(text) for text in ((words.METHOD, *methods) if used else ())]
    each = [block for study in material.studies for block in _method(study, material)]
    return [*common, Paragraph(words.UNCERTAINTY), Paragraph(words.RATIOS), *each]


def _method(study: Studied, material: Material) -> Iterator[Block]:
    yield from _named(study, material)
    if study.record.imported:
        sources = dict.fromkeys(note.partition(", line")[0] for trial in study.trials for note in trial.notes)
        yield Alert(" ".join((words.IMPORTED, *(f"{source.capitalize()}." for source in sources))))
    yield Facts(_design(study), "Design")
    if study.measure is not None:
        settings = words.settings(study.measure, kinds.get(study.record.kind).unheeded)
        yield Facts(settings, f"Measurement, profile {study.measure.profile}")
    rows = [words.meter(*metered, windows) for metered, windows in study.meters.items()]
    if rows:
        headings = ("domain", "meter", "joules", "windows of work")
        yield text_table("Meters", headings, rows, numbers=headings[-1:])


def _design(study: Studied) -> list[tuple[str, str]]:
    levels: dict[str, dict[Scalar, None]] = {}
    for one in study.points:
        for name, value in one.items():
            levels.setdefault(name, {})[value] = None
    factors = [(name, _levels(sorted(values, key=order))) for name, values in levels.items() if len(values) > 1]
    fixed = [
        f"{name} {label(next(iter(v)))}" for name, v in levels.items() if len(v) == 1 and next(iter(v)) is not None
    ]
    rows = [(f"factor {name}", values) for name, values in factors]
    rows += [("fixed", ", ".join(fixed))] if fixed else []
    if study.record.imported:
        return rows
    rows.append(("repetitions", words.repetition(study.record.rule)))
    order_of = "chosen by each strategy" if study.record.is_search else "randomised complete blocks"
    rows.append(("order", f"{order_of}, seed {label(study.seed)}"))
    rows.append(("targets", ", ".join(study.targets) or UNKNOWN))
    known = carbon.intensities(trial.carbon for trial in study.trials)
    return rows + [("carbon", line.removeprefix("grams: ")) for line in known]


def _levels(values: Sequence[Scalar]) -> str:
    if len(values) <= _LEVELS:
        return ", ".join(map(label, values))
    spelt = (number(v) if isinstance(v, float) else label(v) for v in (values[0], values[-1]))
    return f"{len(values)} values, {' to '.join(spelt)}"


def _hardware(material: Material) -> list[Block]:
    known = {name: content for study in material.studies for name, content in study.environments.items()}
    trials = Counter(trial.environment for study in material.studies for trial in study.trials)
    softwares = [
        Facts(list(flat(content)), f"Software {name} of {several(trials[name], 'trial')}")
        for name, content in known.items()
    ]
    return [*(_machine(machine, version) for machine, version in material.machines), *softwares]


def _machine(machine: Machine, version: str) -> Facts:
    probe = machine.probe
    probed = [(check.name, check.detail) for check in verdict.findings(probe)] if probe else []
    when = [("probed", f"{probe.probed_at:%Y-%m-%d %H:%M} UTC")] if probe else [("probed", "never")]
    facts = [("hardware class", machine.hardware_class), ("wattfarm", version), *flat(machine.hardware)]
    return Facts([*facts, *when, *probed], f"{machine.name}{' (simulated)' if machine.simulated else ''}")


def _results(study: Studied, material: Material) -> Iterator[Block]:
    """Yield the results of a sweep with numbered tables and charts, without the title, which the section has."""
    yield from _named(study, material)
    title = Paragraph(f"{study.record.name} ({study.record.id})")
    yield from captioned((block for block in study.results.blocks if block != title), f"Results of {study.record.name}")


def _across(material: Material) -> list[Block]:
    blocks: list[Block] = []
    for found in material.across:
        blocks += [Heading(found.title)]
        blocks += [block for block in across.document(found).blocks if block != Paragraph(found.title)]
    return blocks


def _tests(study: Studied, material: Material) -> Iterator[Block]:
    if not (study.analyses or study.untested):
        return
    yield from _named(study, material)
    shown: list[Block] = [Paragraph(f"{study.record.name} ({study.record.id})")]
    for analysis in study.analyses:
        for block in analysis.blocks:
            if not isinstance(block, Paragraph | Alert) or block not in shown:
                yield block
        shown += analysis.blocks
    yield from (Note(f"Not tested: {reason}.") for reason in study.untested)


def _reservations(material: Material) -> list[Block]:
    trials = [trial for study in material.studies for trial in study.trials]
    measured = [trial for trial in trials if trial.failure is None]
    samples = [sample for study in material.studies for sample in study.samples]
    notes = Counter(note for trial in measured if not trial.imported for note in trial.notes)
    return [
        Paragraph(f"{len(measured)} of {several(len(trials), 'trial')} completed."),
        *_flags(Counter(flag for sample in samples for flag in sample.flags)),
        *_doubted(samples, {trial.trial: trial for trial in measured}),
        *_failed([failure for study in material.studies for failure in study.failures]),
        *_listed("Notes of trials", ("note", "trials"), notes.most_common(), _MOST_NOTES),
    ]


def _flags(flags: Counter[Flag]) -> list[Block]:
    rows = [[flag, n, "no" if flag.is_note else "yes", words.FLAGS[flag]] for flag, n in flags.most_common()]
    return _listed("Flags of trials", ("flag", "trials", "left out", "meaning"), rows)


def _doubted(samples: Sequence[UnitSample], trials: Mapping[str, TrialRow]) -> list[Block]:
    found = [(trials[str(sample.labels["trial"])], sample.flags) for sample in samples if not sample.is_valid]
    rows = [[t.trial, f"{point(t.factors)}, repetition {t.repetition + 1}", ", ".join(flags)] for t, flags in found]
    return _listed("Trials in doubt because of their flags", ("trial", "point", "flags"), rows)


def _failed(failures: Sequence[FailedTrial]) -> list[Block]:
    rows = [
        [f"{f.job}.{f.attempt}", f"{point(f.point)}, repetition {f.repetition + 1}", f.failure.kind, f.failure.message]
        for f in failures
    ]
    return _listed("Trials that failed", ("trial", "point", "failure", "message"), rows)


def _listed(caption: str, headings: Sequence[str], rows: Sequence[Sequence[Value]], most: int = _MOST) -> list[Block]:
    if not rows:
        return []
    cut = [Note(f"The first {most} of {len(rows)} are shown; the JSON report has all.")] if len(rows) > most else []
    return [text_table(caption, headings, rows[:most], numbers=("trials",)), *cut]


def _traces(material: Material) -> list[Block]:
    return [figure for traced in material.traced for figure in traces.figures(traced)]


def _provenance(material: Material) -> Facts:
    rows = [
        ("report", f"Wattfarm {__version__}, {material.made_at:%Y-%m-%d %H:%M:%S} UTC"),
        ("commit", record.commit() or "unknown"),
        ("database", material.database),
    ]
    for study in material.studies:
        sweep = study.record
        verb = "imported" if sweep.imported else "submitted"
        rows.append(
            (f"sweep {sweep.name}", f"{sweep.id}, {verb} {sweep.submitted_at:%Y-%m-%d %H:%M} UTC{_took(study)}")
        )
    return Facts(rows)


def _took(study: Studied) -> str:
    begun = [trial.started_at_utc for trial in study.trials if trial.started_at_utc is not None]
    if not begun:
        return ""
    first, last = min(begun), max(trial.finished_at_utc for trial in study.trials)
    return (
        f"; measured from {first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} UTC, {span((last - first).total_seconds())}"
    )


def _reproduce(material: Material) -> list[Block]:
    blocks: list[Block] = []
    for study in material.studies:
        sweep = study.record
        blocks += _named(study, material)
        if sweep.imported:
            blocks += [Paragraph("The sweep was imported with this map:"), Code(sweep.text)]
        else:
            file = f"{sweep.name}.yaml"
            blocks += [Paragraph(f"Save this as {file}:"), Code(sweep.text), Code(f"farm run {quote(file)}")]
    ids = " ".join(study.record.id for study in material.studies)
    return [*blocks, Paragraph("This report, from the same database:"), Code(f"farm report {ids} -o report.html")]
