"""The simulated GPU as other programs see it: through the real NVML binding, codecarbon, and our own meters."""

import inspect
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pynvml
import pytest
from codecarbon.core import gpu_nvidia

import workers
from farm.model import Domain
from farm.settings import Settings
from tests.services import needs_gcc
from workers.meters.rapl import Rapl
from workers.simulator import (
    A100,
    GPU_LOST,
    H100,
    NO_COUNTER,
    SERVER,
    Constant,
    CpuUse,
    Drift,
    Follow,
    Foreign,
    FreezeCounter,
    Identity,
    Reasons,
    Refuse,
    ResetDriver,
    Simulation,
    Slow,
    Square,
    simulated_gpu,
)
from workers.simulator.library import STATE_FILE

pytestmark = needs_gcc
#: Answers expressions over `nvml` and `gpu`, one a line.
_OBSERVER = """
import json, sys
import pynvml as nvml
nvml.nvmlInit()
gpu = nvml.nvmlDeviceGetHandleByIndex(0)
print(flush=True)
for line in sys.stdin:
    try:
        answer = eval(line)
    except nvml.NVMLError as error:
        answer = type(error).__name__
    print(json.dumps(answer, default=str), flush=True)
"""
#: A whole board without flicker: its readings are known to the digit.
STILL = replace(A100, silicon=replace(A100.silicon, flicker_w=0.0), sensor=replace(A100.sensor, gain=1.2))
#: A board whose counter can be held to the truth: what a 25 % sensor has not seen, its counter has not counted.
SEES_ALL = replace(H100, sensor=replace(H100.sensor, averaging_s=H100.sensor.update_s))
IDENTITY = Identity(uuid="GPU-1234", vbios="1.2.3", driver="999.1", ecc=False, mig=True, pcie_width=8)

#: An expression for the observer to its answer; an error's answer is its class's name.
Ask = Callable[[str], Any]


@contextmanager
def observer(simulation: Simulation) -> Iterator[Ask]:
    """A process with the real binding that sees the simulated GPU."""
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", _OBSERVER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **simulation.env},
    )
    assert process.stdin is not None
    assert process.stdout is not None
    question, answer = process.stdin, process.stdout

    def ask(expression: str) -> Any:
        question.write(f"{expression}\n")
        question.flush()
        return json.loads(answer.readline())

    with process:
        answer.readline()
        yield ask
        question.close()


def run(simulation: Simulation, program: str, **env: str) -> Any:
    """What a fresh Python process on the simulated machine prints last, as JSON."""
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, **simulation.env, **env},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def still(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ask]:
    """An idle board that nobody disturbs."""
    with (
        simulated_gpu(tmp_path_factory.mktemp("still"), STILL, identity=IDENTITY) as simulation,
        observer(simulation) as ask,
    ):
        yield ask


@pytest.fixture
def gpu(tmp_path: Path) -> Iterator[tuple[Simulation, Ask]]:
    """A busy board to break."""
    with simulated_gpu(tmp_path / "gpu", load_from=Constant(0.8)) as simulation, observer(simulation) as ask:
        yield simulation, ask


ENERGY = "nvml.nvmlDeviceGetTotalEnergyConsumption(gpu)"
POWER = "nvml.nvmlDeviceGetPowerUsage(gpu)"


