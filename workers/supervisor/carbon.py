"""What a trial keeps of its electricity, found when the trial is over: facts of its own place and time."""

from farm.model import CarbonSource, TrialCarbon, TrialReport
from farm.model.errors import InputError


def add_carbon(report: TrialReport, own: CarbonSource, file: str | None) -> TrialReport:
    """Return the report with what its machine states; with a note where that is unknown, never with a guess.

    Args:
        report: The report of a trial.
        own: What this machine states about its electricity.
        file: The sweep's file of hourly intensities, for a machine that states none. A country or a number that the
            sweep states is no part of a trial: it is applied when results are read.
    """
    kept = TrialCarbon(pue=own.pue, is_own=own.is_stated)
    stated = own if own.is_stated else CarbonSource(file=file)
    try:
        found = stated.factor(report.started_at_utc, report.finished_at_utc)
    except InputError as error:
        return report.model_copy(
            update={"carbon": kept, "notes": (*report.notes, f"{error}; this trial keeps no intensity")}
        )
    kept = TrialCarbon(found.g_per_kwh, own.pue, found.source or None, own.is_stated)
    return report.model_copy(update={"carbon": kept})
