"""`farm worker`: joins this machine to the farm and measures until told to stop."""

import logging
import signal
import warnings
from collections.abc import Sequence
from contextlib import ExitStack
from types import FrameType
from typing import Protocol

from celery import Celery
from celery.exceptions import SecurityWarning
from celery.signals import worker_ready

from farm.errors import FarmError
from farm.scheduling.broker import Publisher
from farm.settings import Settings, load_settings, logs
from farm.store import Store
from farm.store.owner import owner
from workers.supervisor.lock import only_worker
from workers.supervisor.processes import die_with_parent, kill_left_overs

log = logging.getLogger(__name__)


def run(gpu: str | None, allow_models: Sequence[str], verbose: bool, parent: int | None) -> int:
    """Serve this machine's queues until told to stop; returns the exit status.

    Args:
        gpu: the index or UUID of the GPU to measure; None: as the settings say.
        allow_models: patterns of users' models that may be loaded; empty: as the settings say.
        verbose: log every job.
        parent: the process to die with; None: a worker of its own.
    """
    if parent is not None:
        die_with_parent(parent)
    chosen = {"gpu": gpu, "allow_models": ",".join(allow_models) if allow_models else None}
    settings = load_settings(**{name: value for name, value in chosen.items() if value is not None})
    level = logs.set_up(settings.log_format, verbose)
    with ExitStack() as stack:
        if parent is None:  # the worker of farm run takes turns with that of a lab, trial by trial
            stack.enter_context(only_worker(settings.lock_file))
        for pid in kill_left_overs():
            log.warning("process %d was left over by a trial of a worker that died: killed", pid)
        return _join(settings, verbose, level)


def _join(settings: Settings, verbose: bool, level: int) -> int:
    try:
        from workers.agent import consumer as ear
        from workers.agent import fingerprint, spool
        from workers.agent import heartbeat as beat
        from workers.agent import worker as app
        from workers.meters.nvml import choose_gpu, use_simulator
        from workers.supervisor import supervisor
    except ModuleNotFoundError as error:
        raise FarmError(f"this machine has no {error.name}: pip install 'wattfarm[worker]'") from None
    use_simulator(settings.simulator)
    choose_gpu(settings.gpu)
    with ExitStack() as stack:
        store = stack.enter_context(Store.open(settings.store_url, create=settings.is_embedded))
        machine = fingerprint.machine(settings)
        logs.set_up(settings.log_format, verbose, machine.name)
        runner = stack.enter_context(supervisor.Supervisor(settings, machine))
        machine = machine.model_copy(update={"probe": runner.probe})
        queues = list(machine.queues)
        watchdog = beat.Watchdog(Publisher(settings), queues, settings.watchdog_s)
        reports = spool.Spool(settings.home / "spool")
        member = app.Worker(store, runner, reports, machine, owner(), settings, watchdog)
        member.start()
        stack.callback(member.close)
        status = _serve(ear.build(member.serve, member.refuse, settings), member, queues, machine.name, level)
        if member.error is not None:
            raise member.error
    return status


class Stoppable(Protocol):
    """What signals are for: the worker."""

    def leave(self) -> None: ...
    def interrupt(self) -> None: ...


def _serve(celery: Celery, member: Stoppable, queues: list[str], name: str, level: int) -> int:
    """Answer messages until told to stop; returns the exit status."""
    told = False

    def stop(_signal: int, _frame: FrameType | None) -> None:
        nonlocal told
        if told:
            member.interrupt()
        else:
            told = True
            member.leave()

    def listen(**_: object) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, stop)

    warnings.simplefilter("ignore", SecurityWarning)  # of root: it names an option that we do not have
    worker_ready.connect(listen)  # Celery's own handlers come before, and would leave a second Ctrl-C unheard
    signal.signal(signal.SIGINT, signal.default_int_handler)
    server = celery.Worker(
        pool="solo",  # no wake-ups while a trial runs
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
        queues=queues,
        hostname=f"farm@{name}",
        loglevel=level,
        quiet=True,
    )
    server.start()
    return int(server.exitcode or 0)
