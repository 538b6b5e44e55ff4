"""Energy and accuracy by year of publication: best batches, growth rates, the efficient front."""

from collections.abc import Mapping
from math import exp, log
from random import Random
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farm.analysis.across import Figure
from farm.analysis.aggregate import Group, grouped
from farm.analysis.intervals import Interval
from farm.model import Quality, Scalar
from farm.model.catalog import MODELS, NETWORKS, Accuracy
from farm.studies.timeline import Entry, Timeline, timelines
from tests.summaries import ends, sample, summary

#: One of each of seven papers, 2012 to 2022.
DECADE = ("alexnet", "vgg11", "resnet18", "densenet121", "shufflenet_v2_x0_5", "vit_b_16", "convnext_base")


def of(
    model: str, net_j: Interval | float | None, batch_size: int = 8, gross_j: float = 9.0, **changes: object
) -> Group:
    place = {name: value for name, value in changes.items() if name in {"machine", "precision"}}
    rest = {name: value for name, value in changes.items() if name not in place}
    key: dict[str, Scalar] = {"model": model, "batch_size": batch_size, **place}  # type: ignore[dict-item]
    known = ends(net_j, net_j * 0.01) if isinstance(net_j, float) else net_j
    return Group(summary(key, **{"net_j": known, "gross_j": ends(gross_j, 0.1), **rest}), ())


def one(*groups: Group, figure: Figure | None = None, accuracy: Accuracy = Accuracy.V1) -> Timeline:
    (found,) = timelines(groups, accuracy, figure)
    return found


def decade(growth: float, spread: float = 0.0) -> Timeline:
    """Energies that grow by so much a year, and scatter."""
    random = Random(2)
    years = {model: NETWORKS[model].year - 2012 for model in DECADE}
    return one(*(of(m, (1 + growth) ** y * exp(random.gauss(0, spread))) for m, y in years.items()))


def growth(timeline: Timeline) -> Mapping[str, Interval]:
    return {trend.of: trend.growth for trend in timeline.trends}


# Best batches


def test_the_batch_of_least_net_energy_stands_for_a_network() -> None:
    found = one(of("alexnet", 2.0, 1, 3.0), of("alexnet", 1.0, 8, 5.0), of("alexnet", 1.5, 32, 4.0))
    (entry,) = found.entries
    assert (entry.best.labels["batch_size"], entry.cost.mean, entry.sizes) == (8, 1.0, [1, 8, 32])
    assert not entry.is_largest
    (entry,) = one(of("alexnet", 2.0, 1, 3.0), of("alexnet", 1.0, 8, 5.0), figure=Figure.GROSS).entries
    assert (entry.best.labels["batch_size"], entry.cost.mean) == (1, 3.0)


def test_gross_energy_decides_of_all_networks_where_one_net_energy_is_within_its_noise() -> None:
    noisy = (of("alexnet", 1.0, gross_j=3.0), of("vgg11", ends(0.5, 0.6), gross_j=2.0))
    found = one(*noisy)
    assert (found.figure, [e.model for e in found.entries], found.lost) == (Figure.GROSS, ["alexnet", "vgg11"], [])
    found = one(*noisy, figure=Figure.NET)
    assert ([e.model for e in found.entries], found.lost) == (["alexnet"], ["vgg11"])


def test_a_network_with_an_unknown_batch_is_left_out_since_that_one_might_be_the_least() -> None:
    found = one(of("alexnet", 1.0, 1), of("alexnet", None, 8), figure=Figure.NET)
    assert (found.entries, found.lost) == ([], ["alexnet"])


def test_machines_settings_and_kinds_of_joules_have_timelines_of_their_own() -> None:
    apart = [
        of("alexnet", 1.0, machine="a", precision="fp32"),
        of("alexnet", 1.0, machine="b", precision="fp32"),
        of("alexnet", 1.0, machine="b", precision="bf16"),
        of("alexnet", 1.0, machine="b", precision="bf16", quality=Quality.MODELLED),
        of("alexnet", 1.0, machine="b", precision="bf16", simulated=True),
        of("alexnet", 1.0, machine="b", precision="bf16", imported=True),
    ]
    found = timelines([*apart, of("vgg11", 2.0, machine="a", precision="fp32")], Accuracy.V1)
    assert [[e.model for e in t.entries] for t in found] == [["alexnet", "vgg11"], *[["alexnet"]] * 5]
    assert ("quality", Quality.MODELLED) in found[3].place


# Growth


def test_a_steady_growth_is_found_exactly() -> None:
    found = growth(decade(0.2))
    assert (found["energy"].mean, found["energy"].low, found["energy"].high) == pytest.approx((0.2, 0.2, 0.2))
    assert 1 + found["energy_per_accuracy"].mean == pytest.approx(1.2 / (1 + found["accuracy"].mean))


