import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pynvml as real
import pytest
from codecarbon import OfflineEmissionsTracker
from codecarbon.core import cpu, util
from codecarbon.external.hardware import SystemCPULoadMeter
from hypothesis import given
from hypothesis import strategies as st

from farm.model import Domain, Quality
from farm.model.errors import InputError, MeterLost
from farm.settings import Settings, load_settings
from tests.contract.meter_contract import (
    assert_leaves_at_any_time,
    assert_lost,
    assert_never_falls,
    assert_reads,
    assert_unavailable,
)
from tests.contract.meter_fakes import TWO_SOCKETS, FakeDriver, FakePlug, FakePowercap, FakeProcessor
from workers.meters import Meter, load
from workers.meters.codecarbon import Codecarbon, codecarbons_rating
from workers.meters.external import READS_A_PERIOD, STALE_PERIODS
from workers.meters.nvml import NvmlCounter, NvmlPower, choose_gpu
from workers.meters.rapl import Rapl

#: Short, for a test; long enough that a busy machine is not taken for a meter that is gone.
WALL_PERIOD_S = 0.3


@dataclass
class Rig:
    """A meter on a machine that can be made to change."""

    name: str
    make: Callable[[], Meter]
    remove: Callable[[], object]  #: what it meters is not on this machine
    break_down: Callable[[], object]  #: what it meters stops working
    remedy: str  #: what the message of a meter that is not there names


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> FakeDriver:
    fake = FakeDriver()
    monkeypatch.setitem(sys.modules, "pynvml", fake.module())
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return fake


def see(monkeypatch: pytest.MonkeyPatch, visible: str | None) -> None:
    """Let the environment be what a user has set; it is restored whatever a test makes of it."""
    for name in ("CUDA_DEVICE_ORDER", "CUDA_VISIBLE_DEVICES"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)


@pytest.fixture
def powercap(tmp_path: Path) -> FakePowercap:
    return FakePowercap(tmp_path, TWO_SOCKETS)


def make_rapl(powercap: FakePowercap) -> Rapl:
    return Rapl(Settings(powercap_root=powercap.root))


@pytest.fixture
def plug() -> Iterator[FakePlug]:
    with FakePlug().listening() as listening:
        yield listening


