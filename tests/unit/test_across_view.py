"""What `farm across` shows, and what it writes."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from statistics import median

import pytest

from farm.analysis.intervals import Median
from farm.analysis.samples import differing_settings
from farm.exchange import importing
from farm.exchange.loading import load
from farm.model import Mapped, SweepData
from farm.report import across
from farm.report.document import Document, Figure
from farm.report.selection import Selection
from farm.report.terminal import text
from farm.store import Store
from tests.analyses import measured
from tests.contract.store_records import MEASURE
from tests.contract.store_records import record as sweep_record
from tests.documents import tables_of
from tests.golden import assert_golden
from tests.loaded import loaded

JOULES = (10.0, 10.1, 10.2, 10.4, 10.9, 13.0)
MAPPED = Mapped({}, {"batch_size": "batch_size"}, "image", {"domain": "gpu", "quality": "counter"})


@pytest.fixture
def lab(sqlite_url: str, tmp_path: Path) -> Iterator[Store]:
    """Two machines and two batch sizes; six trials of each, skewed, and the largest in different blocks."""
    file = tmp_path / "lab.csv"
    rows = [
        f"{batch},{machine},{machine},{joules / batch},{0.5 * joules / batch}"
        for machine in ("lab1", "lab2")
        for batch in (1, 16)
        for joules in (JOULES if batch == 1 else (*JOULES[2:], *JOULES[:2]))
    ]
    file.write_text("\n".join(("batch_size,machine,hardware_class,gross_j,net_j", *rows)), encoding="utf-8")
    with Store.open(sqlite_url, create=True) as store:
        store.add_import(importing.read(file, None, MAPPED), "")
        yield store


def shown(store: Store, are_medians: bool = False) -> Document:
    return across.document(
        across.view([load(store, store.find_sweep())], Selection(), {"batch_size": "1"}, None, are_medians)
    )


def test_across_as_people_read_it(lab: Store) -> None:
    assert_golden("across.txt", text(shown(lab)))
    assert_golden("across-median.txt", text(shown(lab, are_medians=True)))


def test_medians_take_the_place_of_means_where_they_are_asked_for(lab: Store) -> None:
    (by_machine, over) = tables_of(shown(lab, are_medians=True))
    assert by_machine.rows[0].values["gross_j_per_unit_median"] == Median(median(JOULES), 10.0, 13.0)
    assert by_machine.rows[0].values["net_j_per_unit_median"] == Median(median(JOULES) / 2, 5.0, 6.5)
    assert {"gross_j_per_unit_median", "net_j_per_unit_median"} < {column.name for column in by_machine.shown}
    assert [row.values["in_words"] for row in over.rows] == ["16", "1"]


def test_files_have_both_whatever_is_shown(lab: Store) -> None:
    first, *_, last = shown(lab, are_medians=True).records()
    assert first == shown(lab).records()[0]
    assert first["net_j_per_unit_median"] == pytest.approx(median(JOULES) / 2)
    assert (first["net_j_per_unit_median_low"], first["net_j_per_unit_median_high"]) == (5.0, 6.5)
    assert first["net_j_per_unit"] == pytest.approx(sum(JOULES) / 12)
    assert (last["machine"], last["machines"], last["ratio"]) == (None, 2, 1.0)


def test_a_chart_shows_every_configuration_on_every_machine(lab: Store) -> None:
    (figure,) = (block for block in shown(lab).blocks if isinstance(block, Figure))
    assert figure.name == "GPU energy by machine"
    assert [(value["row"], value["series"]) for value in figure.spec["data"]["values"]] == [
        ("batch_size 1", "lab1"), ("batch_size 1", "lab2"), ("batch_size 16", "lab1"), ("batch_size 16", "lab2"),
    ]  # fmt: skip


def test_sweeps_that_were_measured_in_different_ways_are_neither_pooled_nor_compared() -> None:
    def sweep(name: str, window_s: float) -> SweepData:
        trials = [
            measured(f"{name}{batch}.{n}", net_j, batch=batch)
            for batch, joules in ((1, (1.0, 1.02, 1.01)), (16, (0.5, 0.503, 0.515)))
            for n, net_j in enumerate(joules)
        ]
        record = sweep_record(name, name)
        rows = [(replace(trial, sweep=name, repetition=n % 3), own) for n, (trial, own) in enumerate(trials)]
        return loaded(record, *rows, measures=[MEASURE.model_copy(update={"window_s": window_s})])

    apart = across.view([sweep("a", 1.0), sweep("b", 0.5)], Selection(), {"batch_size": "1"})
    assert [(cell.group.summary.labels["settings"], cell.group.summary.trials) for cell in apart.cells] == [
        ("window_s 0.5", 3), ("window_s 1.0", 3), ("window_s 0.5", 3), ("window_s 1.0", 3),
    ]  # fmt: skip
    assert [cell.rank for cell in apart.cells] == [2, 2, 1, 1], "among the two rows of each way"
    assert "settings: sweeps that were measured in different ways are neither pooled" in text(across.document(apart))
    alike = across.view([sweep("a", 1.0), sweep("b", 1.0)], Selection())
    assert [cell.group.summary.trials for cell in alike.cells] == [6, 6]


def test_a_profile_stands_for_its_settings() -> None:
    def named(name: str, **changes: object) -> SweepData:
        return loaded(sweep_record(name, name), measures=[MEASURE.model_copy(update=changes)])

    quick, full = named("quick"), named("full", profile="full", window_s=10.0, idle_s=10.0)
    assert differing_settings([quick, full]) == {"quick": "profile quick", "full": "profile full"}
    again = named("again", windows=3)
    assert differing_settings([quick, full, again])["again"] == "profile quick, windows 3"
    assert differing_settings([quick, named("same")]) == differing_settings([quick]) == {}


def test_columns_are_called_by_their_headings_too() -> None:
    trials = [measured(f"{batch}.{n}", 1.0 / batch + n / 100, batch=batch) for batch in (1, 16) for n in range(3)]
    found = across.view([loaded(sweep_record(), *trials)], Selection(by=("model", "batch")), {"batch": "1"})
    assert [cell.group.summary.labels["batch_size"] for cell in found.cells] == [1, 16]
    assert all(cell.ratio for cell in found.cells)
