import os
import subprocess
import sys
from pathlib import Path

import pytest

from farm.model import Owner
from farm.settings import Settings
from tests.contract.meter_fakes import FakeDriver
from workers.agent.fingerprint import installed_extras, machine, with_meters
from workers.meters.codecarbon import Rating
from workers.trial.environment import environment

XEON = """\
processor\t: {index}
model name\t: Intel(R) Xeon(R) Platinum 8480 CPU @ 2.00GHz
microcode\t: 0x2b000590
physical id\t: {socket}
core id\t\t: {core}
flags\t\t: fpu vme {hypervisor}

"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A machine with two sockets, two cores each, two threads a core."""
    write_cpuinfo(tmp_path)
    for name, text in {
        "proc/meminfo": "MemTotal:       65536000 kB\nMemFree:        1 kB\n",
        "sys/devices/system/cpu/smt/active": "1\n",
        "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "performance\n",
        "sys/class/dmi/id/sys_vendor": "Dell Inc.\n",
        "sys/class/dmi/id/product_name": "PowerEdge R760\n",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def write_cpuinfo(root: Path, hypervisor: str = "", sockets: int = 2) -> None:
    threads = [(socket, core) for _ in range(2) for socket in range(sockets) for core in range(2)]
    (root / "proc").mkdir(exist_ok=True)
    (root / "proc/cpuinfo").write_text(
        "".join(
            XEON.format(index=index, socket=socket, core=core, hypervisor=hypervisor)
            for index, (socket, core) in enumerate(threads)
        )
    )


@pytest.fixture(autouse=True)
def _no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)


def settings(name: str = "bench-1", simulated: bool = False) -> Settings:
    return Settings(machine_name=name, simulator=Path("/simulation") if simulated else None)


