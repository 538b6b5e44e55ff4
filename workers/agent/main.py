"""`farm worker`: register this machine with the farm, and measure until a signal stops it."""

import gc
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

from farm.model import Owner
from farm.model.errors import FarmError, redacted
from farm.scheduling.broker import Publisher
from farm.settings import Settings, load_settings, logs
from farm.store import Store
from workers.supervisor.lock import only_worker
from workers.supervisor.processes import die_with_parent, kill_left_overs

log = logging.getLogger(__name__)


def run(
    gpu: str | None, allow_models: Sequence[str], allow_commands: Sequence[str], verbose: bool, parent: int | None
) -> int:
    """Serve this machine's queues until a signal stops it; returns the exit status.

    Args:
        gpu: the index or UUID of the GPU to measure; None: the GPU of the settings.
        allow_models: patterns of users' models that may be loaded; empty: the patterns of the settings.
        allow_commands: patterns of command lines that may run; empty: the patterns of the settings.
        verbose: log every job.
        parent: the process to die with; None: a worker of its own.
    """
    if parent is not None:
        die_with_parent(parent)
    chosen = {
        "gpu": gpu,
        "allow_models": ",".join(allow_models) or None,
        "allow_commands": "\n".join(allow_commands) or None,
    }
    settings = load_settings(**{name: value for name, value in chosen.items() if value is not None})
    level = logs.set_up(settings.log_format, verbose)
    logging.getLogger("workers").setLevel(logging.INFO)  # what it runs and how that ended; Celery is quieter
    with ExitStack() as stack:
        if parent is None:  # a worker of farm run alternates with a permanent one, trial by trial
            stack.enter_context(only_worker(settings.lock_file))
        if killed := kill_left_overs():
            log.warning("killed what trials of a worker that died had left: %d processes", len(killed))
        return _join(settings, verbose, level, is_alone=parent is not None)


def _join(settings: Settings, verbose: bool, level: int, is_alone: bool) -> int:
    try:
        from workers.agent import consumer, fingerprint
        from workers.agent.heartbeat import Watchdog
        from workers.agent.spool import Spool
        from workers.agent.worker import Worker
        from workers.meters.nvml import choose_gpu, use_simulator
        from workers.supervisor import supervisor
        from workers.trial.workload import installed
    except ModuleNotFoundError as error:
        raise FarmError(f"this machine has no {error.name}: pip install 'wattfarm[worker]'") from None
    use_simulator(settings.simulator)
    choose_gpu(settings.gpu)
    with ExitStack() as stack:
        store = stack.enter_context(Store.open(settings.store_url, create=settings.is_embedded))
        machine = fingerprint.machine(settings)
        logs.set_up(settings.log_format, verbose, machine.name)
        runner = stack.enter_context(supervisor.Supervisor(settings, machine))
        for note in runner.notes:
            log.warning(note)
        machine = fingerprint.with_meters(machine, runner.probe, runner.rating)
        machine = fingerprint.with_abilities(machine, runner.gpus, settings, installed())
        queues = list(machine.queues)
        watchdog = Watchdog(Publisher(settings), queues, settings.watchdog_s)
        spool = Spool(settings.home / "spool")
        worker = Worker(store, runner, spool, machine, Owner.of_process(), settings, watchdog, is_alone)
        worker.start()
        stack.callback(worker.close)
        gc.freeze()  # what is loaded now lives as long as the worker: collections are cheap and soon without it
        app = consumer.build(worker.serve, worker.refuse, watchdog.reset, settings)
        status = _serve(app, worker, queues, machine.name, level, redacted(settings.broker_url))
        if worker.error is not None:
            raise worker.error
    return status


class Stoppable(Protocol):
    """The interface by which a signal stops the worker."""

    def leave(self) -> None: ...
    def interrupt(self) -> None: ...


def _serve(celery: Celery, worker: Stoppable, queues: list[str], name: str, level: int, broker: str) -> int:
    """Handle messages until a signal stops it; returns the exit status."""
    is_stopping = False

    def stop(_signal: int, _frame: FrameType | None) -> None:
        nonlocal is_stopping
        if is_stopping:
            worker.interrupt()
        else:
            is_stopping = True
            worker.leave()

    def begin(**_: object) -> None:
        log.info("connected to %s: %s waits for jobs", broker, name)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, stop)

    warnings.simplefilter("ignore", SecurityWarning)  # it warns root of an option that farm does not have
    worker_ready.connect(begin)  # after Celery's own handlers, which would ignore a second Ctrl-C
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
