"""What may be asked of a machine, and whether it has it."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from farm.model import queue_for
from farm.model.conditions import FACTS, is_capability
from farm.model.errors import InputError
from farm.settings import Settings
from farm.spec.capability import MAX_LENGTH, parse, queue_of
from workers.agent import fingerprint

GIB = 2**30
BOARD: dict[str, JsonValue] = {
    "name": "NVIDIA H100 80GB HBM3",
    "memory_bytes": 81559 * 2**20,  # 79.6 GiB, as the driver says
    "compute_capability": "9.0",
    "power_limit_w": 700.0,
    "ecc": True,
    "uuid": None,
}
BIG: Mapping[str, JsonValue] = {
    "cpu": {"model": "AMD EPYC 9554 64-Core Processor", "cores": 64, "threads": 128, "smt": True, "governor": None},
    "gpu": BOARD,
    "ram_bytes": 755 * GIB + 1,
    "kernel": "6.8.0-48-generic",
    "virtualisation": {"hypervisor": False},
    "machine": {"name": "lab1", "class": "nvidia-h100"},
    "worker": {"gpus": 2, "models": ["nets.*"], "workloads": ["inference", "training"]},
}
SMALL: Mapping[str, JsonValue] = {"cpu": {"model": "Intel(R) Core(TM) i5", "cores": 4}, "gpu": None, "ram_bytes": None}


@pytest.mark.parametrize(
    "text",
    [
        "gpu.memory_gib >= 80",
        "gpu.memory_gib = 80",
        "gpu.memory_gib > 79.5 and gpu.memory_gib < 80.5",
        "gpu.compute_capability >= 8.6",
        "gpu.power_limit_w <= 700",
        "gpu.ecc = true",
        "gpu.name ~ h100",
        "gpu.name = NVIDIA  H100 80GB HBM3",
        "cpu.model ~ EPYC and cpu.cores >= 32 and gpu.memory_gib >= 40",
        "cpu.model != Intel",
        "cpu.smt != false",
        "kernel ~ 6.8",
        "ram_gib >= 755",
        "virtualisation.hypervisor = false",
        "machine.name = lab1 and machine.class ~ h100",
        "worker.gpus >= 1 and worker.models = nets.small:TinyNet and worker.workloads = inference",
    ],
)
def test_what_a_machine_has(text: str) -> None:
    assert parse(text).fits(BIG)
    assert not parse(f"{text} and cpu.cores < 64").fits(BIG)


@pytest.mark.parametrize(
    "text", ["gpu.memory_gib > 80", "gpu.name = H100", "cpu.model ~ Xeon", "gpu.ecc = false", "worker.models = net:A"]
)
def test_what_it_has_not(text: str) -> None:
    assert not parse(text).fits(BIG)


@pytest.mark.parametrize(
    "text",
    ["gpu.name != A100", "gpu.memory_gib < 40", "gpu.ecc != true", "ram_gib < 64", "gpu.uuid != x", "cpu.governor ~ p"],
)
def test_what_nobody_knows_of_a_machine_it_has_not(text: str) -> None:
    assert not parse(text).fits(SMALL)
    assert not parse(text).fits({**SMALL, "gpu": {}, "ram_bytes": "many"})


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("gpu.memory_gib>=40", "gpu.memory_gib >= 40"),
        ("  gpu.memory_gib  >=  40.50 ", "gpu.memory_gib >= 40.5"),
        ("cpu.cores = 12345678", "cpu.cores = 12345678"),
        ("gpu.name ~ 'RTX  4090'", "gpu.name ~ RTX 4090"),
        ("gpu.name ~ A100 and\ncpu.cores>8 and cpu.cores > 8", "cpu.cores > 8 and gpu.name ~ A100"),
        ("gpu.mig=false", "gpu.mig = false"),
    ],
)
def test_as_text_it_is_always_written_in_the_same_way(text: str, canonical: str) -> None:
    assert str(parse(text)) == canonical
    assert str(parse(canonical)) == canonical


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("gpu.memory_gb >= 40", "unknown fact 'gpu.memory_gb' (did you mean 'gpu.memory_gib'?): expected one "),
        ("gpu.mem >= 40", "unknown fact 'gpu.mem' (did you mean 'gpu.memory_gib'?)"),
        ("ram > 64", "unknown fact 'ram' (did you mean 'ram_gib'?)"),
        ("disk >= 40", "unknown fact 'disk': expected one of cpu.model, "),
        ("gpu.memory_gib >= 40GB", "gpu.memory_gib: expected a number such as 40, got '40GB'"),
        ("gpu.memory_gib >= nan", "gpu.memory_gib: expected a number such as 40, got 'nan'"),
        ("gpu.memory_gib == 40", "gpu.memory_gib: expected a number such as 40, got '= 40'"),
        ("gpu.memory_gib >=", "gpu.memory_gib: expected a number such as 40, got ''"),
        ("gpu.memory_gib ~ 40", "gpu.memory_gib: expected one of = != >= > <= < before a number such as 40, got ~"),
        ("cpu.model >= EPYC", "cpu.model: expected one of = != ~ before a text such as EPYC, got >="),
        ("cpu.model ~", "cpu.model: expected a text such as EPYC, got ''"),
        ("cpu.model ~ a\x07", "cpu.model: expected a text such as EPYC, got 'a\\x07'"),
        ("cpu.model ~ EPYC or foo", "cpu.model: only `and` joins conditions, not or: expected a text "),
        ("cpu.model ~ EPYC AND ram_gib > 4", "cpu.model: only `and` joins conditions, not AND: "),
        ("gpu.ecc = yes", "gpu.ecc: expected true or false, got 'yes'"),
        ("cpu.cores > 4 and", "cpu.cores: expected a number such as 40, got '4 and'"),
        ("cpu.cores > 4 and EPYC", "expected conditions such as gpu.memory_gib >= 40 and cpu.model ~ EPYC, got 'EPYC'"),
        ("worker.models = a b", "worker.models: expected a name such as my_package.nets:TinyNet, got 'a b'"),
        ("worker.gpus ~ 1", "worker.gpus: expected one of = != >= > <= < before a number such as 40, got ~"),
        (">= 40", "expected conditions such as gpu.memory_gib >= 40 and cpu.model ~ EPYC, got '>= 40'"),
        ("cpu.model ~ " + "x" * MAX_LENGTH, f"expected at most {MAX_LENGTH} characters, got {MAX_LENGTH + 12}"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_one_clear_line(text: str, complaint: str) -> None:
    with pytest.raises(InputError) as caught:
        parse(text)
    assert str(caught.value).startswith(complaint)
    assert "\n" not in str(caught.value)


@given(st.text(alphabet=st.sampled_from("cpu.models gibr=~<>!40and'\"\n"), max_size=60))
def test_whatever_is_written_is_read_the_same_again_or_refused(text: str) -> None:
    try:
        read = parse(text)
    except InputError:
        return
    assert str(parse(str(read))) == str(read)
    assert is_capability(str(read))


@pytest.mark.parametrize("target", ["any", "hw:nvidia-h100", "hw:H200 x2", "machine:lab1", "machine:a = b", "farm.any"])
def test_a_place_is_no_capability_and_has_a_queue_of_its_own(target: str) -> None:
    assert not is_capability(target)
    assert queue_of(target) == queue_for(target)


def test_a_capability_stands_for_itself_where_others_have_a_queue() -> None:
    assert queue_of("gpu.memory_gib >= 40") == "gpu.memory_gib >= 40"
    assert is_capability(queue_of("cpu.model ~ EPYC and gpu.ecc = true"))


def test_all_that_may_be_asked_for_is_what_workers_register() -> None:
    """Facts and fingerprint are in packages that do not know each other."""
    here = fingerprint.with_abilities(fingerprint.machine(Settings()), 0, Settings(), []).facts
    told = {f"gpu.{name}" for name in fingerprint._GPU_FACTS}
    for name, value in here.items():
        told |= {f"{name}.{part}" for part in value} if isinstance(value, dict) else {name}
    assert {path.replace("_gib", "_bytes") for path in FACTS} <= told
