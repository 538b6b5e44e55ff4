"""The meters on a real NVIDIA GPU."""

import time

import pytest

from farm.model import Domain
from farm.model.errors import MeterUnavailable
from farm.settings import Settings
from tests.contract.meter_contract import assert_leaves_at_any_time, assert_never_falls, assert_reads
from workers.agent.fingerprint import machine
from workers.meters.nvml import NvmlCounter, NvmlPower, open_gpu


def has_gpu() -> bool:
    try:
        with open_gpu():
            return True
    except MeterUnavailable:
        return False


pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not has_gpu(), reason="no NVIDIA GPU here")]


@pytest.mark.parametrize("make", [NvmlCounter, NvmlPower])
class TestContract:
    def test_reads(self, make: type[NvmlCounter | NvmlPower]) -> None:
        with make(Settings()) as meter:
            assert_reads(meter)

    def test_never_falls(self, make: type[NvmlCounter | NvmlPower]) -> None:
        with make(Settings()) as meter:
            assert_never_falls(meter, 20)

    def test_leaves_at_any_time(self, make: type[NvmlCounter | NvmlPower]) -> None:
        assert_leaves_at_any_time(lambda: make(Settings()))


def test_counter_and_sensor_agree() -> None:
    """Both see the same watts over a few seconds, whatever the GPU does; 20 % covers the sensor's short window."""
    powers_w = []
    with NvmlCounter(Settings()) as counter, NvmlPower(Settings()) as sensor:
        begin = counter.read()[Domain.GPU]
        for _ in range(50):
            time.sleep(0.1)
            powers_w.append(sensor.read()[Domain.GPU].power_w)
        end = counter.read()[Domain.GPU]
    assert begin.energy_j is not None
    assert end.energy_j is not None
    counted_w = (end.energy_j - begin.energy_j) / (end.at_ns - begin.at_ns) * 1e9
    sampled_w = [power_w for power_w in powers_w if power_w is not None]
    assert len(sampled_w) == 50
    assert counted_w == pytest.approx(sum(sampled_w) / len(sampled_w), rel=0.2)


def test_values_are_those_of_a_gpu() -> None:
    """A slip in a unit would be a factor of a thousand."""
    with NvmlPower(Settings()) as sensor:
        reading = sensor.read()[Domain.GPU]
    assert reading.power_w is not None
    assert 1 < reading.power_w < 2000
    assert reading.temperature_c is None or 5 < reading.temperature_c < 110
    assert reading.clock_hz is None or 1e8 < reading.clock_hz < 5e9


def test_the_machine_is_known_by_its_gpu() -> None:
    known = machine(Settings())
    gpu = known.hardware["gpu"]
    assert isinstance(gpu, dict)
    assert known.hardware_class.startswith("nvidia-")
    assert str(gpu["uuid"]).startswith("GPU-")
    assert gpu["driver"] is not None
