"""Targets that arrive from other processes: messages, reports, machines, heartbeats, the events of trials."""

import json
import socket
from contextlib import closing, suppress
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from pydantic import ValidationError
from sqlalchemy import update

import farm.store.tables as t
from farm.exchange.loading import load_results
from farm.kinds import views
from farm.model import FailureKind, Live, Machine, TrialReport, Window
from farm.model.errors import FarmError, StoreUnavailable
from farm.report import terminal
from farm.report.selection import Selection
from farm.scheduling.status import machines as seen
from farm.store import Store
from tests.contract.store_records import ANNE, MACHINE, SWEEP, claim, job_id, new_job, record
from tests.fuzz.clear import require_clear
from workers.agent import consumer
from workers.agent.spool import Spool
from workers.supervisor import conversation
from workers.supervisor.conversation import TrialEvents
from workers.supervisor.stop import Stop
from workers.trial import protocol


def take_message(data: bytes, folder: Path) -> None:
    """The headers and the body of a message, as Celery's consumer passes them: a problem is words for people."""
    headers, _, body = data.partition(b"\n")
    message = SimpleNamespace(content_type="application/json", headers=_json(headers), body=body)
    problem = consumer.find_problem(message)
    if problem is not None:
        require_clear(problem)
        raise FarmError(problem)


def _json(data: bytes) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


def take_envelope(data: bytes, folder: Path) -> None:
    """What Redis or a broker's folder has in place of a message: it is read, or refused as unreadable."""
    try:
        consumer._bounded_loads(data.decode(errors="replace"))
    except consumer.UNREADABLE as error:
        raise FarmError(f"refused: {type(error).__name__}") from None


#: Tables whose rows belong to a trial.
_OF_TRIALS = (t.sample, t.trace, t.latency, t.requests, t.epoch, t.measurement, t.window)


class _Taker:
    """A store that accepts every report."""

    def complete(self, report: TrialReport) -> bool:
        return report.failure is None


def take_spooled(data: bytes, folder: Path) -> None:
    """A file of the spool: it goes to the store, or beside; it never stays in the way of others."""
    spool = Spool(folder / "spool")
    (folder / "spool" / "job.1.json").write_bytes(data)
    accepted = spool.drain(cast("Any", _Taker()))
    for path in (folder / "spool").glob("*.bad"):
        path.unlink()
    if len(spool):
        raise AssertionError("a file stays in the spool")
    if not accepted:
        raise FarmError("it is renamed")


@cache
def _store(folder: Path) -> Store:
    """A store with a machine and a sweep of three jobs, of which the first is claimed."""
    store = Store.open(f"sqlite:///{folder / 'wire.db'}", create=True)
    store.register_machine(MACHINE, ANNE, "0.1.0")
    store.submit(record(), [new_job(n) for n in range(3)])
    return store


def take_report(data: bytes, folder: Path) -> None:
    """A report that is accepted: the store takes it, and the sweep's results can still be shown."""
    store = _store(folder)
    try:
        found = TrialReport.model_validate_json(data)
    except ValidationError:
        raise FarmError("no report") from None
    with store.write() as connection:
        for table in (*_OF_TRIALS, t.trial):
            connection.execute(table.delete())
        connection.execute(update(t.job).values(state="queued", attempt=0, lease_until=None))
    if claim(store, job_id(0)) is None:
        raise AssertionError("the job cannot be claimed")
    try:
        store.complete(found.model_copy(update={"job": job_id(0), "attempt": 1, "machine": MACHINE.id}))
    except StoreUnavailable as error:
        raise AssertionError("the spool would wait for ever") from error
    except Exception:  # the spool renames its file
        raise FarmError("refused by the store") from None
    data_of_sweep = load_results(store, store.find_sweep(SWEEP))
    terminal.text(views.view(data_of_sweep, Selection()))


def take_machine(data: bytes, folder: Path) -> None:
    """A machine that registers: the list of machines can still be shown."""
    try:
        machine = Machine.model_validate_json(data)
    except ValidationError:
        raise FarmError("no machine") from None
    store = _store(folder)
    store.register_machine(machine.model_copy(update={"id": MACHINE.id}), ANNE, "0.1.0")
    _show(store)


def take_heartbeat(data: bytes, folder: Path) -> None:
    """What a heartbeat says, as any program may write it into the store."""
    try:
        live = json.loads(data)
        json.dumps(live)
    except (ValueError, RecursionError):
        raise FarmError("no JSON") from None
    store = _store(folder)
    with store.write() as connection:
        connection.execute(update(t.machine).values(live=live))
    _show(store)
    if isinstance(live, dict):
        try:
            store.machine_beat(MACHINE.id, job_id(0), 0, 0, Live.model_validate(live))
        except ValidationError:
            raise FarmError("no heartbeat") from None
        _show(store)


def _show(store: Store) -> None:
    known = seen.look(store, 20.0, datetime.now(UTC))
    terminal.text(seen.overview(known))
    terminal.text(seen.details(known))


class _Edges:
    """Meters that are never there."""

    def read_now(self) -> None:
        pass

    def settle(self, windows: Any) -> tuple[Window, ...]:
        return ()


class _Trial:
    """A trial that sends its words and ends."""

    def __init__(self, words: bytes) -> None:
        mine, theirs = socket.socketpair()
        self.channel = protocol.Channel(mine)
        mine.setblocking(True)
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        theirs.setblocking(False)
        with suppress(BlockingIOError):  # the rest has no room: the trial ends in the midst of a line
            theirs.sendall(words)
        theirs.shutdown(socket.SHUT_WR)
        self.theirs = theirs

    def wait(self, timeout_s: float) -> None:
        return None

    def kill(self) -> None:
        pass


def take_event(data: bytes, folder: Path) -> None:
    """What a trial writes into its socket: the supervisor follows it to an end, and a failure is words for people."""
    trial = _Trial(data)
    start = protocol.Start(spec=new_job(0).spec)
    with closing(Stop()) as stop:
        events: TrialEvents = conversation.follow(cast("Any", trial), start, _Edges(), stop)
    trial.theirs.close()
    trial.channel.sock.close()
    if events.failure is None:
        return
    if events.failure.kind in {FailureKind.CRASHED, FailureKind.ERROR}:
        raise FarmError("the trial is to blame")
