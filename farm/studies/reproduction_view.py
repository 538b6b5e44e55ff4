"""The claims of a study and what was found here: for `farm reproduce`, and for the report of its sweeps."""

from collections import Counter
from collections.abc import Iterator
from math import isinf
from typing import Any

from farm.model import Quality
from farm.report.conclusions import change, probability
from farm.report.document import (
    Alert,
    Block,
    Column,
    Document,
    Facts,
    Findings,
    Form,
    Heading,
    Note,
    Paragraph,
    Section,
    text_table,
)
from farm.report.numbers import UNKNOWN, number, several
from farm.studies.claims.finding import Basis, Figure, Finding, Scale, Times, Verdict
from farm.studies.reproduction import Reproduction

MODELLED = (
    "MODELLED joules: these are estimates from load and rated power, which rank nothing. Claims of energy marked "
    "`modelled joules` have no verdict."
)
SIMULATED = "SIMULATED hardware: these joules are not real, and no verdict is about real hardware."
IMPORTED = "IMPORTED: these results were measured elsewhere, and this farm does not know how."
_QUALITIES = {
    Quality.COUNTER: "counted by the hardware",
    Quality.SAMPLED: "integrated from power readings",
    Quality.MODELLED: "MODELLED",
}
_TIMES = {Times.LIVE: "of live requests", Times.SIMULATED: "simulated over measured service times"}


def document(found: Reproduction) -> Document:
    """Return the study, how many of its claims hold, and each claim with its verdict."""
    sweeps = ", ".join(f"{sweep.name} ({sweep.id})" for sweep in found.sweeps)
    about: list[Block] = [Heading(found.paper.title), Paragraph(found.paper.source), Paragraph(f"sweeps: {sweeps}")]
    return Document([*about, *_verdicts(found), *_evidence(found)], record=record(found), types={"the study says": str})


def sections(found: Reproduction) -> tuple[Section, Section]:
    """Return the same as two sections of a report, which names the sweeps itself: the verdicts, and their evidence."""
    about = Paragraph(f"{found.paper.title} ({found.paper.source}).")
    return (
        Section("claims", "Claims of the study", [about, *_verdicts(found)]),
        Section("evidence", "Claims one by one", list(_evidence(found))),
    )


def _verdicts(found: Reproduction) -> Iterator[Block]:
    """Yield warnings, how many claims hold, and a row for each claim."""
    yield from map(Alert, alerts(found))
    yield Paragraph(headline(found))
    claims = [
        (f"{place}. {finding.claim.statement}", _verdict(finding)) for place, finding in enumerate(found.findings, 1)
    ]
    yield text_table("Claims", ("the study says", "verdict"), claims)
    yield from map(Note, notes(found))


def _evidence(found: Reproduction) -> Iterator[Block]:
    """Yield what the verdict on each claim rests on."""
    for place, finding in enumerate(found.findings, start=1):
        yield Heading(f"{place}. {finding.claim.statement.removesuffix('.')}: {_verdict(finding)}")
        yield Facts(
            [("study", finding.claim.figures), ("rests on", _rests(finding.basis)), ("rule", finding.claim.rule)]
        )
        yield Findings(lines(finding))


def headline(found: Reproduction) -> str:
    """Return how many claims have each verdict, and how many of these rest on simulated joules."""
    counts = Counter(finding.verdict for finding in found.findings)
    parts = [
        f"{counts[verdict]} {verdict.in_words(counts[verdict])}{_worth(found, verdict)}"
        for verdict in Verdict
        if counts[verdict]
    ]
    return f"Of {several(len(found.findings), 'claim')} {', '.join(parts)}."


def _worth(found: Reproduction, verdict: Verdict) -> str:
    own = [finding for finding in found.findings if finding.verdict is verdict]
    count = sum(finding.basis.simulated for finding in own)
    share = "" if len(own) == 1 else "all " if count == len(own) else f"{count} "
    return f" ({share}on simulated hardware)" if count and verdict is not Verdict.UNCLEAR else ""


def alerts(found: Reproduction) -> list[str]:
    """Return warnings about joules that are simulated, imported or modelled."""
    each = [SIMULATED] if any(f.basis.simulated for f in found.findings) else []
    each += [IMPORTED] if any(f.basis.imported for f in found.findings) else []
    return each + ([MODELLED] if any(f.is_modelled and f.claim.of_energy for f in found.findings) else [])


