"""The worker's checks for `farm doctor`: what this machine can measure."""

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from farm.model import Check, Domain, Machine, Quality, verdict
from farm.model.errors import FarmError, MeterError
from farm.settings import Settings, load_settings
from workers.agent import fingerprint
from workers.meters import open_meters
from workers.meters.codecarbon import Codecarbon
from workers.meters.nvml import choose_gpu, open_gpu, use_simulator
from workers.supervisor.lock import machine_lock
from workers.supervisor.probe import run_probe
from workers.supervisor.zygote import Zygote

#: Above this one-minute load per core other programs disturb a measurement.
QUIET_LOAD = 0.2


def examine(probe: bool = False) -> list[Check]:
    """Check this machine; what is missing is a check, not an error. `probe`: half a minute for the GPU's meters too."""
    settings = load_settings()
    use_simulator(settings.simulator)
    choose_gpu(settings.gpu)
    machine = fingerprint.machine(settings)
    return [
        _machine(machine),
        *_gpu(machine, settings.gpu),
        _versions(),
        *_meters(settings),
        *_carbon(settings),
        _lock(settings),
        _load(),
        *(_probe(settings) if probe else ()),
    ]


def _machine(machine: Machine) -> Check:
    detail = f"{machine.name}, class {machine.hardware_class}"
    if machine.simulated:
        return Check(name="machine", state="note", detail=f"{detail}, SIMULATED: results are stamped so")
    return Check(name="machine", state="ok", detail=detail)


def _probe(settings: Settings) -> Iterator[Check]:
    """Yield the findings of a probe that runs now."""
    try:
        with machine_lock(settings.lock_file), closing(Zygote()) as zygote:
            found = run_probe(settings, zygote)
    except FarmError as error:
        yield Check(name="probe", state="bad", detail=str(error))
        return
    yield from verdict.findings(found)


def _versions() -> Check:
    libraries = ", ".join(f"{name} {version(name)}" for name in ("torch", "torchvision", "celery"))
    return Check(name="versions", state="ok", detail=libraries)


def _gpu(machine: Machine, chosen: str) -> Iterator[Check]:
    """Check the metered GPU, from the fingerprint; nothing is checked where there is none."""
    gpu: Any = machine.hardware["gpu"]
    if gpu is None:
        return
    which = "chosen of {0}" if chosen else "the first of {0}: a trial meters the one it runs on, FARM_GPU chooses"
    count = ", " + which.format(gpu["count"]) if (gpu["count"] or 1) > 1 else ""
    yield Check(name="gpu", state="ok", detail=f"{gpu['name']}, driver {gpu['driver']}{count}")
    if machine.simulated:
        yield Check(name="gpu", state="note", detail="SIMULATED: its load is the trials' use of the CPU")
    else:
        yield from _torch()
    processes = _gpu_processes()
    if processes:
        detail = f"in use by process {', '.join(map(str, processes))}: figures will be disturbed"
        yield Check(name="gpu", state="note", detail=detail)


def _torch() -> Iterator[Check]:
    """Yield a note where trials cannot use the GPU."""
    import torch  # noqa: PLC0415 - it takes seconds, and matters only with a GPU

    if not torch.cuda.is_available():
        detail = f"torch {torch.__version__} cannot use it, device auto is the CPU: install a build with CUDA"
        yield Check(name="gpu", state="note", detail=detail)


def _gpu_processes() -> list[int]:
    """List the processes that compute on the metered GPU, without this one."""
    try:
        with open_gpu() as gpu:
            running = gpu.ask(lambda nvml, handle: nvml.nvmlDeviceGetComputeRunningProcesses(handle))
    except MeterError:
        return []
    return [process.pid for process in running or () if process.pid != os.getpid()]


def _meters(settings: Settings) -> list[Check]:
    with ExitStack() as stack:
        meters, notes = open_meters(settings, stack)
        best: dict[Domain, tuple[Quality, str]] = {}
        for meter in meters:
            for domain in meter.domains:
                found = (meter.quality, meter.name)
                best[domain] = min(best.get(domain, found), found, key=lambda f: f[0].rank)
        ratings = {meter.name: f": rated {meter.rating}" for meter in meters if isinstance(meter, Codecarbon)}
    rows = [_domain(domain, *best[domain], ratings) for domain in sorted(best)]
    return rows + [Check(name="meter", state="note", detail=note) for note in notes]


def _domain(domain: Domain, quality: Quality, meter: str, ratings: Mapping[str, str]) -> Check:
    name = f"{domain} joules"
    if quality == Quality.MODELLED:
        estimate = f"modelled by {meter}, an estimate and not a measurement{ratings.get(meter, '')}"
        return Check(name=name, state="note", detail=estimate)
    how = {Quality.COUNTER: "counted by the hardware", Quality.SAMPLED: "integrated from power readings"}[quality]
    return Check(name=name, state="ok", detail=f"{how} ({meter})")


def _carbon(settings: Settings) -> Iterator[Check]:
    """Check what the settings state about the electricity of this machine; nothing is checked where they do not."""
    now = datetime.now(UTC)
    try:
        factor = settings.carbon.factor(now, now)
    except FarmError as error:
        reason = str(error).removeprefix("carbon: ")
        yield Check(name="carbon", state="note", detail=f"the grams of trials will be unknown: {reason}")
        return
    if factor.g_per_kwh is not None:
        yield Check(name="carbon", state="ok", detail=f"{factor.g_per_kwh:g} g CO2e/kWh, {factor.source}")


def _lock(settings: Settings) -> Check:
    try:
        with machine_lock(settings.lock_file):
            detail = f"nothing measures on this machine now; its lock is {settings.lock_file}"
            return Check(name="free", state="ok", detail=detail)
    except FarmError as error:
        return Check(name="free", state="note", detail=str(error))


def _load() -> Check:
    load, cores = os.getloadavg()[0], os.cpu_count() or 1
    detail = f"load {load:.2f} on {cores} cores"
    if load > QUIET_LOAD * cores:
        return Check(name="quiet", state="note", detail=f"{detail}: other programs run, figures will be disturbed")
    return Check(name="quiet", state="ok", detail=detail)
