"""The probe in real time: real meters on a simulated GPU, loaded by the probe's own trials."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from farm.model import Probe
from farm.settings import Settings
from tests.services import needs_gcc
from workers.simulator import NO_COUNTER, RTX4090, SERVER, CpuUse, Refuse, Simulation, simulated_gpu
from workers.simulator.process import WAKE_S
from workers.supervisor.probe import run_probe
from workers.supervisor.zygote import Zygote

pytestmark = needs_gcc
_PROBE = """
from farm.settings import load_settings
from workers.supervisor.probe import Lengths, run_probe
from workers.supervisor.zygote import Zygote
zygote = Zygote()
zygote.start()
try:
    print(run_probe(load_settings(), zygote, Lengths(idle_s=2.0, load_s=2.0, wave_s=1.0)).model_dump_json())
finally:
    zygote.close()
"""


def probe(simulation: Simulation) -> Probe:
    """What a fresh process finds on the simulated machine."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", _PROBE],
        env={**os.environ, **simulation.env},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return Probe.model_validate_json(done.stdout)


@pytest.fixture(scope="module")
def simulation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulation]:
    load = CpuUse(os.getpid(), below="workers.supervisor.zygote")
    with simulated_gpu(tmp_path_factory.mktemp("probed"), RTX4090, load, zones=SERVER) as simulation:
        yield simulation


def test_a_counter_that_loses_when_it_is_read_often_is_found_out(simulation: Simulation) -> None:
    found = probe(simulation)
    assert found.sensor == "instant"
    assert found.sensor_update_period_s == pytest.approx(RTX4090.sensor.update_s, rel=0.1)
    assert found.counter_update_period_s == pytest.approx(RTX4090.sensor.update_s, rel=0.1)
    assert found.rapl_update_period_s == pytest.approx(WAKE_S, rel=0.5)
    assert found.counter_over_power_load == pytest.approx(0.05, abs=0.02)
    assert found.counter_trusted is False


def test_an_older_driver_has_less_to_be_probed(simulation: Simulation) -> None:
    simulation.fault(NO_COUNTER, Refuse("field 186"))
    found = probe(simulation)
    assert found.sensor == "smoothed"
    assert found.sensor_update_period_s == pytest.approx(RTX4090.sensor.update_s, rel=0.1)
    assert (found.counter_update_period_s, found.counter_over_power_load, found.counter_trusted) == (None, None, None)
    assert any("no energy counter" in note for note in found.notes)


def test_without_a_gpu_nothing_is_loaded_and_the_reason_is_noted(tmp_path: Path) -> None:
    never_started = Zygote()
    found = run_probe(Settings(gpu="99", powercap_root=tmp_path), never_started)
    assert never_started._helper is None
    assert (found.sensor, found.sensor_update_period_s, found.rapl_update_period_s) == (None, None, None)
    assert len(found.notes) == 2
    assert "no RAPL here" in found.notes[0]
