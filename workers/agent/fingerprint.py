"""The identity of this machine: its processor, GPU, memory, kernel and virtualisation, and the id from these."""

import hashlib
import os
import platform
import re
import socket
from collections import defaultdict
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path

from pydantic import JsonValue

from farm.model import Machine, Probe
from farm.model.errors import MeterError, MeterLost
from farm.model.software import software
from farm.settings import Settings
from workers.meters.codecarbon import Rating
from workers.meters.nvml import Gpu, Question, mig_is_on, open_gpu

Facts = dict[str, JsonValue]


def machine(settings: Settings, root: Path = Path("/")) -> Machine:
    """Describe this machine from /proc and /sys below `root`, and from NVML; unknown facts are None.

    The id follows from the name and the hardware, not from what an update changes: kernel, driver, microcode.
    """
    cpu, gpu = _cpu(root), _gpu()
    name = settings.machine_name or socket.gethostname()
    identity = (name, cpu["model"], cpu["threads"], gpu and gpu["name"], gpu and gpu["uuid"], settings.simulated)
    return Machine(
        id=hashlib.sha256(repr(identity).encode()).hexdigest()[:16],
        name=name,
        hardware_class=("simulated-" if settings.simulated else "") + _hardware_class(cpu, gpu),
        hardware={
            "cpu": cpu,
            "gpu": gpu,
            "ram_bytes": _ram_bytes(root),
            "kernel": platform.release(),
            "virtualisation": _virtualisation(root),
        },
        software=software(),
        simulated=settings.simulated,
    )


def with_meters(machine: Machine, probe: Probe | None, rating: Rating | None) -> Machine:
    """Add what is known of a machine's meters: their probe, and the rated power from which CPU joules are modelled."""
    cpu = machine.hardware["cpu"]
    if rating is not None and isinstance(cpu, dict):
        cpu = cpu | {"rated_w": rating.power_w, "rated_by": rating.source}
    return machine.model_copy(update={"probe": probe, "hardware": machine.hardware | {"cpu": cpu}})


def with_abilities(machine: Machine, gpus: int, settings: Settings, workloads: Iterable[str]) -> Machine:
    """Add what its worker can run: on so many GPUs, what its settings allow, and these workloads."""
    able: Facts = {
        "gpus": gpus,
        "models": [*settings.allowed_models],
        "commands": [*settings.allowed_commands],
        "workloads": [*sorted(workloads)],
        "extras": [*installed_extras(metadata.distribution("wattfarm").requires or ())],
    }
    return machine.model_copy(update={"abilities": able})


def installed_extras(requirements: Iterable[str]) -> Iterator[str]:
    """Yield the extras of a package whose packages are all installed; those for some systems alone may be missing."""
    wanted: dict[str, list[str]] = defaultdict(list)
    for requirement in requirements:
        if found := re.fullmatch(r"""([\w.-]+).*; extra == ["']([\w-]+)["']""", requirement):
            wanted[found[2]].append(found[1])
    for extra, packages in wanted.items():
        if all(any(metadata.distributions(name=package)) for package in packages):
            yield extra


def _hardware_class(cpu: Facts, gpu: Facts | None) -> str:
    """Name the class of machines that are interchangeable in a comparison."""
    if gpu is not None:
        return _slug(str(gpu["name"] or "unknown gpu"))
    return _slug(f"cpu {cpu['model'] or platform.machine()} {cpu['threads']}c")


def _slug(name: str) -> str:
    """Turn `Intel(R) Xeon(R) Gold 6248 CPU @ 2.50GHz` into `intel-xeon-gold-6248`."""
    bare = re.sub(r"\((r|tm|c)\)|\b(processor|\d+-core)\b|\bcpu @|@? ?\d+\.\d+ghz", " ", name.lower())
    return "-".join(re.findall(r"[a-z0-9]+", bare))


def _cpu(root: Path) -> Facts:
    system = root / "sys/devices/system/cpu"
    processors = list(_processors(root))
    first = processors[0] if processors else {}
    return {
        "model": first.get("model name"),
        "microcode": first.get("microcode"),
        "sockets": len({p["physical id"] for p in processors if "physical id" in p}) or None,
        "cores": len({(p.get("physical id"), p["core id"]) for p in processors if "core id" in p}) or None,
        "threads": len(processors) or os.cpu_count(),
        "smt": {"0": False, "1": True}.get(_text(system / "smt/active") or ""),
        "governor": _text(system / "cpu0/cpufreq/scaling_governor"),
    }


