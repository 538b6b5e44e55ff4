import json
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

from farm.kinds.inference.sweep import Inference
from farm.kinds.layers.sweep import LayersOf
from farm.kinds.training.sweep import Training
from farm.model.catalog import COUNTRIES, DATASETS, INPUTS, MODELS, NETWORKS, STUDY_MODELS, Accuracy, Country
from farm.spec import Factors

#: AlexNet's variant has a paper of its own, of 2014; that of SqueezeNet has none, only a repository.
VARIANTS = ("alexnet", "squeezenet1_1")


def test_the_models_are_torchvisions() -> None:
    models = pytest.importorskip("torchvision.models")
    assert list(MODELS) == sorted(models.list_models(module=models))


@pytest.mark.parametrize("model", MODELS)
def test_what_is_published_of_a_network_is_what_torchvision_has(model: str) -> None:
    models = pytest.importorskip("torchvision.models")
    weights, network = models.get_model_weights(model), NETWORKS[model]
    default = weights.DEFAULT
    told = (network.default_weights, network.parameters, network.gflops)
    assert told == (default.name, default.meta["num_params"], default.meta["_ops"])
    known = {Accuracy.DEFAULT: default, Accuracy.V1: weights.__members__.get("IMAGENET1K_V1")}
    published = {which: own.meta["_metrics"]["ImageNet-1K"] for which, own in known.items() if own}
    assert network.top1_percent == {which: of["acc@1"] for which, of in published.items()}
    assert network.top5_percent == {which: of["acc@5"] for which, of in published.items()}


@pytest.mark.parametrize("model", [name for name in MODELS if name not in VARIANTS])
def test_the_source_of_a_year_is_the_paper_that_torchvision_names(model: str) -> None:
    models = pytest.importorskip("torchvision.models")
    site, number = NETWORKS[model].source.split("/abs/")
    assert site == "https://arxiv.org"
    assert number in models.get_model_builder(model).__doc__
    assert NETWORKS[model].year == 2000 + int(number[:2])


def test_networks_of_one_source_share_title_venue_and_year() -> None:
    told = {(n.source, n.paper, n.venue, n.year) for n in NETWORKS.values()}
    assert len({source for source, *_ in told}) == len(told) == len({n.paper for n in NETWORKS.values()})


def test_networks_data_sets_and_inputs_are_those_that_workers_know() -> None:
    pytest.importorskip("torchvision")
    from workers.kinds.layers import workload as layers
    from workers.kinds.training import datasets
    from workers.kinds.training import networks as simple_networks

    assert simple_networks.STUDY_MODELS == STUDY_MODELS
    assert tuple(datasets.REGISTRY) == tuple(DATASETS)
    assert tuple(layers.INPUTS) == INPUTS


@pytest.mark.parametrize(
    ("factors", "module"), [(Inference, "inference"), (Training, "training"), (LayersOf, "layers")]
)
def test_the_factors_of_a_kind_are_the_parameters_of_its_workload_with_the_same_defaults(
    factors: type[Factors], module: str
) -> None:
    pytest.importorskip("torchvision")
    params = import_module(f"workers.kinds.{module}.workload").Params.model_fields
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
    assert {
        code: Country(country["country_name"], country["carbon_intensity"] or None, country["year"])
        for code, country in mix.items()
    } == COUNTRIES
