"""Rules that views, charts and claims share."""

import pytest

from farm.analysis.rules import may_rank_energy
from farm.model import Quality


@pytest.mark.parametrize(
    ("quality", "may_rank"),
    [(Quality.COUNTER, True), (Quality.SAMPLED, True), (Quality.MODELLED, False), (None, True)],
)
def test_modelled_energy_ranks_nothing(quality: Quality | None, may_rank: bool) -> None:
    assert may_rank_energy(quality) is may_rank
