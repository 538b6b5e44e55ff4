import json
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

from farm.catalog import COUNTRIES, DATASETS, INPUTS, MODELS, STUDY_MODELS
from farm.spec.workloads import Factors, Inference, LayersOf, Training


def test_the_models_are_torchvisions() -> None:
    models = pytest.importorskip("torchvision.models")
    assert list(MODELS) == sorted(models.list_models(module=models))


def test_networks_data_sets_and_inputs_are_those_that_workers_know() -> None:
    pytest.importorskip("torchvision")
    from workers.workloads import datasets, layers, simple_networks  # noqa: PLC0415

    assert simple_networks.STUDY_MODELS == STUDY_MODELS
    assert tuple(datasets.REGISTRY) == DATASETS
    assert tuple(layers.INPUTS) == INPUTS


@pytest.mark.parametrize(
    ("factors", "module"), [(Inference, "inference"), (Training, "training"), (LayersOf, "layers")]
)
def test_the_factors_of_a_kind_are_the_parameters_of_its_workload_with_the_same_defaults(
    factors: type[Factors], module: str
) -> None:
    pytest.importorskip("torchvision")
    params = import_module(f"workers.workloads.{module}").Params.model_fields
    written = {name: field for name, field in factors.model_fields.items() if name != "device"}
    assert set(params) == set(written)
    for name, field in written.items():
        if not params[name].is_required() and not field.is_required():
            assert field.default == (params[name].default,), name


def test_the_countries_are_codecarbons() -> None:
    spec = find_spec("codecarbon")
    if spec is None or spec.origin is None:
        pytest.skip("codecarbon is not installed")
    mix = json.loads((Path(spec.origin).parent / "data/private_infra/global_energy_mix.json").read_text())
    assert {code: country["country_name"] for code, country in mix.items()} == COUNTRIES