class TestMachine:
    def test_describes_the_hardware(self, root: Path) -> None:
        known = machine(settings(), root)
        assert known.name == "bench-1"
        assert known.hardware_class == "cpu-intel-xeon-platinum-8480-8c"
        assert known.hardware["cpu"] == {
            "model": "Intel(R) Xeon(R) Platinum 8480 CPU @ 2.00GHz",
            "microcode": "0x2b000590",
            "sockets": 2,
            "cores": 4,
            "threads": 8,
            "smt": True,
            "governor": "performance",
        }
        assert known.hardware["gpu"] is None
        assert known.hardware["ram_bytes"] == 65536000 * 1024
        assert known.hardware["virtualisation"] == {
            "hypervisor": False,
            "vendor": "Dell Inc.",
            "product": "PowerEdge R760",
            "container": False,
        }

    def test_a_gpu_gives_the_class_its_name(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        driver = FakeDriver(fails={"nvmlDeviceGetEccMode": 3, "nvmlDeviceGetPersistenceMode": 999})
        monkeypatch.setitem(sys.modules, "pynvml", driver.module())
        known = machine(settings(), root)
        gpu = known.hardware["gpu"]
        assert isinstance(gpu, dict)
        assert known.hardware_class == "nvidia-h200"
        assert gpu["uuid"] == "GPU-aaaa-0001"
        assert gpu["power_limit_w"] == 700.0
        assert gpu["max_sm_clock_hz"] == 1.98e9
        assert gpu["mig"] is False
        assert (gpu["pcie_generation"], gpu["pcie_width"]) == (5, 16)
        assert gpu["ecc"] is None  # not supported
        assert gpu["persistence"] is None  # an unknown error
        assert driver.sessions == 0

    def test_the_id_survives_updates(self, root: Path) -> None:
        before = machine(settings(), root)
        (root / "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor").write_text("powersave\n")
        (root / "proc/cpuinfo").write_text((root / "proc/cpuinfo").read_text().replace("0x2b000590", "0x2b000600"))
        after = machine(settings(), root)
        assert after.id == before.id
        assert after.hardware != before.hardware

    def test_the_id_changes_with_name_hardware_and_simulation(
        self, root: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ids = [
            machine(settings(), root).id,
            machine(settings("bench-2"), root).id,
            machine(settings(simulated=True), root).id,
        ]
        write_cpuinfo(root, sockets=1)
        ids.append(machine(settings(), root).id)
        for uuid in ("GPU-one", "GPU-two"):
            monkeypatch.setitem(sys.modules, "pynvml", FakeDriver(uuids=[uuid]).module())
            ids.append(machine(settings(), root).id)
        assert len(set(ids)) == len(ids)

    def test_a_virtual_machine(self, root: Path) -> None:
        write_cpuinfo(root, hypervisor="hypervisor")
        virtualisation = machine(settings(), root).hardware["virtualisation"]
        assert isinstance(virtualisation, dict)
        assert virtualisation["hypervisor"] is True

    def test_what_cannot_be_known_is_none(self, tmp_path: Path) -> None:
        known = machine(settings(), tmp_path)
        cpu, virtualisation = known.hardware["cpu"], known.hardware["virtualisation"]
        assert isinstance(cpu, dict)
        assert isinstance(virtualisation, dict)
        assert [cpu[name] for name in ("model", "microcode", "sockets", "cores", "smt", "governor")] == [None] * 6
        assert cpu["threads"] == os.cpu_count()
        assert known.hardware["ram_bytes"] is None
        assert virtualisation["hypervisor"] is None
        assert known.hardware_class.endswith(f"-{os.cpu_count()}c")

    @pytest.mark.parametrize(
        ("model", "hardware_class"),
        [
            ("AMD EPYC 7763 64-Core Processor", "cpu-amd-epyc-7763-8c"),
            ("Intel(R) Core(TM) i7-10700 CPU @ 2.90GHz", "cpu-intel-core-i7-10700-8c"),
            ("Neoverse-N1", "cpu-neoverse-n1-8c"),
        ],
    )
    def test_the_class_is_readable(self, root: Path, model: str, hardware_class: str) -> None:
        path = root / "proc/cpuinfo"
        path.write_text(path.read_text().replace("Intel(R) Xeon(R) Platinum 8480 CPU @ 2.00GHz", model))
        assert machine(settings(), root).hardware_class == hardware_class

    def test_the_name_defaults_to_the_hosts(self) -> None:
        assert machine(settings("")).name == Owner.of_process().host


def test_the_owner_of_a_lease_is_this_process_in_this_boot() -> None:
    me = Owner.of_process()
    assert me.pid == os.getpid()
    assert me.boot_id == Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def test_a_machine_has_the_rated_power_from_which_its_joules_are_modelled(root: Path) -> None:
    known = machine(settings(), root)
    rated = with_meters(known, None, Rating(65.0, "set by FARM_CPU_TDP_W"))
    assert (rated.id, rated.hardware["ram_bytes"]) == (known.id, known.hardware["ram_bytes"])
    assert isinstance(known.hardware["cpu"], dict)
    assert rated.hardware["cpu"] == known.hardware["cpu"] | {"rated_w": 65.0, "rated_by": "set by FARM_CPU_TDP_W"}
    assert with_meters(known, None, None) == known


class TestEnvironment:
    def test_names_versions_and_variables(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("OMP_NUM_THREADS", "2")
        monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
        facts = environment()
        libraries, variables = facts["libraries"], facts["variables"]
        assert isinstance(libraries, dict)
        assert isinstance(variables, dict)
        assert facts["python"] == ".".join(map(str, sys.version_info[:3]))
        assert libraries["torch"] is not None
        assert variables["OMP_NUM_THREADS"] == "2"
        assert "MKL_NUM_THREADS" not in variables

    def test_names_the_commit_of_a_checkout(self) -> None:
        head = subprocess.run(
            ["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False, cwd=Path(__file__).parent
        )
        commit = environment()["commit"]
        if head.returncode or commit is None:
            pytest.skip("this is no checkout, or another one is installed")
        assert head.stdout.startswith(str(commit).removesuffix("-dirty"))

    def test_has_the_torch_of_a_trial(self) -> None:
        torch = pytest.importorskip("torch")
        facts = environment()["torch"]
        assert isinstance(facts, dict)
        assert facts["version"] == torch.__version__
        assert facts["threads"] == torch.get_num_threads()

    def test_never_loads_torch(self) -> None:
        """The worker must stay free of it: it sits on the machine whose idle power is the baseline."""
        code = "import sys; from workers.trial.environment import environment as e\n"
        code += "print(e()['torch'], 'torch' in sys.modules)"
        printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        assert printed == "None False\n"


def test_an_extra_is_installed_where_all_its_packages_are() -> None:
    requirements = [
        "pytest>=8",
        'pytest>=8; extra == "both"',
        "Ruff[x]<9,>=0.14; extra == 'both'",
        'pytest; extra == "none"',
        'no-such-package>=2; extra == "none"',
        'no-such-package; python_version < "3" and extra == "both"',
    ]
    assert list(installed_extras(requirements)) == ["both"]