def notes(found: Reproduction) -> list[str]:
    """Return what limits all verdicts: other devices, missing results and flagged trials."""
    devices = {device for finding in found.findings for device in finding.basis.devices}
    own = found.paper.device
    elsewhere = sorted(device for device in devices if own and not device.startswith(own))
    each = [f"The study measured a GPU; these results come from {', '.join(elsewhere)}."] if elsewhere else []
    each += [f"{name} was never measured: its claims have no answer yet." for name in found.missing]
    each += [f"{name}: {several(to_go, 'job')} still to go." for name, to_go in found.open.items()]
    if any(finding.basis.left_out for finding in found.findings):
        each.append("Flagged trials are left out; --include-flagged counts them too.")
    return each


def _verdict(finding: Finding) -> str:
    """Return the verdict, with the kinds of joules and response times on which it rests."""
    basis = finding.basis
    worth = ["modelled joules"] if finding.is_modelled else []
    worth += ["simulated hardware"] if basis.simulated else []
    worth += ["imported"] if basis.imported else []
    worth += ["simulated response times"] if basis.times is Times.SIMULATED and finding.figures else []
    return f"{finding.verdict} ({', '.join(worth)})" if worth else finding.verdict.value


def lines(finding: Finding) -> list[str]:
    """Return a line for each figure, and one with the reason of the verdict."""
    return [*map(describe, finding.figures), f"{finding.because[:1].upper()}{finding.because[1:]}."]


def describe(figure: Figure) -> str:
    """Return the size of a figure, then its interval and test, then its verdict."""
    value = figure.value
    low, high = (_value(figure.scale, end) for end in (value.low, value.high))
    span = "" if value.low is None else f"{figure.level}: {low} to {high}"
    size = change(value.mean) if figure.scale is Scale.RATIO else _value(figure.scale, value.mean)
    ratio = f"ratio {number(value.mean)}" if figure.scale is Scale.RATIO else ""
    counted = several(figure.trials, "trial") if figure.trials else ""
    p = probability(figure.p) if figure.p is not None else ""
    details = ", ".join(filter(None, (ratio, span, p, counted)))
    verdict = "" if figure.verdict is None else f": {figure.verdict}"
    return f"{figure.of}: {size} ({details}){verdict}"


def _value(scale: Scale, value: float | None) -> str:
    if value is None:
        return UNKNOWN
    if isinf(value):
        return "never"
    match scale:
        case Scale.RATIO:
            return number(value)
        case Scale.SHARE:
            return f"{number(value * 100)}%"
        case Scale.GROWTH:
            return f"{'+' if value > 0 else ''}{number(value * 100, 2)}%"


def _rests(basis: Basis) -> str:
    """Return the number of trials, the machines, and how joules and response times were obtained."""
    if not basis.trials:
        return "nothing" + (f"; {several(basis.left_out, 'flagged trial')} left out" if basis.left_out else "")
    parts = [f"{several(basis.trials, 'trial')} on {', '.join(basis.machines) or 'unknown machines'}"]
    parts[0] += f" ({', '.join(basis.devices)})" if basis.devices else ""
    parts += [f"{several(basis.left_out, 'flagged trial')} left out"] if basis.left_out else []
    parts += [f"{basis.flagged} of them flagged"] if basis.flagged else []
    parts += [f"joules {', '.join(_QUALITIES[quality] for quality in basis.qualities)}"] if basis.qualities else []
    parts += [f"response times {_TIMES[basis.times]}"] if basis.times else []
    return "; ".join(parts)


def record(found: Reproduction) -> dict[str, Any]:
    """Return all findings for scripts."""
    return {
        "study": found.paper.name,
        "title": found.paper.title,
        "source": found.paper.source,
        "sweeps": [sweep.id for sweep in found.sweeps],
        "missing": list(found.missing),
        "to_go": dict(found.open),
        "conclusion": headline(found),
        "alerts": alerts(found),
        "notes": notes(found),
        "claims": [_record(finding) for finding in found.findings],
    }


def _record(finding: Finding) -> dict[str, Any]:
    claim, basis = finding.claim, finding.basis
    return {
        "id": claim.id,
        "claim": claim.statement,
        "study": claim.figures,
        "rule": claim.rule,
        "verdict": finding.verdict.value,
        "because": finding.because,
        "evidence": lines(finding),
        "trials": basis.trials,
        "left_out": basis.left_out,
        "flagged": basis.flagged,
        "machines": list(basis.machines),
        "devices": list(basis.devices),
        "joules": [quality.value for quality in basis.qualities],
        "simulated": basis.simulated,
        "imported": basis.imported,
        "response_times": basis.times.value if basis.times else None,
        "figures": [
            {
                "of": figure.of,
                "is": figure.scale.value,
                **dict(Column("value", form=Form.INTERVAL).records(figure.value)),
                "p": figure.p,
                "trials": figure.trials,
                "verdict": figure.verdict.value if figure.verdict else None,
            }
            for figure in finding.figures
        ],
    }
