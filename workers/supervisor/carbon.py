"""The carbon intensity of a trial's electricity, found when the trial is over."""

from farm.model import CarbonSource, TrialReport
from farm.model.errors import InputError


def add_carbon(report: TrialReport, own: CarbonSource, of_sweep: CarbonSource) -> TrialReport:
    """Return the report with the factor of its own time; with a note where it is unknown, never with a guess.

    Args:
        report: The report of a trial.
        own: What this machine states about its electricity.
        of_sweep: What the sweep states for machines that say nothing.
    """
    try:
        factor = own.over(of_sweep).factor(report.started_at_utc, report.finished_at_utc)
    except InputError as error:
        return report.model_copy(update={"notes": (*report.notes, f"{error}; the grams of this trial are unknown")})
    return report.model_copy(update={"carbon": factor})
