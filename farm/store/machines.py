"""The machines that measure, and the last heartbeat of each."""

from collections.abc import Iterator
from functools import cached_property
from typing import Any

from pydantic import TypeAdapter, ValidationError
from sqlalchemy import Connection, Row, Update, bindparam, select, update

import farm.store.tables as t
from farm.model import JobState, Live, Machine, MachineState, MachineStatus, Owner
from farm.model.errors import InputError
from farm.model.reading import Unreadable, each, readable, reading, reason, unreadable
from farm.model.text import line
from farm.store.engine import Database

#: A worker gives a sign of life every few seconds; one that was silent for this long has left.
PRESENT_S = 60.0
#: The largest value of a whole column of PostgreSQL.
_LARGEST = 2**31 - 1
_LONGEST_VERSION = 60
#: What a heartbeat renews, and what users set.
_BEATEN = ("last_seen_at", "running_job", "wanted_state", "spooled", "rejected")
_STATUS = TypeAdapter(MachineStatus)


class Machines(Database):
    """The commands and queries on machines and their heartbeats."""

    def register_machine(self, machine: Machine, owner: Owner, version: str) -> None:
        """Record a machine, new or known, and the worker that starts on it; only a recorded machine can claim.

        Its facts are brought within bounds. Raises InputError for a name that no machine can have.
        """
        row = _within_bounds(machine).model_dump(mode="json") | {
            "worker_owner": line(str(owner)),
            "worker_version": line(version, _LONGEST_VERSION),
            "last_seen_at": self.now(),
            "running_job": None,
            "spooled": 0,
            "rejected": 0,
            "live": None,
        }
        statement = self.insert(t.machine).values(row | {"wanted_state": MachineState.ACTIVE, "imported": False})
        with self.write() as connection:
            connection.execute(statement.on_conflict_do_update(index_elements=[t.machine.c.id], set_=row))

    def machine_beat(
        self, machine_id: str, running_job: str | None, spooled: int = 0, rejected: int = 0, live: Live | None = None
    ) -> MachineState:
        """Record that the machine's worker is alive, and what it does; returns the state that is wanted of it."""
        seen = {
            "machine": machine_id,
            "running_job": running_job,
            "spooled": min(spooled, _LARGEST),
            "rejected": min(rejected, _LARGEST),
            "live": live.model_dump(mode="json", exclude_defaults=True) if live else None,
        }
        with self.write() as connection:
            return MachineState(connection.execute(self._beat, seen).scalar_one_or_none() or MachineState.ACTIVE)

    @cached_property
    def _beat(self) -> Update:
        """The heartbeat's statement, built once: to build it takes longer than to run it."""
        return (
            update(t.machine)
            .where(t.machine.c.id == bindparam("machine"))
            .values(
                last_seen_at=self.now_as_it_runs(),
                running_job=bindparam("running_job"),
                spooled=bindparam("spooled"),
                rejected=bindparam("rejected"),
                live=bindparam("live"),
            )
            .returning(t.machine.c.wanted_state)
        )

    def forget(self, owner: Owner) -> None:
        """Forget the phase of a worker that has died."""
        mine = update(t.machine).where(t.machine.c.worker_owner == str(owner))
        with self.write() as connection:
            connection.execute(mine.values(running_job=None, live=None))

    def assign(self, name: str, wanted_state: MachineState) -> int:
        """Set the wanted state of the machines of a name; returns their number, which is usually 1."""
        statement = update(t.machine).where(t.machine.c.name == name)
        with self.write() as connection:
            return connection.execute(statement.values(wanted_state=wanted_state)).rowcount

    def running_on(self, name: str) -> list[str]:
        """Return the jobs that run on the machine of that name: at most one, unless a worker fell silent."""
        query = select(t.job.c.id).join(t.machine, t.machine.c.id == t.job.c.machine_id)
        with self.read() as connection:
            return list(connection.scalars(query.where(t.machine.c.name == name, t.job.c.state == JobState.RUNNING)))

    def machines(self) -> list[MachineStatus]:
        """Read all machines by name; among machines of one name the one seen last comes first.

        Machines that cannot be read are left out: see `unreadable_machines`.
        """
        with self.read() as connection:
            return readable(known_machines(connection))

    def unreadable_machines(self) -> list[Unreadable]:
        """Return why machines cannot be read, for people."""
        with self.read() as connection:
            return unreadable(known_machines(connection))


def known_machines(connection: Connection) -> Iterator[MachineStatus | Unreadable]:
    """Read all machines with a worker by name, within a transaction."""
    query = select(t.machine).where(~t.machine.c.imported).order_by(t.machine.c.name, t.machine.c.last_seen_at.desc())
    return each(connection.execute(query), _status_of)


def _status_of(row: Row[*tuple[Any, ...]]) -> MachineStatus:
    with reading("machine", row.id, row.name):
        return _STATUS.validate_python(
            {
                "machine": machine_of(row),
                "owner": row.worker_owner,
                "version": row.worker_version,
                "live": read_live(row.live),
                **{name: getattr(row, name) for name in _BEATEN},
            }
        )


def machine_of(row: Row[*tuple[Any, ...]]) -> Machine:
    """Return the machine of a row of its table; raises Unreadable."""
    with reading("machine", row.id, row.name):
        return Machine.model_validate({name: getattr(row, name) for name in Machine.model_fields})


def _within_bounds(machine: Machine) -> Machine:
    try:
        return Machine.model_validate(machine.model_dump())
    except ValidationError as error:
        raise InputError(f"this machine cannot register, {reason(error)}: set FARM_MACHINE_NAME") from None


def read_live(live: object) -> Live:
    """Read the live values of a heartbeat; empty where there are none, or where another version wrote them."""
    try:
        return Live() if live is None else Live.model_validate(live)
    except ValidationError:
        return Live()
