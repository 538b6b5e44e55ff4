"""The numbers of a report, for scripts."""

from functools import cache
from pathlib import Path
from typing import Any

import farm
from farm.report import across, carbon
from farm.report.document import Findings
from farm.report.facts import trial_record
from farm.studies.paper import words
from farm.studies.paper.material import Material, Studied


def report_record(material: Material) -> dict[str, Any]:
    """Return all numbers of a report, with units in the names and None for unknown values."""
    return {
        "wattfarm": farm.__version__,
        "commit": commit(),
        "made_at_utc": material.made_at.isoformat(),
        "database": material.database,
        "include_flagged": material.include_flagged,
        "sweeps": [_study(study) for study in material.studies],
        "machines": [machine.model_dump(mode="json") | {"wattfarm": version} for machine, version in material.machines],
        "across": [record for found in material.across for record in across.document(found).records()],
        "traces": [
            {
                "trial": traced.trial.trial,
                "windows": [window.model_dump(mode="json") for window in traced.windows],
                "meters": [trace.model_dump(mode="json") for trace in traced.traces],
            }
            for traced in material.traced
        ],
    }


def _study(study: Studied) -> dict[str, Any]:
    sweep = study.record
    return {
        **sweep.model_dump(mode="json", exclude={"submitter"}),
        "summary": words.status(study),
        "findings": [item for block in study.findings if isinstance(block, Findings) for item in block.items],
        "conclusion": study.results.findings,
        "alerts": words.alerts(study),
        "jobs": dict(study.progress.counts),
        "targets": list(study.plan.targets),
        "seed": study.plan.seed,
        "spent": carbon.records(study.spent),
        "measure": study.plan.measure.model_dump(mode="json") if study.plan.measure else None,
        "meters": [
            {"domain": domain, "source": source, "quality": quality, "windows": windows}
            for (domain, source, quality), windows in study.meters.items()
        ],
        "environments": dict(study.environments),
        "results": study.results.records(),
        "statistics": [analysis.json() for analysis in study.analyses],
        "untested": list(study.untested),
        "trials": [trial_record(trial) for trial in study.trials],
    }


@cache
def commit() -> str | None:
    """Return the commit of this program if it runs from a Git checkout, else None."""
    git = Path(farm.__file__).parents[1] / ".git"
    try:
        head = (git / "HEAD").read_text(encoding="ascii").strip()
        kind, _, name = head.partition(" ")
        return head if kind != "ref:" else _reference(git, name)
    except (OSError, ValueError):
        return None


def _reference(git: Path, name: str) -> str | None:
    loose = git / name
    if loose.is_file():
        return loose.read_text(encoding="ascii").strip()
    packed = (line.split(" ") for line in (git / "packed-refs").read_text(encoding="ascii").splitlines())
    return next((parts[0] for parts in packed if parts[-1] == name), None)
