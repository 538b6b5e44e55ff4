"""Everything that can go wrong, as one tree.

    FarmError                     exit status 2, unless the class sets another
      InputError                  bad input: the text names the file, the field and what was expected
        SweepError                every problem of a sweep file, one line each
      ServiceError                exit status 3: a service is out of reach or does not fit
        BrokerUnavailable         Redis (or the broker's folder) does not answer
        StoreUnavailable          the database does not answer, refuses the password, or its disk is full
        SchemaMismatch            the database was made by an older or newer program
        WorkerOutdated            exit status 76: a job was planned by an older or newer program
      MeterError                  never fatal for a trial: a lost meter becomes a null and a note
        MeterUnavailable          the meter cannot be used on this machine; the message names the remedy
          MeterUnset              the meter is optional, and nobody has set it up
        MeterLost                 the meter stopped working
      MachineBusy                 another trial or worker holds this machine
      MachineUnfit                this machine can run no trial until somebody, or time, mends it

A failed trial is not an exception: it is a `farm.model.Failure`, stored with the trial.
"""

import re
from collections.abc import Sequence

from farm.model.text import LINES, shortened, visible

#: An error fits on a screen: it has at most so many lines, each of at most so many characters.
MOST_LINES, LONGEST_LINE = 20, 600
#: A host with something other than a port after its colon; an IPv6 address is in brackets.
_NO_PORT = re.compile(r"^(\[[^]]*\]|[^:/?#\[]*):(?!\d{0,5}(?:[/?#,]|$))[^/?#]*")
_PASSWORD_IN_QUERY = re.compile(r"(?<=[?&])(\w*password)=[^&]*")


def bounded(text: str) -> str:
    """Return an error that fits on a screen: few lines, long ones without their middle, no control characters."""
    lines = text.split("\n")
    if len(lines) > MOST_LINES:
        kept = MOST_LINES - 1
        lines = [*lines[:kept], f"and {len(lines) - kept:,} more"]
    return "\n".join(shortened(visible(line, LINES), LONGEST_LINE) for line in lines)


class FarmError(Exception):
    """An error that a user can act on; its text is one clear line, however long the wrong input is."""

    exit_status = 2

    def __init__(self, text: str) -> None:
        super().__init__(bounded(text))


class InputError(FarmError):
    """The user's input is wrong."""


class SweepError(InputError):
    """A sweep file is wrong in one or more places; `problems` has all of them, its text the first."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


class ServiceError(FarmError):
    """A service that the farm needs cannot be used."""

    exit_status = 3


class BrokerUnavailable(ServiceError):
    """The message broker cannot be reached."""


class StoreUnavailable(ServiceError):
    """The database cannot be reached or written."""


class SchemaMismatch(ServiceError):
    """The database's schema is not the one this program was written for."""


class WorkerOutdated(ServiceError):
    """A job asks for what this worker's program does not know; starting it again would not help."""

    exit_status = 76


class MeterError(FarmError):
    """A meter cannot give a reading."""


class MeterUnavailable(MeterError):
    """This machine has no such meter, or this user may not read it."""


class MeterUnset(MeterUnavailable):
    """An optional meter that nobody has set up."""


class MeterLost(MeterError):
    """A meter that worked has stopped working."""


class MachineBusy(FarmError):
    """Another process measures on this machine."""


class MachineUnfit(FarmError):
    """This machine can run no trial now; the job is fine, and another machine may take it."""


def redacted(url: str) -> str:
    """Return a URL without its password, for messages; a text that is no URL may be a password and is hidden."""
    scheme, mark, rest = url.partition("://")
    if not mark:
        return "***" if url else ""
    login, at, place = rest.rpartition("@")
    user, has_password, _ = login.partition(":")
    if "@" in user or (user and not has_password and scheme.startswith("redis")):  # its colon was forgotten
        user = "***"
    if not at:  # a host and its port, or a user and a password whose host was forgotten
        place = _NO_PORT.sub(r"\1:***", place)
    shown = f"{scheme}://{user}{':***' if has_password else ''}{at}{place}"
    return _PASSWORD_IN_QUERY.sub(r"\1=***", shown)
