"""What `farm across` shows, and what it writes."""

from collections.abc import Iterator
from pathlib import Path
from statistics import median

import pytest

from farm.exchange import importing
from farm.exchange.loading import load_all
from farm.model import Mapped
from farm.report import across
from farm.report.across import Across
from farm.report.selection import Selection
from farm.store import Store
from tests.summaries import rendered

JOULES = (10.0, 10.1, 10.2, 10.4, 10.9, 13.0)
MAPPED = Mapped({}, {"batch_size": "batch_size"}, "image", {"domain": "gpu", "quality": "counter"})


@pytest.fixture
def lab(sqlite_url: str, tmp_path: Path) -> Iterator[Store]:
    """Two machines and two batch sizes; six trials of each, skewed."""
    file = tmp_path / "lab.csv"
    rows = [
        f"{batch},{machine},{machine},{joules / batch},{0.5 * joules / batch}"
        for machine in ("lab1", "lab2")
        for batch in (1, 16)
        for joules in JOULES
    ]
    file.write_text("\n".join(("batch_size,machine,hardware_class,gross_j,net_j", *rows)), encoding="utf-8")
    with Store.open(sqlite_url, create=True) as store:
        store.add_import(importing.read(file, None, MAPPED), "")
        yield store


def view(store: Store, are_medians: bool) -> Across:
    return across.view(load_all(store, [store.find_sweep()]), Selection(), {"batch_size": "1"}, None, are_medians)


def test_medians_take_the_place_of_means_where_they_are_asked_for(lab: Store) -> None:
    means, medians = (rendered(view(lab, are_medians).rendered()) for are_medians in (False, True))
    assert "median" not in means
    assert "5.15 [5.00, 6.50]" in medians  # net; of six values the least and the largest hold it
    assert f"{median(JOULES):.1f}" in medians  # gross
    assert "ratio, rank: of means" in " ".join(medians.split())
    assert max(map(len, medians.splitlines())) <= 80


def test_files_have_both_whatever_is_shown(lab: Store) -> None:
    first, *_ = view(lab, are_medians=True).records()
    assert first == view(lab, are_medians=False).records()[0]
    assert first["net_j_per_unit_median"] == pytest.approx(median(JOULES) / 2)
    assert (first["net_j_per_unit_median_low"], first["net_j_per_unit_median_high"]) == (5.0, 6.5)
    assert first["net_j_per_unit"] == pytest.approx(sum(JOULES) / 12)


def test_what_a_rank_is_is_told(lab: Store) -> None:
    told = " ".join(rendered(view(lab, are_medians=False).rendered()).split())
    assert "rank: on its machine, 1 + the rows of clearly less net J, their intervals apart; =: a tie." in told