@pytest.fixture(params=["nvml-counter", "nvml-power", "rapl", "wall", "wall counter", "codecarbon"])
def rig(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Rig:
    name: str = request.param
    if name.startswith("wall"):
        return wall_rig(request.getfixturevalue("plug"), counts=name == "wall counter")
    if name == "codecarbon":
        return Rig(
            name,
            lambda: load(name)(Settings()),
            lambda: remove_codecarbon(monkeypatch),
            lambda: monkeypatch.setattr(psutil, "cpu_times", no_cpu_times),
            "pip install",
        )
    if name == "rapl":
        tree: FakePowercap = request.getfixturevalue("powercap")
        settings = Settings(powercap_root=tree.root)
        return Rig(
            name,
            lambda: load(name)(settings),
            lambda: tree.root.rename(tree.root.with_name("gone")),
            tree.counter("intel-rapl:1").unlink,
            "modprobe",
        )
    fake: FakeDriver = request.getfixturevalue("driver")
    lost = dict.fromkeys(
        ("nvmlDeviceGetTotalEnergyConsumption", "nvmlDeviceGetFieldValues"), real.NVML_ERROR_GPU_IS_LOST
    )
    return Rig(
        name,
        lambda: load(name)(Settings()),
        lambda: fake.fails.update(nvmlInit=real.NVML_ERROR_LIBRARY_NOT_FOUND),
        lambda: fake.fails.update(lost),
        "driver",
    )


def wall_rig(plug: FakePlug, counts: bool) -> Rig:
    """A plug that is asked by Prometheus for its power, or itself for its counter."""
    says = {"wall_path": "switch:0.aenergy.total", "wall_unit": "Wh"} if counts else {"wall_query": "plug_power_watts"}
    settings = load_settings(wall_url=plug.url, wall_period_s=WALL_PERIOD_S, **says)

    def break_down() -> None:
        plug.status = 500
        threading.Event().wait((STALE_PERIODS + 1) * WALL_PERIOD_S)

    def remove() -> None:
        plug.status = 500

    return Rig("wall", lambda: load("wall")(settings), remove, break_down, "FARM_WALL_URL")


def remove_codecarbon(monkeypatch: pytest.MonkeyPatch) -> None:
    codecarbons_rating.cache_clear()
    monkeypatch.setitem(sys.modules, "codecarbon.core.cpu", None)


def no_cpu_times() -> None:
    raise OSError("/proc is gone")


LEAVES_NO_TRACE = """
import signal, threading
from farm.settings import Settings
from workers.meters.codecarbon import Codecarbon
handlers = [signal.getsignal(number) for number in signal.Signals]
with Codecarbon(Settings()) as meter:
    meter.read()
    assert threading.active_count() == 1
assert [signal.getsignal(number) for number in signal.Signals] == handlers
"""


class TestContract:
    def test_is_registered_under_its_own_name(self, rig: Rig) -> None:
        meter = rig.make()
        assert meter.name == rig.name
        assert meter.update_period_s > 0
        assert meter.poll_period_s is None or meter.poll_period_s >= meter.update_period_s / READS_A_PERIOD

    def test_reads(self, rig: Rig) -> None:
        with rig.make() as meter:
            assert_reads(meter)

    def test_never_falls(self, rig: Rig) -> None:
        with rig.make() as meter:
            assert_never_falls(meter, 20)

    def test_never_sleeps(self, rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
        with rig.make() as meter:
            monkeypatch.setattr(time, "sleep", lambda _: pytest.fail("a meter slept"))
            assert_reads(meter)

    def test_leaves_at_any_time(self, rig: Rig) -> None:
        assert_leaves_at_any_time(rig.make)

    def test_names_a_remedy_where_it_is_not_to_be_had(self, rig: Rig) -> None:
        rig.remove()
        assert rig.remedy in assert_unavailable(rig.make())

    def test_reports_when_it_is_lost(self, rig: Rig) -> None:
        with rig.make() as meter:
            meter.read()
            rig.break_down()
            assert_lost(meter)


class TestNvml:
    def test_the_counter_is_in_joules(self, driver: FakeDriver) -> None:
        with NvmlCounter(Settings()) as meter:
            before = meter.read()[Domain.GPU]
            driver.energy_mj += 2_500
            after = meter.read()[Domain.GPU]
        assert (before.energy_j, after.energy_j) == (5000.0, 5002.5)
        assert after.power_w is None
        assert meter.quality is Quality.COUNTER
        assert meter.poll_period_s is None

    def test_the_sensor_is_in_watts_degrees_and_hertz(self, driver: FakeDriver) -> None:
        with NvmlPower(Settings()) as meter:
            reading = meter.read()[Domain.GPU]
        assert (reading.power_w, reading.temperature_c, reading.clock_hz) == (123.456, 41.0, 1.98e9)
        assert (reading.energy_j, reading.throttle_reasons) == (None, 0x4)
        assert meter.quality is Quality.SAMPLED

    @pytest.mark.parametrize("fails", [{"instant": real.NVML_ERROR_NOT_SUPPORTED},
                                       {"nvmlDeviceGetFieldValues": real.NVML_ERROR_FUNCTION_NOT_FOUND}])  # fmt: skip
    def test_without_the_instantaneous_power_it_reads_the_smoothed(
        self, driver: FakeDriver, fails: dict[str, int]
    ) -> None:
        driver.fails.update(fails)
        with NvmlPower(Settings()) as meter:
            assert meter.read()[Domain.GPU].power_w == 100.0

    def test_an_older_driver_has_its_temperature_too(self, driver: FakeDriver) -> None:
        driver.fails["nvmlDeviceGetTemperatureV"] = real.NVML_ERROR_FUNCTION_NOT_FOUND
        with NvmlPower(Settings()) as meter:
            assert meter.read()[Domain.GPU].temperature_c == 41.0

    def test_what_the_gpu_does_not_know_is_none(self, driver: FakeDriver) -> None:
        for function in ("nvmlDeviceGetTemperatureV", "nvmlDeviceGetClockInfo", "nvmlDeviceGetMigMode"):
            driver.fails[function] = real.NVML_ERROR_NOT_SUPPORTED
        with NvmlPower(Settings()) as meter:
            reading = meter.read()[Domain.GPU]
        assert (reading.power_w, reading.temperature_c, reading.clock_hz) == (123.456, None, None)

    @pytest.mark.parametrize("meter", [NvmlCounter, NvmlPower])
    @pytest.mark.parametrize("step", ["HandleByIndex", "MigMode", "TotalEnergyConsumption", "FieldValues"])
    def test_no_failure_leaves_a_session_open(
        self, driver: FakeDriver, meter: type[NvmlCounter | NvmlPower], step: str
    ) -> None:
        driver.fails[f"nvmlDeviceGet{step}"] = real.NVML_ERROR_UNKNOWN
        if (meter, step) in ((NvmlCounter, "FieldValues"), (NvmlPower, "TotalEnergyConsumption")):
            with meter(Settings()) as entered:
                assert_reads(entered)
        else:
            assert_unavailable(meter(Settings()))
        assert driver.sessions == 0

    def test_two_meters_share_the_driver(self, driver: FakeDriver) -> None:
        with NvmlCounter(Settings()) as counter, NvmlPower(Settings()) as power:
            assert driver.sessions == 2
            assert_reads(power)
            assert_reads(counter)
        assert driver.sessions == 0

    def test_a_gpu_that_comes_back_is_metered_when_entered_again(self, driver: FakeDriver) -> None:
        meter = NvmlCounter(Settings())
        with meter:
            driver.fails["nvmlDeviceGetTotalEnergyConsumption"] = real.NVML_ERROR_GPU_IS_LOST
            assert_lost(meter)
        driver.fails.clear()
        with meter:
            assert_reads(meter)

    def test_a_gpu_without_a_counter(self, driver: FakeDriver) -> None:
        driver.fails["nvmlDeviceGetTotalEnergyConsumption"] = real.NVML_ERROR_NOT_SUPPORTED
        assert "no energy counter" in assert_unavailable(NvmlCounter(Settings()))

    def test_a_gpu_without_a_power_sensor(self, driver: FakeDriver) -> None:
        for function in ("nvmlDeviceGetFieldValues", "nvmlDeviceGetPowerUsage"):
            driver.fails[function] = real.NVML_ERROR_NOT_SUPPORTED
        assert "power" in assert_unavailable(NvmlPower(Settings()))

    @pytest.mark.parametrize("meter", [NvmlCounter, NvmlPower])
    def test_a_gpu_that_is_split(self, driver: FakeDriver, meter: type[NvmlCounter | NvmlPower]) -> None:
        driver.split = {0}
        assert "turn MIG off" in assert_unavailable(meter(Settings()))

    def test_without_the_binding(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "pynvml", None)
        assert "pip install nvidia-ml-py" in assert_unavailable(NvmlCounter(Settings()))

    @pytest.mark.parametrize(
        ("visible", "gpu"),
        [("", 0), ("-1", 0), ("0", 0), ("1", 1), ("1,0", 1), (" 1 , 0", 1), ("GPU-bbbb-0002", 1), ("GPU-bb,0", 1)],
    )
    def test_meters_the_gpu_that_a_trial_sees_first(
        self, driver: FakeDriver, monkeypatch: pytest.MonkeyPatch, visible: str, gpu: int
    ) -> None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
        with NvmlCounter(Settings()) as meter:
            meter.read()
        assert set(driver.asked) == {gpu}

    @pytest.mark.parametrize("wanted", ["1", "GPU-bbbb-0002", "GPU-bb"])
    @pytest.mark.parametrize("visible", [None, "0", "", "GPU-aaaa-0001,GPU-bbbb-0002", "MIG-1234"])
    def test_a_chosen_gpu_is_the_only_one_of_trials_and_the_one_that_is_metered(
        self, driver: FakeDriver, monkeypatch: pytest.MonkeyPatch, wanted: str, visible: str | None
    ) -> None:
        driver.split = {0}
        see(monkeypatch, visible)
        choose_gpu(wanted)
        assert os.environ["CUDA_DEVICE_ORDER"] == "PCI_BUS_ID"
        assert os.environ["CUDA_VISIBLE_DEVICES"] == "GPU-bbbb-0002"
        for name in ("", "cuda:0", wanted):
            with NvmlCounter(Settings(gpu=name)) as meter:
                meter.read()
        assert set(driver.asked) == {1}
        assert "has no GPU 1" in assert_unavailable(NvmlCounter(Settings(gpu="cuda:1")))
        assert driver.sessions == 0

    @pytest.mark.parametrize(
        ("visible", "split", "seen"),
        [
            (None, set(), None),
            ("1", set(), "1"),
            ("", {0}, ""),
            (None, {0}, "GPU-bbbb-0002,GPU-cccc-0003"),
            (None, {0, 1, 2}, None),
        ],
    )
    def test_where_none_is_chosen_trials_see_what_their_user_shows_them_or_all_whole_gpus(
        self,
        driver: FakeDriver,
        monkeypatch: pytest.MonkeyPatch,
        visible: str | None,
        split: set[int],
        seen: str | None,
    ) -> None:
        driver.uuids.append("GPU-cccc-0003")
        driver.split = split
        see(monkeypatch, visible)
        choose_gpu("")
        assert os.environ.get("CUDA_VISIBLE_DEVICES") == seen
        assert os.environ["CUDA_DEVICE_ORDER"] == "PCI_BUS_ID"

    @pytest.mark.parametrize(
        ("wanted", "split", "text"),
        [
            ("7", set(), "GPU 7 is not here: this machine has GPU 0 (NVIDIA H200, GPU-aaaa-0001), GPU 1 (NVI"),
            ("GPU-c", set(), "GPU GPU-c is not here: this machine has GPU 0 ("),
            ("GPU-", set(), "GPU GPU- is ambiguous: this machine has GPU 0 ("),
            ("cuda:0", set(), "GPU cuda:0 is not here: this machine has GPU 0 ("),
            ("MIG-1234", {0}, "GPU MIG-1234 is not here: this machine has GPU 1 ("),
            ("0", {0}, "GPU 0 is split by MIG, and only whole ones are metered: this machine has GPU 1 (NVIDIA"),
            (
                "0",
                {0, 1},
                "GPU 0 is split by MIG, and only whole ones are metered: this machine has no other: turn MIG off",
            ),
        ],
    )
    def test_a_gpu_that_cannot_be_chosen_is_one_line_that_lists_those_that_can(
        self, driver: FakeDriver, monkeypatch: pytest.MonkeyPatch, wanted: str, split: set[int], text: str
    ) -> None:
        see(monkeypatch, "0")
        driver.split = split
        with pytest.raises(InputError) as caught:
            choose_gpu(wanted)
        assert str(caught.value).startswith(f"FARM_GPU: {text}")
        assert "\n" not in str(caught.value)
        assert os.environ["CUDA_VISIBLE_DEVICES"] == "0"

    def test_a_gpu_is_chosen_where_there_is_no_driver(
        self, driver: FakeDriver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        see(monkeypatch, None)
        driver.fails["nvmlInit"] = real.NVML_ERROR_LIBRARY_NOT_FOUND
        choose_gpu("")
        with pytest.raises(InputError, match="FARM_GPU: no GPU 0: no NVIDIA driver here"):
            choose_gpu("0")

    @pytest.mark.parametrize("visible", ["7", "GPU-cccc", "MIG-1234"])
    def test_a_gpu_that_is_not_there(self, driver: FakeDriver, monkeypatch: pytest.MonkeyPatch, visible: str) -> None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
        assert visible in assert_unavailable(NvmlCounter(Settings()))
        assert driver.sessions == 0


class TestRapl:
    def test_adds_packages_to_cpu_and_memory_to_dram_and_nothing_else(self, powercap: FakePowercap) -> None:
        with make_rapl(powercap) as meter:
            before = meter.read()
            for power, (zone, _) in enumerate(TWO_SOCKETS):
                powercap.consume(zone, 1_000_000 * 10**power)
            after = meter.read()
        assert meter.domains == {Domain.CPU, Domain.DRAM}
        assert before[Domain.CPU].energy_j == before[Domain.DRAM].energy_j == 0.0
        assert after[Domain.CPU].energy_j == 1 + 10**4  # the zones intel-rapl:0 and intel-rapl:1
        assert after[Domain.DRAM].energy_j == 10**3 + 10**5

    def test_a_processor_without_a_memory_zone(self, tmp_path: Path) -> None:
        tree = FakePowercap(tmp_path, [("intel-rapl:0", "package-0"), ("intel-rapl:0:0", "core")])
        with make_rapl(tree) as meter:
            assert set(meter.read()) == meter.domains == {Domain.CPU}

    def test_the_mirror_counts_where_it_is_alone(self, tmp_path: Path) -> None:
        with make_rapl(FakePowercap(tmp_path, [("intel-rapl-mmio:0", "package-0")])) as meter:
            assert_reads(meter)

    @given(steps_uj=st.lists(st.integers(0, FakePowercap.RANGE_UJ), max_size=12))
    def test_counts_on_through_every_wrap(self, tmp_path_factory: pytest.TempPathFactory, steps_uj: list[int]) -> None:
        tree = FakePowercap(tmp_path_factory.mktemp("powercap"), [("intel-rapl:0", "package-0")])
        with make_rapl(tree) as meter:
            for step_uj in steps_uj:
                tree.consume("intel-rapl:0", step_uj)
                meter.read()
            assert meter.read()[Domain.CPU].energy_j == sum(steps_uj) / 1e6

    def test_an_unreadable_counter_names_the_file_and_the_remedy(
        self, powercap: FakePowercap, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        read_text = Path.read_text

        def as_another_user(path: Path) -> str:
            if path.name == "energy_uj":
                raise PermissionError(13, "Permission denied")
            return read_text(path)

        monkeypatch.setattr(Path, "read_text", as_another_user)
        message = assert_unavailable(make_rapl(powercap))
        assert str(powercap.counter("intel-rapl:0")) in message
        assert "deploy/99-wattfarm-rapl.rules" in message

    def test_a_tree_that_may_not_be_read_is_not_a_tree_without_zones(
        self, powercap: FakePowercap, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(path: Path) -> Iterator[Path]:
            raise PermissionError(13, "Permission denied", str(path))

        monkeypatch.setattr(Path, "iterdir", refuse)
        message = assert_unavailable(make_rapl(powercap))
        assert f"{powercap.root} cannot be read: Permission denied: correct FARM_POWERCAP_ROOT" in message

    def test_no_tree_at_all(self, tmp_path: Path) -> None:
        message = assert_unavailable(Rapl(Settings(powercap_root=tmp_path / "missing")))
        assert "has no package zone" in message

    def test_a_counter_that_goes_is_named_once(self, powercap: FakePowercap) -> None:
        with make_rapl(powercap) as meter:
            powercap.counter("intel-rapl:1").unlink()
            with pytest.raises(MeterLost) as lost:
                meter.read()
        assert str(lost.value) == f"RAPL lost {powercap.counter('intel-rapl:1')}: No such file or directory"

    def test_a_zone_without_a_range_names_what_is_missing(self, powercap: FakePowercap) -> None:
        missing = powercap.counter("intel-rapl:0").with_name("max_energy_range_uj")
        missing.unlink()
        assert assert_unavailable(make_rapl(powercap)) == f"{missing} cannot be read: No such file or directory"

    def test_garbage_at_the_start(self, powercap: FakePowercap) -> None:
        powercap.counter("intel-rapl:0").write_text("")
        assert "intel-rapl:0" in assert_unavailable(make_rapl(powercap))

    @pytest.mark.parametrize("garbage", ["", "abc", "-5", str(FakePowercap.RANGE_UJ + 1)])
    def test_garbage_later(self, powercap: FakePowercap, garbage: str) -> None:
        with make_rapl(powercap) as meter:
            powercap.counter("intel-rapl:1:0").write_text(garbage)
            assert_lost(meter)


@pytest.fixture
def processor(monkeypatch: pytest.MonkeyPatch) -> FakeProcessor:
    fake = FakeProcessor()
    monkeypatch.setattr(psutil, "cpu_times", fake.times)
    monkeypatch.setattr(psutil, "cpu_count", lambda logical=True: 4)
    monkeypatch.setattr("workers.meters.codecarbon.time.monotonic_ns", lambda: round(fake.now_s * 1e9))
    return fake


def joules(meter: Codecarbon) -> float:
    energy_j = meter.read()[Domain.CPU].energy_j
    assert energy_j is not None
    return energy_j


class TestCodecarbon:
    def test_is_labelled_a_model_of_the_cpu(self) -> None:
        meter = Codecarbon(Settings())
        assert meter.quality is Quality.MODELLED
        assert meter.domains == {Domain.CPU}

    @pytest.mark.parametrize("load", [0.0, 1.0])
    def test_counts_the_power_of_codecarbons_own_tracker(
        self, processor: FakeProcessor, monkeypatch: pytest.MonkeyPatch, load: float
    ) -> None:
        """The tracker is the public interface; at rest and at full load both must see the same watts."""
        monkeypatch.setattr(SystemCPULoadMeter, "percent", lambda _: 100 * load)
        tracker = OfflineEmissionsTracker(
            country_iso_code="NLD", output_methods=[], force_mode_cpu_load=True, force_cpu_power=100, log_level="error"
        )
        with Codecarbon(Settings(cpu_tdp_w=100)) as meter, tracker:
            before_j = joules(meter)
            processor.work(load, 2.0)
            power_w = (joules(meter) - before_j) / 2.0
        assert power_w == pytest.approx(tracker.final_emissions_data.cpu_power, rel=1e-6)

    @pytest.mark.parametrize("phase", [0, 3, 7, 11, 15, 19])
    def test_the_same_work_has_the_same_joules_whenever_it_is_read(self, processor: FakeProcessor, phase: int) -> None:
        """All processors work for 2 s between guards of 0.25 s, in steps of 50 ms; it is read once a second."""
        with Codecarbon(Settings(cpu_tdp_w=100)) as meter:
            before_j = joules(meter)
            for step in range(50):
                processor.work(1.0 if 5 <= step < 45 else 0.0, 0.05)
                if step % 20 == phase:
                    meter.read()
            assert joules(meter) - before_j == pytest.approx(100 * (0.1 * 2.5 + 0.9 * 2.0))

    @pytest.mark.parametrize("window_s", [2.0, 2.37])
    def test_any_batch_size_that_fills_the_processor_draws_the_rated_power(
        self, processor: FakeProcessor, window_s: float
    ) -> None:
        with Codecarbon(Settings(cpu_tdp_w=100)) as meter:
            before_j = joules(meter)
            for load, duration_s in ((0.0, 0.25), (1.0, window_s), (0.0, 0.25)):
                processor.work(load, duration_s)
            assert (joules(meter) - before_j - 100 * 0.1 * 0.5) / window_s == pytest.approx(100.0)

    def test_stolen_time_is_no_work(self, processor: FakeProcessor) -> None:
        with Codecarbon(Settings(cpu_tdp_w=100)) as meter:
            before_j = joules(meter)
            processor.steal_s += 2.0
            processor.work(0.0, 2.0)
            assert joules(meter) - before_j == pytest.approx(20.0)

    @pytest.mark.parametrize(
        ("model", "sockets", "rating"),
        [
            ("Intel(R) Xeon(R) Gold 6248 CPU @ 2.50GHz", 1, "150 W, codecarbon's table for {model}"),
            (
                "Intel(R) Xeon(R) Gold 6248 CPU @ 2.50GHz",
                2,
                "300 W, codecarbon's table for {model}, 2 sockets of 150 W",
            ),
            ("A Processor Of Tomorrow", 2, "32 W, codecarbon's guess; set FARM_CPU_TDP_W"),
        ],
    )
    def test_says_whether_the_rated_power_is_known(
        self, monkeypatch: pytest.MonkeyPatch, model: str, sockets: int, rating: str
    ) -> None:
        codecarbons_rating.cache_clear()
        monkeypatch.setattr(cpu, "detect_cpu_model", lambda: model)
        monkeypatch.setattr(cpu, "count_cpus", lambda: 8)
        monkeypatch.setattr(util, "count_physical_cpus", lambda: sockets)
        with Codecarbon(Settings()) as meter:
            assert str(meter.rating) == rating.format(model=model)
        codecarbons_rating.cache_clear()

    def test_the_owner_sets_the_rated_power(self) -> None:
        with Codecarbon(Settings(cpu_tdp_w=65)) as meter:
            assert str(meter.rating) == "65 W, set by FARM_CPU_TDP_W"

    def test_a_processor_without_a_name_is_no_meter(self, monkeypatch: pytest.MonkeyPatch) -> None:
        codecarbons_rating.cache_clear()
        monkeypatch.setattr(cpu, "detect_cpu_model", lambda: None)
        assert "set FARM_CPU_TDP_W" in assert_unavailable(Codecarbon(Settings()))

    def test_leaves_no_trace_in_the_worker(self, tmp_path: Path) -> None:
        """No signal handler, no thread, no file, nothing printed."""
        worker = subprocess.run(
            [sys.executable, "-c", LEAVES_NO_TRACE], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert (worker.returncode, worker.stdout, worker.stderr) == (0, "", "")
        assert list(tmp_path.iterdir()) == []
