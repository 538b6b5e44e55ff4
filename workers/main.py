"""`farm worker`: joins this machine to the farm and measures until told to stop."""

import signal
import warnings
from collections.abc import Callable
from contextlib import ExitStack
from types import FrameType
from typing import Annotated

import typer
from celery import Celery
from celery.exceptions import SecurityWarning
from celery.signals import worker_ready
from celery.worker import state

from farm import logs
from farm.errors import FarmError
from farm.model import queue_for
from farm.owner import owner
from farm.settings import load_settings
from farm.store import Store
from workers.processes import die_with_parent


def worker(
    parent: Annotated[int | None, typer.Option(hidden=True, help="Die with this process: it is farm run.")] = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log every job.")] = False,
) -> None:
    """Measure on this machine. Ctrl-C or SIGTERM stops after the running trial, a second one stops now."""
    if parent is not None:
        die_with_parent(parent)
    settings = load_settings()
    level = logs.set_up(settings.log_format, verbose)
    try:
        from workers import app, fingerprint, spool, supervisor  # noqa: PLC0415
        from workers.meters.nvml import use_simulator  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise FarmError(f"this machine has no {error.name}: pip install 'wattfarm[worker]'") from None
    use_simulator(settings.simulator)
    with ExitStack() as stack:
        store = stack.enter_context(Store.open(settings.store_url, create=settings.is_embedded))
        machine = fingerprint.machine(settings)
        logs.set_up(settings.log_format, verbose, machine.name)
        runner = stack.enter_context(supervisor.Supervisor(settings, machine))
        machine = machine.model_copy(update={"probe": runner.probe})
        member = app.Worker(store, runner, spool.Spool(settings.home / "spool"), machine, owner(), settings)
        member.start()
        stack.callback(member.close)
        queues = [queue_for(t) for t in ("any", f"hw:{machine.hardware_class}", f"machine:{machine.name}")]
        status = _serve(app.build(member, settings), queues, machine.name, level, member.interrupt)
    raise typer.Exit(status)


def _serve(celery: Celery, queues: list[str], name: str, level: int, interrupt: Callable[[], None]) -> int:
    """Answer rings until told to stop; returns the exit status."""

    def leave(_signal: int, _frame: FrameType | None) -> None:
        if state.should_stop is None:
            state.should_stop = 0
        else:
            interrupt()

    def listen(**_: object) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, leave)

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
