"""What this machine can measure, for `farm doctor`."""

import os
from contextlib import ExitStack
from importlib.metadata import version

from farm.errors import MachineBusy
from farm.model import Check, Domain, Quality
from farm.settings import Settings, load_settings
from workers import fingerprint
from workers.guard import machine_lock
from workers.sampler import open_meters


def examine() -> list[Check]:
    """The worker's half of the examination; never raises for what is missing."""
    settings = load_settings()
    machine = fingerprint.machine(settings)
    libraries = ", ".join(f"{name} {version(name)}" for name in ("torch", "torchvision", "celery"))
    return [
        Check(name="machine", state="ok", detail=f"{machine.name}, class {machine.hardware_class}"),
        Check(name="versions", state="ok", detail=libraries),
        *_meters(settings),
        _lock(settings),
        _load(),
    ]


def _meters(settings: Settings) -> list[Check]:
    with ExitStack() as stack:
        meters, notes = open_meters(settings, stack)
        best: dict[Domain, tuple[Quality, str]] = {}
        for meter in meters:
            for domain in meter.domains:
                found = (meter.quality, meter.name)
                best[domain] = min(best.get(domain, found), found, key=lambda f: f[0].rank)
    rows = [_domain(domain, *best[domain]) for domain in sorted(best)]
    return rows + [Check(name="meter", state="note", detail=note) for note in notes]


def _domain(domain: Domain, quality: Quality, meter: str) -> Check:
    if quality == Quality.MODELLED:
        return Check(
            name=f"{domain} joules", state="note", detail=f"modelled by {meter}: an estimate, not a measurement"
        )
    return Check(name=f"{domain} joules", state="ok", detail=f"{quality} from {meter}")


def _lock(settings: Settings) -> Check:
    try:
        with machine_lock(settings.lock_file):
            return Check(name="free", state="ok", detail="nothing measures on this machine now")
    except MachineBusy as error:
        return Check(name="free", state="note", detail=str(error))


def _load() -> Check:
    load, cores = os.getloadavg()[0], os.cpu_count() or 1
    detail = f"load {load:.2f} on {cores} cores"
    if load > 0.2 * cores:
        return Check(name="quiet", state="note", detail=f"{detail}: other programs run, figures will be disturbed")
    return Check(name="quiet", state="ok", detail=detail)
