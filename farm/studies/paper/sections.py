"""The sections of a report: first what was found, then how, then everything else."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from shlex import quote

from farm import __version__, kinds
from farm.analysis.statistics.data import order
from farm.model import Machine, Scalar, verdict
from farm.model.durations import span
from farm.report import across, carbon
from farm.report.document import (
    Alert,
    Block,
    Code,
    Facts,
    Figure,
    Findings,
    Heading,
    Note,
    Paragraph,
    Report,
    Section,
    captioned,
    findings,
    text_table,
)
from farm.report.facts import flat
from farm.report.numbers import UNKNOWN, label, number, several
from farm.report.selection import IMPORTED, SIMULATED
from farm.studies.paper import doubts, record, traces, words
from farm.studies.paper.material import Material, Studied

#: Largest number of levels of a factor that are listed.
_LEVELS = 12


def document(material: Material, claims: Sequence[Section] = (), title: str | None = None) -> Report:
    """Return a report with all sections that are not empty.

    Args:
        material: what the report shows.
        claims: sections about a study that was repeated: its claims with their verdicts, then what these rest on.
        title: title of the report; None: the names of the sweeps.
    """
    measured = [study for study in material.studies if study.samples]
    sections = (
        *claims[:1],
        Section("findings", "Findings", _findings(material)),
        Section("results", "Results", [block for study in measured for block in _results(study, material)]),
        Section("across", "Across machines and sweeps", _across(material)),
        *claims[1:],
        Section("statistics", "Statistics", [block for study in measured for block in _tests(study, material)]),
        Section("methods", "Methods", _methods(material)),
        Section("reservations", "Flags, failures and notes", doubts.section(material)),
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


def _findings(material: Material) -> list[Block]:
    """Return warnings, then what each sweep shows, and how far it is."""
    warned = [(study, " ".join(found)) for study in material.studies if (found := words.alerts(study))]
    is_alone = len(material.studies) == 1
    blocks: list[Block] = [Alert(text if is_alone else f"{study.record.name}: {text}") for study, text in warned]
    for study in material.studies:
        is_over, status = not study.progress.to_go, words.status(study)
        blocks += _named(study, material)
        blocks += [] if is_over else [Paragraph(f"In progress, so findings may change. {status}")]
        blocks += [*study.findings, *([Note(status)] if is_over else [])]
    return blocks


def _methods(material: Material) -> list[Block]:
    each = [block for study in material.studies for block in _method(study, material)]
    measured = [study for study in material.studies if study.samples]
    if not measured:
        return each
    used = [kinds.get(study.record.kind) for study in measured if not study.record.imported]
    methods = dict.fromkeys(kind.method for kind in used if kind.method)
    common = [*((words.METHOD, *methods) if used else ()), words.UNCERTAINTY, words.RATIOS]
    return [*map(Paragraph, common), *each]


def _method(study: Studied, material: Material) -> Iterator[Block]:
    yield from _named(study, material)
    if study.record.imported:
        sources = dict.fromkeys(note.partition(", line")[0] for trial in study.trials for note in trial.notes)
        yield Alert(" ".join((words.IMPORTED, *(f"{source.capitalize()}." for source in sources))))
    yield Facts(_design(study), "Design")
    if study.plan.measure is not None:
        settings = words.settings(study.plan.measure, kinds.get(study.record.kind).unheeded)
        yield Facts(settings, f"Measurement, profile {study.plan.measure.profile}")
    rows = [words.meter(*metered, windows) for metered, windows in study.meters.items()]
    if rows:
        headings = ("domain", "meter", "joules", "windows of work")
        yield text_table("Meters", headings, rows, numbers=headings[-1:])


def _design(study: Studied) -> list[tuple[str, str]]:
    levels: dict[str, dict[Scalar, None]] = {}
    for one in study.plan.points:
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
    rows.append(("order", f"{order_of}, seed {label(study.plan.seed)}"))
    rows.append(("targets", ", ".join(study.plan.targets) or UNKNOWN))
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
    """Yield the results of a sweep: the chart that answers its question, the tables, then the other charts.

    Tables are numbered. Left out is what the report has shown: the title, warnings, and the first findings.
    """
    yield from _named(study, material)
    shown_before = [item for block in study.findings if isinstance(block, Findings) for item in block.items]
    blocks = captioned(_new(study, study.results.blocks), f"Results of {study.record.name}")
    figures = [block for block in blocks if isinstance(block, Figure)]
    yield from (replace(figure, is_main=True) for figure in figures[:1])
    for block in blocks:
        if isinstance(block, Findings):
            yield from findings([item for item in block.items if item not in shown_before])
        elif not isinstance(block, Figure | Paragraph):
            yield block
    yield from figures[1:]
    yield from (block for block in blocks if isinstance(block, Paragraph))


def _new(study: Studied, blocks: Iterable[Block]) -> Iterator[Block]:
    """Yield the blocks of a view without its title and warnings; lines before its table are notes on it."""
    is_head = True
    for block in blocks:
        is_head = is_head and isinstance(block, Paragraph | Alert)
        if not isinstance(block, Paragraph | Alert):
            yield block
        elif block.text not in {f"{study.record.name} ({study.record.id})", SIMULATED, IMPORTED}:
            yield Note(block.text) if is_head else block


def _across(material: Material) -> list[Block]:
    blocks: list[Block] = []
    for found in material.across:
        blocks += [Heading(found.title)]
        blocks += [block for block in across.document(found).blocks if block != Paragraph(found.title)]
    return blocks


def _tests(study: Studied, material: Material) -> Iterator[Block]:
    """Yield the tests of a sweep: what each found, what it was made on where that differs from the one before."""
    if not (study.analyses or study.untested):
        return
    yield from _named(study, material)
    shown_before: list[Block] = []
    for analysis in study.analyses:
        yield from (block for block in analysis.blocks if isinstance(block, Findings))
        own = [block for block in _new(study, analysis.blocks) if not isinstance(block, Findings)]
        yield from (block for block in own if not isinstance(block, Note) or block not in shown_before)
        shown_before += own
    yield from (Note(f"Not tested: {reason}.") for reason in study.untested)


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
    option = " --include-flagged" if material.include_flagged else ""
    command = f"farm report {ids}{option} -o report.html"
    return [*blocks, Paragraph("This report, from the same database:"), Code(command)]