class TestBinding:
    @pytest.mark.parametrize(
        ("expression", "expected"),
        [
            ("nvml.nvmlDeviceGetCount()", 1),
            ("nvml.nvmlDeviceGetName(gpu)", STILL.name),
            ("nvml.nvmlDeviceGetUUID(gpu)", IDENTITY.uuid),
            ("nvml.nvmlDeviceGetUUID(nvml.nvmlDeviceGetHandleByUUID('GPU-1234'))", IDENTITY.uuid),
            (POWER, 66_000),
            ("[f.value.uiVal for f in nvml.nvmlDeviceGetFieldValues(gpu, [185, 186])]", [66_000, 66_000]),
            ("nvml.nvmlDeviceGetTemperature(gpu, 0)", 32),
            ("nvml.nvmlDeviceGetClockInfo(gpu, nvml.NVML_CLOCK_SM)", STILL.idle_clock_mhz),
            ("nvml.nvmlDeviceGetMaxClockInfo(gpu, nvml.NVML_CLOCK_SM)", STILL.clock_mhz),
            ("nvml.nvmlDeviceGetCurrentClocksEventReasons(gpu)", Reasons.IDLE),
            ("nvml.nvmlDeviceGetComputeRunningProcesses(gpu)", []),
            ("nvml.nvmlDeviceGetEnforcedPowerLimit(gpu)", 400_000),
            ("nvml.nvmlDeviceGetMemoryInfo(gpu).total", STILL.memory_bytes),
            ("nvml.nvmlDeviceGetUtilizationRates(gpu).gpu", 0),
            ("nvml.nvmlDeviceGetEccMode(gpu)", [0, 0]),
            ("nvml.nvmlDeviceGetMigMode(gpu)", [1, 1]),
            ("nvml.nvmlDeviceGetCudaComputeCapability(gpu)", [8, 0]),
            ("nvml.nvmlDeviceGetMaxPcieLinkGeneration(gpu)", IDENTITY.pcie_generation),
            ("nvml.nvmlDeviceGetPciInfo(gpu).busId", IDENTITY.bus_id),
            ("nvml.nvmlDeviceGetHandleByIndex(1)", "NVMLError_InvalidArgument"),
            ("nvml.nvmlDeviceGetHandleByUUID('GPU-5678')", "NVMLError_NotFound"),
            ("nvml.nvmlErrorString(15)", "GPU is lost"),
        ],
    )
    def test_every_value_arrives(self, still: Ask, expression: str, expected: object) -> None:
        assert still(expression) == expected

    def test_the_counter_arrives_and_counts(self, still: Ask) -> None:
        before_mj = still(ENERGY)
        time.sleep(0.3)
        assert before_mj < still(ENERGY) < before_mj + 1e9

    def test_no_function_that_is_called_anywhere_is_missing(self, still: Ask) -> None:
        sources = [Path(gpu_nvidia.__file__), *Path(workers.__path__[0]).rglob("*.py")]
        called = {name for source in sources for name in re.findall(r"\bnvml[A-Z]\w+(?=\()", source.read_text())}
        assert "nvmlDeviceGetTotalEnergyConsumption" in called
        arguments = {"handle": "gpu", "device": "gpu", "uuid": "'GPU-1234'", "fieldIds": "[186]"}
        for name in sorted(called - {"nvmlInit", "nvmlInitWithFlags", "nvmlShutdown"}):
            required = inspect.signature(getattr(pynvml, name)).parameters.values()
            given = [arguments.get(p.name, "0") for p in required if p.default is p.empty]
            assert still(f"nvml.{name}({', '.join(given)})") != "NVMLError_FunctionNotFound", name

    def test_a_session_ends_and_begins_again(self, tmp_path: Path) -> None:
        with simulated_gpu(tmp_path) as simulation, observer(simulation) as ask:
            assert ask("[nvml.nvmlInit(), nvml.nvmlShutdown()]") == [None, None]
            assert ask(POWER) > 0
            assert ask("nvml.nvmlShutdown()") is None
            assert ask(POWER) == ask("nvml.nvmlShutdown()") == "NVMLError_Uninitialized"
            assert ask("nvml.nvmlInit()") is None
            assert ask(POWER) > 0

    @pytest.mark.parametrize("content", [None, b"", b"short"])
    def test_without_a_state_file_there_is_no_driver(self, tmp_path: Path, content: bytes | None) -> None:
        with simulated_gpu(tmp_path) as simulation:
            (tmp_path / STATE_FILE).unlink()
            if content is not None:
                (tmp_path / STATE_FILE).write_bytes(content)
            program = (
                "import pynvml, json\n"
                "try: pynvml.nvmlInit()\n"
                "except pynvml.NVMLError as e: print(json.dumps(type(e).__name__))"
            )
            assert run(simulation, program) == "NVMLError_DriverNotLoaded"


