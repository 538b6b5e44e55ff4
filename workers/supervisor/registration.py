"""Probe a machine's meters once, and keep the result on its disk until the GPU or its driver changes."""

import logging
from contextlib import suppress
from pathlib import Path

from pydantic import ValidationError

from farm.model import Frozen, Machine, Probe, disk
from farm.model.errors import MachineBusy
from farm.settings import Settings
from workers.supervisor.lock import machine_lock
from workers.supervisor.probe import run_probe
from workers.supervisor.zygote import Zygote

log = logging.getLogger(__name__)


class _Remembered(Frozen):
    """A result, and the GPU and driver for which it is valid."""

    gpu: tuple[str, str]  #: UUID and driver
    probe: Probe


def probe_of(machine: Machine, settings: Settings, zygote: Zygote) -> Probe | None:
    """Return the kept result for this machine's GPU, or probe it; None without a GPU, or while the machine is busy."""
    gpu = machine.hardware.get("gpu")
    if not isinstance(gpu, dict) or not settings.probe:
        return None
    identity = (str(gpu.get("uuid")), str(gpu.get("driver")))
    path = settings.home / "probe.json"
    with suppress(OSError, ValidationError):
        remembered = _Remembered.model_validate_json(path.read_text())
        if remembered.gpu == identity:
            return remembered.probe
    try:
        with machine_lock(settings.lock_file):
            log.warning("probing this GPU's meters for half a minute, once for each GPU and driver")
            probe = run_probe(settings, zygote)
    except MachineBusy as error:
        log.warning("not probed now: %s", error)
        return None
    _remember(path, _Remembered(gpu=identity, probe=probe))
    return probe


def _remember(path: Path, what: _Remembered) -> None:
    try:
        disk.make_private(path.parent)
        with disk.replacing(path, is_private=True) as file:
            file.write(what.model_dump_json(indent=2).encode())
    except OSError as error:
        log.warning("%s cannot be written (%s): the next worker probes again", path, error.strerror)
