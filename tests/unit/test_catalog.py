import json
from importlib.util import find_spec
from pathlib import Path

import pytest

from farm.catalog import COUNTRIES, MODELS


def test_the_models_are_torchvisions() -> None:
    models = pytest.importorskip("torchvision.models")
    assert list(MODELS) == sorted(models.list_models(module=models))


def test_the_countries_are_codecarbons() -> None:
    spec = find_spec("codecarbon")
    if spec is None or spec.origin is None:
        pytest.skip("codecarbon is not installed")
    mix = json.loads((Path(spec.origin).parent / "data/private_infra/global_energy_mix.json").read_text())
    assert {code: country["country_name"] for code, country in mix.items()} == COUNTRIES
