"""What Python users call: rows with declared types, as dictionaries and as data frames."""

import subprocess
import sys
from collections.abc import Iterator

import pytest

import farm
from farm.exchange.frames import Frame
from farm.model.errors import InputError
from tests.reports import batching

FRAME = Frame({"model": str, "n": int, "j": float, "ok": bool}, [("a", 1, 0.5, True), (None, None, None, None)])
EMPTY = Frame(FRAME.types, [])


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    folder = tmp_path_factory.mktemp("home")
    with batching(f"sqlite:///{folder / 'farm.db'}"), pytest.MonkeyPatch.context() as patch:
        patch.setenv("FARM_HOME", str(folder))
        yield


def test_rows_are_dictionaries() -> None:
    assert (len(FRAME), FRAME.columns) == (2, ["model", "n", "j", "ok"])
    assert FRAME[0] == {"model": "a", "n": 1, "j": 0.5, "ok": True}
    assert list(FRAME) == FRAME[:] == [FRAME[0], dict.fromkeys(FRAME.types)]


@pytest.mark.parametrize("frame", [FRAME, EMPTY, Frame(FRAME.types, FRAME.rows[1:])])
def test_frames_have_the_declared_types_whatever_they_hold(frame: Frame) -> None:
    assert list(map(str, frame.to_pandas().dtypes)) == ["string", "Int64", "float64", "boolean"]
    assert list(map(str, frame.to_polars().dtypes)) == ["String", "Int64", "Float64", "Boolean"]
    assert list(map(str, frame.to_arrow().schema.types)) == ["string", "int64", "double", "bool"]
    assert len(frame.to_pandas()) == frame.to_polars().height == frame.to_arrow().num_rows == len(frame)


def test_unknown_values_stay_unknown() -> None:
    assert FRAME.to_pandas().isna().sum().tolist() == [1, 1, 1, 1]
    assert FRAME.to_polars().rows() == list(FRAME.rows)
    assert FRAME.to_arrow().to_pylist() == list(FRAME)


@pytest.mark.usefixtures("home")
def test_a_query_reads_the_store_that_the_settings_name() -> None:
    found = farm.query("SELECT model, count(*) AS n FROM v_trial GROUP BY model ORDER BY model")
    assert list(found) == [{"model": "alexnet", "n": 6}, {"model": "vgg11", "n": 6}]
    with pytest.raises(InputError, match="more than 3 rows"):
        farm.query("SELECT * FROM v_trial", limit=3)


@pytest.mark.usefixtures("home")
def test_samples_results_and_exports_are_those_of_the_commands() -> None:
    samples = farm.samples("batching")
    assert {row["model"] for row in samples} == {"alexnet", "vgg11"}
    assert len(samples) == 12
    frame = farm.results("batching", by="model", where=["batch_size=16"])
    assert [(row["model"], row["trials"]) for row in frame] == [("alexnet", 3), ("vgg11", 3)]
    low, mean, high = (frame[0][f"net_j_per_unit{end}"] for end in ("_low", "", "_high"))
    assert isinstance(low, float)
    assert isinstance(high, float)
    assert low < mean < high  # type: ignore[operator]
    assert len(farm.export()) == len(farm.query("SELECT * FROM v_measurement"))
    with pytest.raises(InputError, match="rows: expected measurement, batch, request, epoch, got 'window'"):
        farm.export(rows="window")


def test_the_package_loads_nothing_before_it_is_used() -> None:
    code = "import farm, sys; print([name for name in sys.modules if name.startswith('farm.')])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
