"""What the doctor says of machines that are not at hand."""

from pathlib import Path

import pytest
import torch

from farm.model import Check, Machine
from farm.settings import Settings
from workers.agent import doctor, fingerprint
from workers.supervisor.lock import machine_lock

GPU = {"name": "NVIDIA H200", "driver": "570.1", "count": 1}


def found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, **hardware: object) -> dict[str, list[Check]]:
    """Findings by name, on a machine of that hardware."""
    machine = Machine(id="m", name="lab1", hardware_class="cpu-2", hardware={"gpu": None, **hardware})
    monkeypatch.setattr(fingerprint, "machine", lambda _settings: machine)
    settings = Settings(lock_file=tmp_path / "lock", powercap_root=tmp_path, cpu_tdp_w=65)
    monkeypatch.setattr(doctor, "load_settings", lambda: settings)
    checks: dict[str, list[Check]] = {}
    for check in doctor.examine():
        checks.setdefault(check.name, []).append(check)
    return checks


def test_a_machine_without_gpu_has_no_word_on_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    checks = found(monkeypatch, tmp_path)
    assert "gpu" not in checks
    assert checks["free"][0].state == "ok"
    assert str(tmp_path / "lock") in checks["free"][0].detail


def test_modelled_joules_name_the_rated_power(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (check,) = found(monkeypatch, tmp_path)["cpu joules"]
    said = "modelled by codecarbon, an estimate and not a measurement: rated 65 W, set by FARM_CPU_TDP_W"
    assert (check.state, check.detail) == ("note", said)


def test_stated_electricity_is_named_and_a_file_that_does_not_tell_has_a_note(tmp_path: Path) -> None:
    assert list(doctor._carbon(Settings())) == []
    (given,) = doctor._carbon(Settings(carbon_g_per_kwh=12))
    assert (given.state, given.detail) == ("ok", "12 g CO2e/kWh, given outright")
    (missing,) = doctor._carbon(Settings(carbon_file=tmp_path / "nl.csv"))
    assert missing.state == "note"
    assert "nl.csv cannot be read: No such file or directory" in missing.detail


@pytest.mark.parametrize("usable", [True, False])
def test_a_gpu_is_named_and_torch_must_be_able_to_use_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, usable: bool
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: usable)
    monkeypatch.setattr(doctor, "_gpu_processes", list)
    first, *rest = found(monkeypatch, tmp_path, gpu=GPU)["gpu"]
    assert (first.state, first.detail) == ("ok", "NVIDIA H200, driver 570.1")
    assert [check.state for check in rest] == ([] if usable else ["note"])
    assert all("install a build with CUDA" in check.detail for check in rest)


def test_one_of_several_gpus_shows_which_is_metered(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    first, *_ = found(monkeypatch, tmp_path, gpu={**GPU, "count": 4})["gpu"]
    assert "the first of 4: a trial meters the one it runs on" in first.detail


def test_foreign_processes_on_the_gpu_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(doctor, "_gpu_processes", lambda: [4711])
    *_, last = found(monkeypatch, tmp_path, gpu=GPU)["gpu"]
    assert (last.state, "in use by process 4711" in last.detail) == ("note", True)


def test_a_machine_that_measures_is_not_free(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with machine_lock(tmp_path / "lock"):
        (check,) = found(monkeypatch, tmp_path)["free"]
    assert (check.state, "measuring already" in check.detail) == ("note", True)


def test_a_lock_that_cannot_be_opened_is_a_finding(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (check,) = found(monkeypatch, tmp_path / "missing")["free"]
    assert (check.state, "FARM_LOCK_FILE" in check.detail) == ("note", True)
