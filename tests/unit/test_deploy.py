"""What deploy/ and compose.yaml promise, as far as it can be told without a container engine."""

import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest

from farm.settings import LOCKS, Settings
from tests.compose import ROOT, compose
from tests.images import PREFIX, Dockerfile

DEPLOY = ROOT / "deploy"
SERVICES: dict[str, dict[str, Any]] = compose()["services"]
IMAGES = ("controller", "worker")
UNITS = ("controller", "worker")


def needs(program: str) -> str:
    found = shutil.which(program)
    if found is None:
        pytest.skip(f"no {program} on PATH")
    return found


def test_passwords_come_from_files_that_the_script_makes() -> None:
    script = (DEPLOY / "secrets.sh").read_text()
    declared = compose()["secrets"]
    for name, secret in declared.items():
        assert secret == {"file": f"./secrets/{name}"}
        assert name in script
    for service in SERVICES.values():
        used = set(re.findall(r"/run/secrets/([\w.]+)", str(service)))
        assert used <= set(service.get("secrets", []))
        assert set(service.get("secrets", [])) <= set(declared)
        assert not re.search(r"://\w*:\w*@", str(service))


def test_every_variable_of_a_service_is_a_setting_of_the_farm() -> None:
    known = {f"FARM_{name.upper()}" for name in Settings.model_fields}
    for service in SERVICES.values():
        given = {name for name in service.get("environment", {}) if name.startswith("FARM_")}
        assert given <= known


def test_docker_compose_reads_the_file(tmp_path: Path) -> None:
    """A copy of it: the real one's secrets may not be there, nor its .env."""
    shutil.copy(ROOT / "compose.yaml", tmp_path)
    command = [needs("docker-compose"), "--file", "compose.yaml", "config"]
    said = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stderr
    assert said.stderr == ""
    assert all(f"\n  {name}:\n" in said.stdout for name in SERVICES if "profiles" not in SERVICES[name])


@pytest.mark.parametrize("name", UNITS)
def test_systemd_understands_the_units(name: str, tmp_path: Path) -> None:
    unit = tmp_path / f"wattfarm-{name}.service"
    unit.write_text((DEPLOY / unit.name).read_text().replace(f"{PREFIX}/bin/farm", "/bin/true"))
    command = [needs("systemd-analyze"), "verify", str(unit)]
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    newer = ("RestartSteps", "RestartMaxDelaySec")  # systemd 254
    complaints = [line for line in said.stderr.splitlines() if unit.name in line and not any(n in line for n in newer)]
    assert complaints == []


@pytest.mark.parametrize("name", UNITS)
def test_a_unit_starts_a_command_of_the_farm_with_settings_that_it_knows(name: str) -> None:
    text = (DEPLOY / f"wattfarm-{name}.service").read_text()
    command = {"controller": "serve", "worker": "worker"}[name]
    assert f"ExecStart={PREFIX}/bin/farm {command} " in text
    named = set(re.findall(r"FARM_[A-Z_]+(?==)", text))
    assert named <= {f"FARM_{field.upper()}" for field in Settings.model_fields}


def test_the_lock_of_the_service_is_the_one_that_people_find() -> None:
    """Its folder is made before the service starts, and only the group may enter it."""
    lock = re.findall(r"FARM_LOCK_FILE=(.*)", (DEPLOY / "wattfarm-worker.service").read_text())
    assert lock == [str(LOCKS / "machine.lock")]
    made = [line.split() for line in (DEPLOY / "wattfarm.conf").read_text().splitlines() if not line.startswith("#")]
    assert made == [
        ["d", str(LOCKS), "0750", "root", "wattfarm", "-"],
        ["f", f"{LOCKS}/machine.lock", "0660", "root", "wattfarm", "-"],
        ["f", f"{LOCKS}/machine.lock.worker", "0660", "root", "wattfarm", "-"],
    ]
    assert "deploy/wattfarm.conf" in (DEPLOY / "install.sh").read_text()


@pytest.mark.parametrize("name", UNITS)
def test_what_a_service_writes_is_its_own(name: str) -> None:
    unit = (DEPLOY / f"wattfarm-{name}.service").read_text().splitlines()
    assert {"UMask=0077", "StateDirectoryMode=0700", "PrivateTmp=yes"} <= set(unit)


@pytest.mark.parametrize("name", IMAGES)
def test_an_image_installs_what_the_repository_has(name: str) -> None:
    dockerfile = Dockerfile.read(name)
    allowed = (ROOT / ".dockerignore").read_text().split()
    for path in dockerfile.copied():
        assert (ROOT / path).exists()
        assert f"!{path}" in allowed
    (install,) = (step for step in dockerfile.install_steps(Path("/x")) if " install " in step)
    extras = re.findall(r"'\.\[([\w,]+)\]'", install)[0].split(",")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert set(extras) <= set(project["optional-dependencies"])
    assert "-c constraints.txt" in install
    assert ("worker" in extras) is (name == "worker")


def test_the_page_names_files_that_are_there() -> None:
    page = (DEPLOY / "README.md").read_text()
    named = set(re.findall(r"deploy/[\w./-]*\w", page)) | {
        f"deploy/{path}" for path in re.findall(r"`(\w+/\w+\.\w+)`", page)
    }
    assert len(named) > 5
    assert not [path for path in named if not (ROOT / path).exists()]
