"""The state of a job after an attempt at it ends: the only rule for that, without a database."""

from dataclasses import dataclass

from farm.model import FailureKind, JobState

#: Failures that another attempt would only repeat.
_FINAL = frozenset({FailureKind.OOM, FailureKind.INVALID, FailureKind.ERROR, FailureKind.TIMEOUT})
#: Failures that do not depend on the job: the attempt does not count.
_STOPPED = frozenset({FailureKind.CANCELLED, FailureKind.INTERRUPTED})


@dataclass(frozen=True, slots=True)
class Outcome:
    """The next state of the job, and its limit of attempts."""

    state: JobState
    max_attempts: int


def outcome(failure: FailureKind | None, *, attempt: int, max_attempts: int, cancel_requested: bool) -> Outcome:
    """Decide whether a job is done, failed, cancelled, or queued again: crashed and lost attempts are limited.

    A cancelled trial leaves its job cancelled unless the sweep was submitted again in the meantime.
    """
    if failure is None:
        return Outcome(JobState.DONE, max_attempts)
    if failure in _FINAL:
        return Outcome(JobState.FAILED, max_attempts)
    if cancel_requested:
        return Outcome(JobState.CANCELLED, max_attempts)
    if failure in _STOPPED:
        return Outcome(JobState.QUEUED, max_attempts + 1)
    return Outcome(JobState.FAILED if attempt >= max_attempts else JobState.QUEUED, max_attempts)
