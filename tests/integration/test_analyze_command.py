"""`farm analyze` and `farm compare`, from the command line to a real store and back, in this process."""

import csv
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from farm.cli import app as cli
from farm.model import Measurement
from farm.store import Store
from tests.contract.store_records import ANNE, MACHINE, claim, new_job, record, report
from tests.summaries import widest

#: Weight gained by rats on four diets: Hand et al. (1994), A Handbook of Small Data Sets, no. 5; R's HSAUR::weightgain.
RATS = {
    ("Beef", "Low"): (90, 76, 90, 64, 86, 51, 72, 90, 95, 78),
    ("Beef", "High"): (73, 102, 118, 104, 81, 107, 100, 87, 117, 111),
    ("Cereal", "Low"): (107, 95, 97, 80, 98, 74, 74, 67, 89, 58),
    ("Cereal", "High"): (98, 74, 56, 111, 95, 88, 82, 77, 86, 92),
}
Farm = Callable[..., tuple[int, str, str]]


@pytest.fixture
def farm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Farm:
    """A command in a home of its own: exit status, stdout, stderr."""
    for name in [name for name in os.environ if name.startswith("FARM_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("FARM_HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "80")

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["farm", *arguments])
        with pytest.raises(SystemExit) as end:
            cli.main()
        return int(end.value.code or 0), *capsys.readouterr()

    return run


@pytest.fixture
def rats(tmp_path: Path) -> str:
    """A file of the rats."""
    lines = [f"{source},{diet},{gain}" for (source, diet), gains in RATS.items() for gain in gains]
    (tmp_path / "rats.csv").write_text("\n".join(("source,type,gain", *lines)) + "\n")
    return str(tmp_path / "rats.csv")


def measured(measurement: Measurement, net_j: float) -> Measurement:
    known = {"gross_j": 2 * net_j, "net_j": net_j, "net_j_low": net_j * 0.99, "net_j_high": net_j * 1.01}
    return measurement.model_copy(update={**known, "flags": ()})


@pytest.fixture
def two_batches(tmp_path: Path) -> None:
    """A sweep with four repetitions of batch 1 and batch 2, which takes half."""
    with Store.open(f"sqlite:///{tmp_path / 'farm.db'}", create=True) as store:
        store.register_machine(MACHINE, ANNE, "0.1.0")
        jobs = [new_job(n) for n in range(8)]
        specs = [
            job.spec.model_copy(update={"point": {"batch_size": 1 + n % 2}, "repetition": n // 2})
            for n, job in enumerate(jobs)
        ]
        store.submit(record(), [replace(job, spec=spec) for job, spec in zip(jobs, specs, strict=True)])
        for n, job in enumerate(jobs):
            assert claim(store, job.id) is not None
            one = report(job.id, 1)
            own = tuple(measured(m, (8.0 if n % 2 == 0 else 4.0) + n / 20) for m in one.measurements)
            assert store.complete(one.model_copy(update={"measurements": own}))


def test_a_file_is_analysed_for_scripts(farm: Farm, rats: str) -> None:
    """R: summary(aov(weightgain ~ source * type))."""
    asked = ("--csv", rats, "--response", "gain", "--factors", "source,type", "--type", "3", "--json")
    status, out, err = farm("analyze", "anova", *asked)
    assert (status, err) == (0, "")
    found = json.loads(out)
    assert next(iter(found)) == "table"
    assert [(row["term"], row["df"]) for row in found["table"]] == [
        ("source", 1), ("type", 1), ("source:type", 1), ("Residual", 36),
    ]  # fmt: skip
    assert [row["sum_sq"] for row in found["table"]] == pytest.approx([220.9, 1299.6, 883.6, 8049.4])
    assert [row["f"] for row in found["table"][:3]] == pytest.approx([0.988, 5.812, 3.952], abs=1e-3)
    assert [row["p"] for row in found["table"][:3]] == pytest.approx([0.3269, 0.02114, 0.05447], abs=1e-4)
    assert set(found["table"][0]) == {"term", "df", "sum_sq", "f", "p", "eta_sq", "partial_eta_sq", "omega_sq"}


def test_factors_may_be_called_by_the_headings_of_columns(farm: Farm, two_batches: None) -> None:
    status, out, _ = farm("analyze", "pairs", "batching", "--factors", "batch", "--json")
    (row,) = json.loads(out)["table"]
    assert (status, row["a"], row["b"]) == (0, "batch_size=1", "batch_size=2")


def test_a_file_is_analysed_for_people_and_into_files(farm: Farm, rats: str, tmp_path: Path) -> None:
    chosen = ("--csv", rats, "--response", "gain", "--factors", "type")
    status, out, _ = farm("analyze", "pairs", *chosen)
    assert (status, widest(out) <= 80) == (0, True)
    assert "• type=Low against type=High: 12% less gain (ratio 0." in out
    path = tmp_path / "pairs.csv"
    assert farm("analyze", "pairs", *chosen, "-o", str(path)) == (0, "", f"wrote 1 row to {path}\n")
    (row,) = csv.DictReader(path.read_text().splitlines())
    assert (row["a"], row["b"], row["n_a"]) == ("type=High", "type=Low", "20")
    for name, parse in (("pairs.json", json.loads), ("pairs.txt", str)):
        assert farm("analyze", "pairs", *chosen, "-o", str(tmp_path / name))[0] == 0
        assert "ratio" in str(parse((tmp_path / name).read_text()))


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["anova", "--factors", "source"], "no column 'energy': there are source, type, gain"),
        (["anova", "--response", "type", "--factors", "source"], "rats.csv:2: type: expected a number, got 'Low'"),
        (
            ["anova", "rats", "--factors", "type"],
            "--csv: a file has no SWEEP, --domain, --include-flagged or --country",
        ),
        (["guess", "--response", "gain"], "METHOD: expected anova, tukey, kruskal"),
        (["pairs", "--response", "gain", "--correction", "x"], "--correction: expected holm, bh, got 'x'"),
        (["pairs", "--response", "gain", "--format", "xml"], "--format: expected table, csv, json, parquet"),
    ],
)
def test_what_cannot_be_analysed_is_one_line(farm: Farm, rats: str, arguments: Sequence[str], complaint: str) -> None:
    status, out, err = farm("analyze", *arguments, "--csv", rats)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("farm: ")
    assert complaint in err