def _processors(root: Path) -> Iterator[dict[str, str]]:
    """Parse /proc/cpuinfo into one mapping for each logical processor."""
    for block in (_text(root / "proc/cpuinfo") or "").split("\n\n"):
        pairs = (line.partition(":") for line in block.splitlines())
        processor = {key.strip(): value.strip() for key, _, value in pairs}
        if "processor" in processor:
            yield processor


def _ram_bytes(root: Path) -> int | None:
    found = re.search(r"^MemTotal:\s+(\d+) kB", _text(root / "proc/meminfo") or "", re.MULTILINE)
    return int(found[1]) * 1024 if found else None


def _virtualisation(root: Path) -> Facts:
    """Describe what the system runs in: hypervisor (known on x86), the firmware's name for the machine, container."""
    flags = next(_processors(root), {}).get("flags")
    dmi = root / "sys/class/dmi/id"
    return {
        "hypervisor": "hypervisor" in flags.split() if flags is not None else None,
        "vendor": _text(dmi / "sys_vendor"),
        "product": _text(dmi / "product_name"),
        "container": (root / ".dockerenv").exists() or (root / "run/.containerenv").exists(),
    }


def _text(path: Path) -> str | None:
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return None


def _gpu() -> Facts | None:
    """Describe the metered GPU, or return None where there is none."""
    try:
        with open_gpu() as gpu:
            return {name: _known(gpu, question) for name, question in _GPU_FACTS.items()}
    except MeterError:
        return None


def _known(gpu: Gpu, question: Question[JsonValue]) -> JsonValue:
    try:
        return gpu.ask(question)
    except MeterLost:
        return None


#: The facts of a GPU, as questions to NVML.
_GPU_FACTS: dict[str, Question[JsonValue]] = {
    "name": lambda nvml, gpu: nvml.nvmlDeviceGetName(gpu),
    "uuid": lambda nvml, gpu: nvml.nvmlDeviceGetUUID(gpu),
    "vbios": lambda nvml, gpu: nvml.nvmlDeviceGetVbiosVersion(gpu),
    "driver": lambda nvml, _: nvml.nvmlSystemGetDriverVersion(),
    "count": lambda nvml, _: nvml.nvmlDeviceGetCount(),
    "compute_capability": lambda nvml, gpu: ".".join(map(str, nvml.nvmlDeviceGetCudaComputeCapability(gpu))),
    "memory_bytes": lambda nvml, gpu: nvml.nvmlDeviceGetMemoryInfo(gpu).total,
    "power_limit_w": lambda nvml, gpu: nvml.nvmlDeviceGetEnforcedPowerLimit(gpu) / 1e3,
    "default_power_limit_w": lambda nvml, gpu: nvml.nvmlDeviceGetPowerManagementDefaultLimit(gpu) / 1e3,
    "max_sm_clock_hz": lambda nvml, gpu: nvml.nvmlDeviceGetMaxClockInfo(gpu, nvml.NVML_CLOCK_SM) * 1e6,
    "max_memory_clock_hz": lambda nvml, gpu: nvml.nvmlDeviceGetMaxClockInfo(gpu, nvml.NVML_CLOCK_MEM) * 1e6,
    "ecc": lambda nvml, gpu: bool(nvml.nvmlDeviceGetEccMode(gpu)[0]),
    "mig": mig_is_on,
    "persistence": lambda nvml, gpu: bool(nvml.nvmlDeviceGetPersistenceMode(gpu)),
    "pcie_generation": lambda nvml, gpu: nvml.nvmlDeviceGetMaxPcieLinkGeneration(gpu),
    "pcie_width": lambda nvml, gpu: nvml.nvmlDeviceGetMaxPcieLinkWidth(gpu),
    "pci_bus_id": lambda nvml, gpu: nvml.nvmlDeviceGetPciInfo(gpu).busId,
}