class TestFaults:
    @pytest.mark.parametrize(
        ("name", "error"),
        [
            ("NVMLError_NotSupported", pynvml.NVML_ERROR_NOT_SUPPORTED),
            ("NVMLError_FunctionNotFound", pynvml.NVML_ERROR_FUNCTION_NOT_FOUND),
            ("NVMLError_NoPermission", pynvml.NVML_ERROR_NO_PERMISSION),
        ],
    )
    def test_one_function_may_refuse(self, gpu: tuple[Simulation, Ask], name: str, error: int) -> None:
        simulation, ask = gpu
        simulation.fault(Refuse("nvmlDeviceGetPowerUsage", error))
        assert ask(POWER) == name
        assert ask(ENERGY) > 0
        simulation.fault(Refuse("nvmlDeviceGetPowerUsage", 0))
        assert ask(POWER) > 0

    def test_one_field_may_refuse(self, gpu: tuple[Simulation, Ask]) -> None:
        simulation, ask = gpu
        simulation.fault(Refuse("field 186"))
        assert ask("[f.nvmlReturn for f in nvml.nvmlDeviceGetFieldValues(gpu, [185, 186])]") == [0, 3]

    def test_an_old_board_has_no_counter(self, gpu: tuple[Simulation, Ask]) -> None:
        simulation, ask = gpu
        simulation.fault(NO_COUNTER)
        assert ask(ENERGY) == "NVMLError_NotSupported"

    def test_a_lost_gpu_answers_nothing(self, gpu: tuple[Simulation, Ask]) -> None:
        simulation, ask = gpu
        simulation.fault(GPU_LOST)
        for question in (ENERGY, POWER, "nvml.nvmlDeviceGetHandleByIndex(0)", "nvml.nvmlDeviceGetName(gpu)"):
            assert ask(question) == "NVMLError_GpuIsLost"
        assert ask("nvml.nvmlDeviceGetCount()") == 1

    def test_at_the_end_of_the_simulation_the_gpu_is_lost(self, tmp_path: Path) -> None:
        with ExitStack() as stack:
            with simulated_gpu(tmp_path) as simulation:
                ask = stack.enter_context(observer(simulation))
                assert ask(POWER) > 0
            assert ask(POWER) == "NVMLError_GpuIsLost"

    def test_a_new_driver_counts_from_0(self, gpu: tuple[Simulation, Ask]) -> None:
        simulation, ask = gpu
        before_mj = ask(ENERGY)
        simulation.fault(ResetDriver())
        assert ask(ENERGY) < before_mj

    def test_a_stale_counter_stands_still(self, gpu: tuple[Simulation, Ask]) -> None:
        simulation, ask = gpu
        simulation.fault(FreezeCounter())
        before_mj = ask(ENERGY)
        time.sleep(0.3)
        assert ask(ENERGY) == before_mj

    def test_throttling_shows_its_reasons(self, gpu: tuple[Simulation, Ask]) -> None:
        simulation, ask = gpu
        simulation.fault(Slow(Reasons.HW_SLOWDOWN | Reasons.POWER_BRAKE, 0.5))
        time.sleep(0.1)
        assert ask("nvml.nvmlDeviceGetCurrentClocksEventReasons(gpu)") == 0x88
        assert ask("nvml.nvmlDeviceGetClockInfo(gpu, nvml.NVML_CLOCK_SM)") == A100.clock_mhz // 2

    def test_the_baseline_may_drift(self, gpu: tuple[Simulation, Ask]) -> None:
        simulation, ask = gpu
        time.sleep(0.25)
        before_mw = ask(POWER)
        simulation.fault(Drift(extra_w=100.0))
        time.sleep(0.25)
        assert ask(POWER) > before_mw + 80_000

    def test_the_smoothed_power_lags_behind_the_instant(self, tmp_path: Path) -> None:
        fields = "[f.value.uiVal for f in nvml.nvmlDeviceGetFieldValues(gpu, [185, 186])]"
        with simulated_gpu(tmp_path, H100) as simulation, observer(simulation) as ask:
            average_mw, instant_mw = ask(fields)
            assert average_mw == pytest.approx(instant_mw, abs=5_000)
            simulation.fault(Drift(extra_w=300.0))
            while instant_mw < 300_000:
                average_mw, instant_mw = ask(fields)
            assert average_mw < 300_000
            assert ask(POWER) < 350_000

    def test_processes_are_listed_ours_and_foreign_ones(self, gpu: tuple[Simulation, Ask]) -> None:
        simulation, ask = gpu
        simulation.fault(Follow(Constant(0.1, pids=(11, 22))), Foreign(33))
        assert ask("[p.pid for p in nvml.nvmlDeviceGetComputeRunningProcesses(gpu)]") == [11, 22, 33]
        assert ask("nvml.nvmlDeviceGetMemoryInfo(gpu).used") > 0
        simulation.fault(Foreign(33, load=None))
        assert ask("[p.pid for p in nvml.nvmlDeviceGetComputeRunningProcesses(gpu)]") == [11, 22]