@pytest.mark.usefixtures("two_batches")
def test_a_sweep_is_analysed_and_compared(farm: Farm) -> None:
    status, out, err = farm("analyze", "anova", "--factors", "batch_size", "--json")
    assert (status, err) == (0, "")
    assert json.loads(out)["table"][0]["eta_sq"] > 0.9
    status, out, err = farm("compare", "batching", "--a", "batch_size=1", "--b", "batch_size=2", "--json")
    assert (status, err) == (0, "")
    (row,) = json.loads(out)["table"]
    assert (row["n_a"], row["n_b"]) == (4, 4)
    assert row["ratio"] == pytest.approx(0.5, abs=0.02)
    status, out, _ = farm("compare", "batching", "--a", "batch_size=1", "--b", "batch_size=2")
    assert (status, widest(out) <= 80) == (0, True)
    assert "less energy than A (B / A = 0." in out


@pytest.mark.usefixtures("two_batches")
@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["compare", "batching"], "both sides are the same"),
        (["compare", "batching", "other"], "no sweep 'other'"),
        (["compare", "batching", "--a", "batch_size", "--b", "batch_size=2"], "farm: --a: expected NAME=VALUE"),
        (["compare", "batching", "--a", "batch_size=2", "--b", "batch_size=9"], "farm: --b: no trial has batch_size=9"),
        (
            ["compare", "batching", "--where", "quality=counter", "--a", "batch_size=9", "--b", "batch_size=2"],
            "farm: --where, --a: no trial has batch_size=9",
        ),
        (["analyze", "anova", "--factors", "colour"], "no factor 'colour' in this sweep"),
        (["analyze", "pairs", "--factors", "batch_size", "--domain", "sun"], "--domain: expected gpu, cpu, dram, wall"),
        (["analyze", "pairs", "--factors", "batch_size", "--domain", "gpu"], "gross_j is unknown in 8 of 8 trials"),
    ],
)
def test_a_choice_that_does_not_fit_a_sweep_is_one_line(farm: Farm, arguments: Sequence[str], complaint: str) -> None:
    status, out, err = farm(*arguments)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert complaint in err


def test_names_that_would_give_a_terminal_orders_are_shown_or_refused(farm: Farm, tmp_path: Path) -> None:
    theirs = tmp_path / "theirs.csv"
    theirs.write_text("\x1b[31mcolour,gross_j,machine\n" + "\x1b]0;owned\x07net,1.0,m\n" * 3, encoding="utf-8")
    status, _, refused = farm("import", str(theirs), "--factor", "model=\x1b[31mcolour", "--domain", "gpu")
    assert (status, "control character" in refused) == (2, True)
    _, _, told = farm("analyze", "anova", "--csv", str(theirs), "--factors", "nothing")
    assert r"there are \x1b[31mcolour, gross_j, machine" in told
    assert not {"\x1b", "\x07"} & {*refused, *told}


def test_a_file_that_is_there_already_goes_by_the_name_that_it_has(farm: Farm, tmp_path: Path) -> None:
    theirs = tmp_path / "theirs.csv"
    theirs.write_text("model,gross_j,machine\nalexnet,1.0,m\n", encoding="utf-8")
    taken = ("import", str(theirs), "--factor", "model", "--domain", "gpu")
    _, first, _ = farm(*taken)
    status, again, _ = farm(*taken, "--name", "other")
    assert (status, again) == (0, first.replace("imported theirs", "is there already: theirs"))


def test_numbers_too_large_to_reckon_with_are_one_clear_line(farm: Farm, tmp_path: Path) -> None:
    huge = tmp_path / "huge.csv"
    huge.write_text("energy,x\n" + "".join(f"{n}e307,{n % 2}\n" for n in range(2, 10)), encoding="utf-8")
    for method in ("anova", "tukey", "kruskal", "pairs", "equivalence", "normality"):
        status, _, told = farm("analyze", method, "--csv", str(huge), "--factors", "x")
        assert (status, told.count("\n")) == (2, 1)
        assert "energy is as large as 9e+307" in told
