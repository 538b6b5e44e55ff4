"""Simulated hardware as a person uses it: `farm simulate`, and the setting FARM_SIMULATOR."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from farm.model.errors import InputError, MeterUnavailable
from farm.settings import Settings, load_settings
from tests.acceptance.person import MEASURE, PATIENCE_S, TINY, Done, Person, ended
from tests.services import needs_gcc
from workers.commands import SimulatedBoard
from workers.meters.nvml import NvmlCounter, use_simulator
from workers.simulator import A100, H100, Constant, simulated_gpu
from workers.simulator.command import PRESETS, run

ROOT = Path(__file__).parents[2]
FARM = (sys.executable, "-m", "farm")


@pytest.fixture
def person(tmp_path: Path) -> Person:
    return Person(tmp_path)


def starts(person: Person, *arguments: str) -> subprocess.Popen[str]:
    """The simulator, in a process group of its own."""
    home = {"FARM_HOME": str(person.home), "FARM_LOCK_FILE": str(person.folder / "lock")}
    return subprocess.Popen(
        [*FARM, "simulate", *arguments],
        cwd=person.folder,
        env={**os.environ, **home, "FARM_PROBE": "false", "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def simulates(person: Person, *arguments: str) -> Done:
    """The simulator, to its end."""
    return ended(starts(person, *arguments))


@needs_gcc
class TestCommand:
    @pytest.mark.slow
    def test_a_sweep_has_the_joules_of_a_simulated_gpu(self, person: Person) -> None:
        lasts = MEASURE.replace("window_s: 0.2", "window_s: 1").replace("guard_s: 0.02", "guard_s: 0.25")
        sweep = person.writes("demo", {**TINY, "batch_size": "2"}, measure=lasts)
        done = simulates(person, "a100", "--", *FARM, "run", sweep)
        assert done.status == 0, done.err
        assert "SIMULATED" in done.out
        rows = person.runs("export", "demo", "--format", "json").json
        assert {row["simulated"] for row in rows} == {True}
        measured = [row for row in rows if row["window"] == "measure" and row["domain"] == "gpu"]
        assert measured
        context_w = A100.settled_w(0.0)
        assert all(row["mean_w"] > context_w + 5 for row in measured), (context_w, measured)

    def test_the_end_of_the_command_is_the_end_of_all(self, person: Person) -> None:
        program = "import os, sys; print(os.environ['FARM_SIMULATOR']); sys.exit(7)"
        done = simulates(person, "h100", "--", sys.executable, "-c", program)
        assert done.status == 7
        assert not Path(done.out.strip()).exists()
        assert person.left_behind() == []

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_a_signal_ends_command_and_simulation(self, person: Person, number: signal.Signals) -> None:
        program = "import os, time; print(os.environ['FARM_SIMULATOR'], flush=True); time.sleep(600)"
        with starts(person, "a100", "--", sys.executable, "-c", program) as process:
            assert process.stdout is not None
            folder = Path(process.stdout.readline().strip())
            assert folder.is_dir()
            if number == signal.SIGINT:  # as a terminal does
                os.killpg(process.pid, number)
            else:
                process.send_signal(number)
            process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 128 + number
        assert not folder.exists()
        assert person.left_behind() == []

    @pytest.mark.slow
    def test_without_a_command_workers_elsewhere_name_its_folder(self, person: Person) -> None:
        with starts(person, "h100") as process:
            assert process.stdout is not None
            first, second = process.stdout.readline(), process.stdout.readline()
            assert H100.name in first
            folder = second.strip().removeprefix("export FARM_SIMULATOR=")
            checks = person.runs("doctor", "--json", FARM_SIMULATOR=folder).json
            process.send_signal(signal.SIGINT)
            assert process.wait(PATIENCE_S) == 0
        details = {check["name"]: check["detail"] for check in reversed(checks)}
        assert H100.name in details["gpu"]
        assert details["gpu joules"] == "counted by the hardware (nvml-counter)"
        assert details["cpu joules"] == "counted by the hardware (rapl)"
        assert "SIMULATED" in details["machine"]
        assert person.left_behind() == []

    def test_a_command_that_is_not_there_is_one_line(self, person: Person) -> None:
        done = simulates(person, "a100", "--", "no-such-command")
        assert (done.status, done.complaint) == (2, "farm: farm simulate: no-such-command: No such file or directory")


def test_an_unknown_board_is_bad_input(person: Person) -> None:
    done = simulates(person, "a1000")
    assert done.status == 2
    assert "rtx4090" in done.err


def test_without_a_compiler_it_shows_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match=r"^the simulated GPU needs a C compiler: install gcc"):
        run("a100", [])


def test_every_board_that_the_command_lists_can_be_simulated() -> None:
    assert set(PRESETS) == set(SimulatedBoard)


class TestSetting:
    @pytest.fixture
    def nothing(self, tmp_path: Path) -> Path:
        folder = tmp_path / "nothing"
        folder.mkdir()
        return folder

    @pytest.mark.parametrize("command", ["doctor", "worker"])
    def test_a_folder_without_a_simulation_is_one_line(self, person: Person, nothing: Path, command: str) -> None:
        done = person.runs(command, FARM_SIMULATOR=str(nothing))
        assert done.status == 2
        assert done.complaint.startswith(f"farm: FARM_SIMULATOR: no simulation runs in {nothing}: ")

    def test_what_was_simulated_can_be_read_without_the_simulation(self, person: Person, nothing: Path) -> None:
        assert person.runs("status", FARM_SIMULATOR=str(nothing)).status == 0

    def test_another_library_is_no_simulation(self, nothing: Path) -> None:
        (nothing / "libnvidia-ml.so.1").write_bytes(b"no library")
        with pytest.raises(InputError, match="no simulation runs in"):
            use_simulator(nothing)

    def test_a_worker_that_outlives_its_simulation_reports_it(self, tmp_path: Path) -> None:
        meter = NvmlCounter(Settings(simulator=tmp_path / "gone"))
        with pytest.raises(MeterUnavailable, match="has ended: start another, and a new worker"):
            meter.__enter__()

    def test_where_it_is_empty_nothing_is_simulated(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setenv("FARM_HOME", str(tmp_path))
        monkeypatch.setenv("FARM_SIMULATOR", "")
        settings = load_settings()
        assert (settings.simulated, settings.powercap_root) == (False, Path("/sys/class/powercap"))
        use_simulator(settings.simulator)

    def test_simulated_results_have_a_home_of_their_own(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
        monkeypatch.delenv("FARM_HOME", raising=False)
        monkeypatch.delenv("FARM_SIMULATOR", raising=False)
        real = load_settings().home
        monkeypatch.setenv("FARM_SIMULATOR", str(tmp_path))
        assert load_settings().simulated
        assert load_settings().home not in (real, *real.parents)


@pytest.fixture
def orphan(tmp_path: Path) -> Iterator[tuple[Path, psutil.Process]]:
    """A simulation, and its physics process."""
    before = {child.pid for child in psutil.Process().children()}
    with simulated_gpu(tmp_path / "gpu", load_from=Constant(0.5)) as simulation:
        (physics,) = [child for child in psutil.Process().children() if child.pid not in before]
        yield simulation.folder, physics


@needs_gcc
@pytest.mark.slow
def test_a_simulation_that_was_killed_is_a_lost_gpu(orphan: tuple[Path, psutil.Process]) -> None:
    folder, physics = orphan
    program = f"""
import json, sys, time
from pathlib import Path
from farm.model.errors import MeterLost
from farm.settings import Settings
from workers.meters.nvml import NvmlCounter, use_simulator
use_simulator(Path({str(folder)!r}))
with NvmlCounter(Settings()) as meter:
    meter.read()
    print(flush=True)
    sys.stdin.readline()
    deadline_s = time.monotonic() + 60
    try:
        while time.monotonic() < deadline_s:
            meter.read()
            time.sleep(0.1)
    except MeterLost as error:
        print(error)
"""
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as reader:
        assert reader.stdin is not None
        assert reader.stdout is not None
        assert reader.stdout.readline() == "\n"
        physics.kill()
        out, _ = reader.communicate("\n", timeout=PATIENCE_S)
    assert out.strip() == "NVML lost the GPU: GPU is lost"