def in_bounds(simulation: Simulation, counted_j: float, begin: tuple[int, int], end: tuple[int, int]) -> bool:
    """Whether a counter's difference can be true, each of its two readings taken within an interval of time."""
    late_ns = round((simulation.preset.sensor.update_s + simulation.lateness_s()) * 1e9)
    least_j = simulation.true_energy_j(begin[1], end[0] - late_ns)
    most_j = simulation.true_energy_j(begin[0] - late_ns, end[1])
    return least_j - 0.002 <= counted_j <= most_j + 0.002


class TestTruth:
    def test_the_counter_keeps_to_it(self, tmp_path: Path) -> None:
        with simulated_gpu(tmp_path, SEES_ALL, load_from=Square(0.31)) as simulation, observer(simulation) as ask:
            time.sleep(0.4)
            moments = []
            for _ in range(4):
                before_ns = time.monotonic_ns()
                energy_mj = ask(ENERGY)
                moments.append((energy_mj, (before_ns, time.monotonic_ns())))
                time.sleep(0.3)
            first_mj, begin = moments[0]
            for energy_mj, end in moments[1:]:
                assert in_bounds(simulation, (energy_mj - first_mj) / 1e3, begin, end)

    def test_it_is_known_for_the_time_of_the_simulation_only(self, tmp_path: Path) -> None:
        before_ns = time.monotonic_ns()
        with simulated_gpu(tmp_path) as simulation:
            now_ns = time.monotonic_ns()
            time.sleep(0.05)
            assert simulation.true_energy_j(now_ns, time.monotonic_ns()) > 0
            with pytest.raises(ValueError, match="is unknown"):
                simulation.true_energy_j(before_ns, now_ns)

    def test_the_load_may_be_a_function_of_time(self, tmp_path: Path) -> None:
        with simulated_gpu(tmp_path, STILL, load_from=half) as simulation:
            begin_ns = time.monotonic_ns()
            time.sleep(0.5)
            end_ns = time.monotonic_ns()
            mean_w = simulation.true_energy_j(begin_ns, end_ns) / ((end_ns - begin_ns) / 1e9)
            assert mean_w == pytest.approx(STILL.silicon.idle_w + STILL.silicon.dynamic_w / 2, rel=0.02)


def half(t_s: float) -> float:
    """A load that the physics process can import."""
    return 0.5 if t_s > 0 else 0.0


_BUSY = "import time; end = time.monotonic() + 60\nwhile time.monotonic() < end: pass"


class TestCpuUse:
    def test_a_busy_process_loads_the_board_and_holds_a_context(self, tmp_path: Path) -> None:
        with subprocess.Popen([sys.executable, "-c", _BUSY]) as busy:
            try:
                load = CpuUse(busy.pid)
                levels = [levels_of(load) for _ in range(2)][1]
                assert max(levels) > 0.02
                assert list(load.pids) == [busy.pid]
                with simulated_gpu(tmp_path, load_from=busy.pid) as simulation, observer(simulation) as ask:
                    time.sleep(0.3)
                    listed = ask("[p.pid for p in nvml.nvmlDeviceGetComputeRunningProcesses(gpu)]")
                    assert listed == [busy.pid]
                    assert ask(POWER) > 1e3 * (A100.silicon.idle_w + A100.silicon.context_w)
            finally:
                busy.kill()
        time.sleep(0.25)
        assert max(levels_of(load)) < 0.02
        assert list(load.pids) == []

    def test_only_descendants_below_a_command_line_may_count(self) -> None:
        """As trials below the helper that forks them, whose own work is not the GPU's."""
        parent = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'input()']) # the-helper"
        with subprocess.Popen([sys.executable, "-c", parent], stdin=subprocess.PIPE) as helper:
            load = CpuUse(os.getpid(), below="the-helper")
            deadline_s = time.monotonic() + 20.0
            while not load.pids and time.monotonic() < deadline_s:
                time.sleep(0.25)
                levels_of(load)
            assert len(load.pids) == 1
            assert not {helper.pid, os.getpid()} & set(load.pids)
            assert helper.stdin is not None
            helper.stdin.close()