def test_growth_and_interval_are_those_of_ordinary_least_squares() -> None:
    api = pytest.importorskip("statsmodels.api")
    found = decade(0.1, spread=0.8)
    energies = [log(entry.cost.mean) for entry in found.entries]
    years = [float(NETWORKS[entry.model].year) for entry in found.entries]
    fit = api.OLS(energies, api.add_constant(years)).fit()
    low, high = fit.conf_int()[1]
    fitted = growth(found)["energy"]
    assert (fitted.mean, fitted.low, fitted.high) == pytest.approx([exp(x) - 1 for x in (fit.params[1], low, high)])


def test_networks_of_one_paper_count_as_one() -> None:
    sizes = [m for m in MODELS if NETWORKS[m].source == NETWORKS["resnet18"].source]
    assert len(sizes) == 5
    joules = {model: 2.0 * 3**n for n, model in enumerate(sizes)}
    mean = exp(fmean(log(j) for j in joules.values()))
    others = [of("alexnet", 1.0), of("convnext_base", 50.0), of("vit_b_16", 8.0)]
    every = one(*others, *(of(model, j) for model, j in joules.items()))
    assert (every.trends[0].networks, every.trends[0].papers, every.trends[0].years) == (8, 4, (2012, 2022))
    alone = growth(one(*others, of("resnet18", mean)))["energy"]
    fitted = growth(every)["energy"]
    assert (fitted.mean, fitted.low, fitted.high) == pytest.approx((alone.mean, alone.low, alone.high))


@pytest.mark.parametrize(
    ("rate", "spread", "verdict"), [(0.3, 0.1, "rises"), (-0.3, 0.1, "falls"), (0.0, 1.0, "unclear")]
)
def test_what_may_be_claimed(rate: float, spread: float, verdict: str) -> None:
    energy = decade(rate, spread).trends[0]
    assert (energy.of, energy.verdict) == ("energy", verdict)


def test_few_papers_claim_nothing_and_fewer_have_no_trend() -> None:
    four = [of(model, 2.0**n) for n, model in enumerate(DECADE[:4])]
    assert one(*four).trends[0].growth.mean > 0
    assert {trend.verdict for trend in one(*four).trends} == {"unclear"}
    assert one(*four[:2]).trends == []
    of_one_year = [of(model, 1.0 + n) for n, model in enumerate(("swin_t", "swin_v2_t", "efficientnet_v2_s"))]
    assert one(*of_one_year).trends == []


def test_a_trend_knows_only_networks_with_a_year_and_an_accuracy() -> None:
    more = (of("my.nets:Tiny", 1.0), of("vit_h_14", 90.0), *(of(model, 1.0 + n) for n, model in enumerate(DECADE)))
    by_first, by_default = one(*more), one(*more, accuracy=Accuracy.DEFAULT)
    assert {trend.networks for trend in by_first.trends} == {7}
    assert {trend.networks for trend in by_default.trends} == {8}
    assert by_first.entries[-1].model == "my.nets:Tiny"
    assert {e.model for e in by_first.entries if e.top1_percent is None} == {"my.nets:Tiny", "vit_h_14"}


# The front


@given(st.dictionaries(st.sampled_from(MODELS), st.floats(0.01, 100), min_size=1, max_size=20))
def test_no_other_network_beats_one_of_the_front_and_one_beats_each_of_the_rest(joules: dict[str, float]) -> None:
    found = one(*(of(model, value) for model, value in joules.items()), accuracy=Accuracy.DEFAULT)

    def beats(other: Entry, entry: Entry) -> bool:
        theirs, own = (other.top1_percent, -other.cost.mean), (entry.top1_percent, -entry.cost.mean)
        return all(a >= b for a, b in zip(theirs, own, strict=True)) and theirs != own  # type: ignore[operator]

    front = {entry.model for entry in found.front}
    assert front == {e.model for e in found.entries if not any(beats(other, e) for other in found.entries)}


def measured(blocks: int = 5, **joules: float) -> Timeline:
    """Networks in blocks that differ by 20 %; each trial varies by 2 %."""
    random = Random(3)
    days = [random.gauss(1, 0.2) for _ in range(blocks)]
    samples = [
        sample(
            labels={"model": model, "batch_size": 8, "machine": "a", "sweep": "s", "repetition": block},
            net_j=j * day * random.lognormvariate(0, 0.02),
            net_u_j=None,
        )
        for model, j in joules.items()
        for block, day in enumerate(days)
    ]
    return one(*grouped(samples, ("model", "batch_size")), figure=Figure.NET)


def test_a_place_on_the_front_is_clear_where_all_as_accurate_surely_cost_more() -> None:
    found = measured(alexnet=1.0, resnet18=1.01, vit_b_16=9.0)
    assert [(e.model, found.is_clear(e)) for e in found.front] == [
        ("alexnet", False), ("resnet18", True), ("vit_b_16", True),
    ]  # fmt: skip
    apart = measured(alexnet=1.0, resnet18=1.15, vit_b_16=9.0)
    assert all(apart.is_clear(entry) for entry in apart.front), "though their intervals overlap: blocks differ by 20 %"
    once = measured(1, alexnet=1.0, resnet18=2.0)
    assert [once.is_clear(entry) for entry in once.front] == [False, True], "one block shows no spread"
