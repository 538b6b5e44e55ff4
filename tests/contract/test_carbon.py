"""Carbon is applied when results are read, and is the same in queries, exports and views."""

from dataclasses import replace
from math import isclose

import pytest

from farm.exchange import exports
from farm.exchange.loading import load
from farm.model import CarbonFactor, CarbonSource, Need, TrialCarbon
from farm.store import Store
from tests.contract.store_records import ANNE, SWEEP, record
from tests.contract.test_views import ask, machine, measured

FILE = "hourly, nl.csv"
KEPT = {
    0: TrialCarbon(),
    1: TrialCarbon(pue=1.5),
    2: TrialCarbon(100.0, None, "given outright", is_own=True),
    3: TrialCarbon(pue=1.1, is_own=True),  # the machine's file did not tell
    4: TrialCarbon(200.0, None, FILE),  # of the sweep's file
}


@pytest.fixture
def lab(store: Store) -> Store:
    """One trial for each way in which a machine may state its electricity."""
    store.register_machine(machine("lab1"), ANNE, "0.1.0")
    for ordinal, kept in KEPT.items():
        measured(store, ordinal, "lab1", carbon=kept)
    return store


def stated(lab: Store, source: CarbonSource) -> list[CarbonFactor]:
    """Submit the sweep again with this electricity; returns the factors of its trials, the same from every reader."""
    lab.submit(record().model_copy(update={"carbon": source.looked_up()}), [])
    samples = {sample.trial: sample for sample in lab.samples([SWEEP])}
    trials = {row.trial: row.carbon for row in lab.trial_rows(SWEEP)}
    assert {name: sample.carbon for name, sample in samples.items()} == trials
    assert {one.carbon for one in lab.spent(SWEEP)} == set(trials.values())
    columns = "carbon_g_per_kwh, carbon_pue, carbon_source"
    for view in ("v_trial", "v_sample", "v_measurement"):
        for row in ask(lab, f"SELECT trial, {columns} FROM {view}"):
            factor = CarbonFactor(row["carbon_g_per_kwh"], row["carbon_pue"], row["carbon_source"] or "")
            assert factor == trials[row["trial"]], view
    for row in ask(lab, "SELECT trial, carbon_g_per_unit AS g FROM v_sample WHERE own_device"):
        sample = samples[row["trial"]]
        assert row["g"] == pytest.approx(sample.carbon.grams(sample.gross_j / sample.units if sample.gross_j else None))
    return list(trials.values())


def test_a_change_of_the_sweeps_carbon_counts_for_all_trials_but_those_of_machines_that_state_their_own(
    lab: Store,
) -> None:
    own, unknown = CarbonFactor(100.0, 1.2, "given outright"), CarbonFactor(None, 1.1)
    for g_per_kwh in (12.0, 34.0):
        sweeps = CarbonFactor(g_per_kwh, 1.2, "given outright")
        found = stated(lab, CarbonSource(g_per_kwh=g_per_kwh, pue=1.2))
        assert found == [sweeps, replace(sweeps, pue=1.5), own, unknown, sweeps]


def test_what_a_file_said_when_the_trial_ended_stays_until_the_sweep_states_something_else(lab: Store) -> None:
    nothing, own = CarbonFactor(), CarbonFactor(100.0, 1.0, "given outright")
    kept = [nothing, replace(nothing, pue=1.5), own, CarbonFactor(None, 1.1), CarbonFactor(200.0, 1.0, FILE)]
    assert stated(lab, CarbonSource(file="/srv/nl.csv")) == kept
    assert stated(lab, CarbonSource()) == kept


def test_a_country_is_asked_for_in_place_of_all_others_and_pue_stays(lab: Store) -> None:
    asked = CarbonFactor(400.0, source="DEU, by --country")
    data = load(lab, lab.find_sweep(SWEEP), (Need.TRIALS, Need.SPENT), carbon=asked)
    factors = [replace(asked, pue=pue) for pue in (1.0, 1.5, 1.0, 1.1, 1.0)]
    assert [one.carbon for one in data.samples] == [one.carbon for one in data.trials] == factors
    assert {one.carbon.g_per_kwh for one in data.spent} == {400.0}


def test_an_exported_row_has_the_factor_and_the_grams_of_its_joules(lab: Store) -> None:
    lab.submit(record().model_copy(update={"carbon": CarbonSource(g_per_kwh=12.0).looked_up()}), [])
    grams = {
        (row["trial"], row["window_index"], row["domain"]): row["carbon_g"]
        for row in ask(lab, "SELECT trial, window_index, domain, carbon_g FROM v_measurement")
    }
    for asked, of_first in ((None, 12.0), (CarbonFactor(400.0, source="DEU"), 400.0)):
        rows = list(exports.exported(lab, lab.find_sweep(SWEEP), exports.Rows.MEASUREMENT, asked).records())
        assert rows[0]["carbon_g_per_kwh"] == of_first
        for row in rows:
            factor = CarbonFactor(row["carbon_g_per_kwh"], row["carbon_pue"])
            assert row["carbon_g"] == factor.grams(row["gross_j"])
            known = grams[row["trial"], row["window_index"], row["domain"]]
            assert asked or row["carbon_g"] is known is None or isclose(known, row["carbon_g"], rel_tol=1e-12)