def levels_of(load: CpuUse) -> list[float]:
    """The load over the next moment."""
    begin_ns = time.monotonic_ns()
    time.sleep(0.25)
    return [level for _, level in load.until(begin_ns, time.monotonic_ns())]


_METERS = """
import json, time
from farm.model import Domain
from farm.settings import load_settings
from workers.meters.nvml import NvmlCounter, NvmlPower
with NvmlCounter(load_settings()) as counter, NvmlPower(load_settings()) as power:
    moments = []
    for _ in range(2):
        before_ns = time.monotonic_ns()
        energy_j = counter.read()[Domain.GPU].energy_j
        moments.append((energy_j, before_ns, time.monotonic_ns()))
        time.sleep(1.0)
    reading = power.read()[Domain.GPU]
print(json.dumps([moments, reading.power_w, reading.temperature_c, reading.clock_hz]))
"""
_FINGERPRINT = """
import json
from farm.settings import load_settings
from workers.agent.fingerprint import machine
print(machine(load_settings()).model_dump_json())
"""
_CODECARBON = """
import json, time
from codecarbon import OfflineEmissionsTracker
tracker = OfflineEmissionsTracker(
    country_iso_code="DEU", output_methods=[], allow_multiple_runs=True, log_level="critical", measure_power_secs=1
)
before_ns = time.monotonic_ns()
tracker.start()
begun_ns = time.monotonic_ns()
time.sleep(2.0)
end_ns = time.monotonic_ns()
tracker.stop()
after_ns = time.monotonic_ns()
data = tracker.final_emissions_data
print(json.dumps([data.gpu_energy * 3.6e6, data.gpu_count, data.gpu_model, before_ns, begun_ns, end_ns, after_ns]))
"""


class TestPrograms:
    def test_our_meters_read_it(self, tmp_path: Path) -> None:
        with simulated_gpu(tmp_path, H100, load_from=Constant(0.5, pids=(1,))) as simulation:
            time.sleep(0.3)
            moments, power_w, temperature_c, clock_hz = run(simulation, _METERS)
            (first_j, *begin), (last_j, *end) = moments
            assert in_bounds(simulation, last_j - first_j, (begin[0], begin[1]), (end[0], end[1]))
            assert power_w == pytest.approx(H100.settled_w(0.5), rel=0.1)
            assert temperature_c >= round(H100.rest_c)
            assert clock_hz == H100.clock_mhz * 1e6

    def test_the_machine_is_known_as_a_simulated_one(self, tmp_path: Path) -> None:
        with simulated_gpu(tmp_path, H100, identity=Identity(vbios="7.7")) as simulation:
            machine = run(simulation, _FINGERPRINT)
        assert machine["simulated"] is True
        gpu = machine["hardware"]["gpu"]
        assert (gpu["name"], gpu["vbios"], gpu["power_limit_w"]) == (H100.name, "7.7", 700.0)
        assert None not in gpu.values()

    def test_codecarbon_measures_it(self, tmp_path: Path) -> None:
        with simulated_gpu(tmp_path, SEES_ALL, load_from="square wave") as simulation:
            time.sleep(0.3)
            gpu_j, count, model, before_ns, begun_ns, end_ns, after_ns = run(simulation, _CODECARBON)
            assert (count, H100.name in model) == (1, True)
            assert in_bounds(simulation, gpu_j, (before_ns, begun_ns), (end_ns, after_ns))

    def test_the_powercap_tree_lives_beside_it(self, tmp_path: Path) -> None:
        with simulated_gpu(tmp_path, load_from=Constant(0.5), zones=SERVER) as simulation:
            with Rapl(Settings(simulator=simulation.folder)) as rapl:
                begin_ns, begin_j = time.monotonic_ns(), rapl.read()[Domain.CPU].energy_j
                time.sleep(0.5)
                end_ns, end_j = time.monotonic_ns(), rapl.read()[Domain.CPU].energy_j
            assert begin_j is not None
            assert end_j is not None
            true_j = simulation.true_energy_j(begin_ns, end_ns, Domain.CPU)
            slack_j = 2 * simulation.lateness_s() * true_j / ((end_ns - begin_ns) / 1e9)
            assert end_j - begin_j == pytest.approx(true_j, abs=slack_j + 0.1)
