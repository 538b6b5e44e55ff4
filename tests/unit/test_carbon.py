"""The carbon intensity of electricity: its origins, hourly files, and what the outputs say of it."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from farm.cli.options import carbon_of
from farm.model import CarbonFactor, CarbonSource, Domain, Hourly, Quality, Spent, TrialCarbon, TrialReport
from farm.model.catalog import COUNTRIES
from farm.model.errors import InputError
from farm.report.carbon import footprint, intensities, records
from farm.report.document import Note, Paragraph
from farm.settings import Settings, load_settings
from workers.supervisor.carbon import add_carbon

TEN = datetime(2026, 12, 1, 10, tzinfo=UTC)
HOUR = timedelta(hours=1)
EXPORT = """\
Datetime (UTC),Country,Zone name,Zone id,Carbon intensity gCO₂eq/kWh (direct),Carbon intensity gCO₂eq/kWh (Life cycle),\
Carbon-free energy percentage (CFE%),Renewable energy percentage (RE%),Data source,Data estimated,Data estimation method
2026-12-01 10:00:00,Netherlands,Netherlands,NL,150,200,50,40,entsoe,false,
2026-12-01 11:00:00,Netherlands,Netherlands,NL,250,300,50,40,entsoe,false,
2026-12-01 12:00:00,Netherlands,Netherlands,NL,,,,,entsoe,false,
2026-12-01 13:00:00,Netherlands,Netherlands,NL,350,400,50,40,entsoe,true,TSA
"""


def trial_report(begin: datetime) -> TrialReport:
    return TrialReport(
        job="job", attempt=1, machine="m1", started_at_utc=begin, finished_at_utc=begin + HOUR, duration_s=3600.0
    )


def hourly(text: str = EXPORT) -> Hourly:
    return Hourly.parse(text, "nl.csv")


def test_the_table_states_its_year() -> None:
    found = CarbonSource(country="NLD", pue=1.2).factor(TEN, TEN + HOUR)
    assert found == CarbonFactor(COUNTRIES["NLD"].g_per_kwh or 0.0, 1.2, "NLD, codecarbon's table of 2023")
    assert intensities([found]) == ["grams: 268 g CO2e/kWh, NLD, codecarbon's table of 2023, PUE 1.2"]


def test_a_country_whose_table_has_nothing_is_unknown() -> None:
    with pytest.raises(InputError, match="no intensity is known for 'CAF'"):
        CarbonSource(country="CAF").factor(TEN, TEN + HOUR)


def test_what_a_sweep_states_is_stored_with_the_intensity_of_its_country() -> None:
    stored = CarbonSource(country="NLD", pue=1.3).looked_up()
    assert (stored.country, stored.g_per_kwh, stored.pue) == ("NLD", COUNTRIES["NLD"].g_per_kwh, 1.3)
    assert stored.source == "NLD, codecarbon's table of 2023"
    assert CarbonSource(g_per_kwh=12.0).looked_up().source == "given outright"
    file = CarbonSource(file="nl.csv").looked_up()
    assert (file.file, file.g_per_kwh, file.source) == ("nl.csv", None, None)
    assert CarbonSource().factor(TEN, TEN) == CarbonFactor()


def test_pue_counts_once() -> None:
    assert CarbonFactor(200.0, 1.5, "given outright").grams(3.6e6) == pytest.approx(300.0)
    assert CarbonFactor(200.0, 1.5, "given outright").grams(None) is None
    assert CarbonFactor(pue=1.5).grams(3.6e6) is None


@pytest.mark.parametrize(("minutes", "length", "mean"), [(0, 60, 200.0), (30, 60, 250.0), (45, 20, 225.0), (5, 0, 200)])
def test_the_mean_is_weighted_by_time(minutes: int, length: int, mean: float) -> None:
    begin = TEN + timedelta(minutes=minutes)
    assert hourly().mean_g_per_kwh(begin, begin + timedelta(minutes=length)) == pytest.approx(mean)


@pytest.mark.parametrize(("hours", "gap"), [(-1, "09:00:00"), (1.5, "12:00:00"), (2, "12:00:00"), (3.5, "14:00:00")])
def test_a_gap_is_unknown_and_never_the_nearest(hours: float, gap: str) -> None:
    begin = TEN + hours * HOUR
    with pytest.raises(InputError, match=f"no intensity for 2026-12-01 {gap} UTC"):
        hourly().mean_g_per_kwh(begin, begin + HOUR)


def test_finer_rows_do_not_hold_for_an_hour() -> None:
    fine = hourly("Datetime (UTC),Carbon intensity (LCA)\n2026-12-01 10:00,100\n2026-12-01 10:05,200\n")
    assert fine.mean_g_per_kwh(TEN, TEN + timedelta(minutes=10)) == pytest.approx(150.0)
    with pytest.raises(InputError, match="10:10:00 UTC"):
        fine.mean_g_per_kwh(TEN, TEN + timedelta(minutes=11))


@pytest.mark.parametrize(
    ("header", "basis"),
    [
        ("Datetime (UTC),Carbon Intensity gCO2eq/kWh (LCA),Carbon Intensity gCO2eq/kWh (direct)", " (life cycle)"),
        ("datetime,carbonIntensity,x", ""),
        ("Datetime (UTC),Carbon intensity gCO₂eq/kWh (direct),x", " (direct)"),
    ],
)
def test_columns_are_found_by_their_names(header: str, basis: str) -> None:
    found = hourly(f"{header}\n2026-12-01T11:00:00+01:00,100,7\n")
    assert (found.source, found.begins, found.g_per_kwh) == (f"hourly, nl.csv{basis}", (TEN,), (100.0,))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "expected columns such as 'Datetime .UTC.' .*, got an empty file"),
        ("time,price\n", "got time, price"),
        (
            "Datetime (UTC),Carbon intensity\nyesterday,1\n",
            "line 2: expected a time and a number, got 'yesterday', '1'",
        ),
        ("Datetime (UTC),Carbon intensity\n2026-12-01,much\n", "line 2: expected a time and a number"),
        ("Datetime (UTC),Carbon intensity\n2026-12-01,-1\n", "line 2: expected 0 or more g/kWh, got -1"),
        ("Datetime (UTC),Carbon intensity\n2026-12-01,1\n2026-12-01,2\n", "line 3: a second row .* give one zone"),
    ],
)
def test_a_wrong_file_is_refused_with_its_line(text: str, why: str) -> None:
    with pytest.raises(InputError, match=why):
        hourly(text)


def test_a_trial_keeps_what_its_machine_states_for_its_own_time(tmp_path: Path) -> None:
    path = tmp_path / "nl.csv"
    path.write_text(EXPORT)
    plain = trial_report(TEN + HOUR / 2)
    known = add_carbon(plain, CarbonSource(file=str(path), pue=1.1), None)
    assert known.carbon == TrialCarbon(250.0, 1.1, "hourly, nl.csv (life cycle)", is_own=True)
    assert add_carbon(plain, CarbonSource(), None).carbon == TrialCarbon()
    assert add_carbon(plain, CarbonSource(pue=1.3), None).carbon == TrialCarbon(pue=1.3)
    unknown = add_carbon(trial_report(TEN + 2 * HOUR), CarbonSource(file=str(path)), None)
    assert unknown.carbon == TrialCarbon(is_own=True)
    assert unknown.notes[-1].endswith("no intensity for 2026-12-01 12:00:00 UTC; this trial keeps no intensity")
    missing = add_carbon(plain, CarbonSource(file=str(tmp_path / "none.csv")), None)
    assert "none.csv cannot be read: No such file" in missing.notes[-1]


def test_a_file_of_the_sweep_is_read_for_machines_that_state_nothing(tmp_path: Path) -> None:
    path = tmp_path / "nl.csv"
    path.write_text(EXPORT)
    plain, found = trial_report(TEN), TrialCarbon(200.0, None, "hourly, nl.csv (life cycle)")
    assert add_carbon(plain, CarbonSource(), str(path)).carbon == found
    assert add_carbon(plain, CarbonSource(g_per_kwh=12.0), str(path)).carbon == TrialCarbon(
        12.0, None, "given outright", is_own=True
    )


def test_a_country_of_the_command_line_is_looked_up() -> None:
    assert carbon_of(None) is None
    asked = CarbonFactor(COUNTRIES["DEU"].g_per_kwh, source="DEU, codecarbon's table of 2023, by --country")
    assert carbon_of("deu") == asked
    assert asked.at(1.2).grams(3.6e6) == pytest.approx(1.2 * 380.95)
    for unknown in ("CAF", "Germany"):
        with pytest.raises(InputError, match=f"--country: no intensity is known for '{unknown}': expected an ISO 3166"):
            carbon_of(unknown)


def test_settings_state_one_origin(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Settings().carbon == CarbonSource()
    monkeypatch.setenv("FARM_CARBON_COUNTRY", "nld")
    monkeypatch.setenv("FARM_CARBON_PUE", "1.4")
    assert load_settings().carbon == CarbonSource(country="NLD", pue=1.4)
    monkeypatch.setenv("FARM_CARBON_G_PER_KWH", "100")
    with pytest.raises(InputError, match=r"FARM_CARBON_G_PER_KWH: .* left out, because FARM_CARBON_COUNTRY is set"):
        load_settings()
    monkeypatch.setenv("FARM_CARBON_COUNTRY", "Holland")
    with pytest.raises(InputError, match=r"FARM_CARBON_COUNTRY: .* ISO 3166 alpha-3 code"):
        load_settings()


def test_several_origins_are_all_named() -> None:
    nld, file = CarbonFactor(268.0, 1.0, "NLD"), "hourly, nl.csv"
    (line,) = intensities([nld, CarbonFactor(200.0, 1.0, file), CarbonFactor(310.4, 1.0, file), CarbonFactor(pue=1.2)])
    assert line == (
        "grams: 268 g CO2e/kWh, NLD (1 trial); 200 to 310 g CO2e/kWh, hourly, nl.csv (2 trials); unknown (1 trial)"
    )
    assert intensities([CarbonFactor()]) == []


def spent(gross_j: float | None, *, domain: Domain = Domain.GPU, is_work: bool = True, **changes: object) -> Spent:
    known = {"quality": Quality.COUNTER, "carbon": CarbonFactor(250.0, 2.0, "given outright"), "windows": 2, **changes}
    return Spent(domain=domain, gross_j=gross_j, is_work=is_work, **known)  # type: ignore[arg-type]


def test_a_footprint_tells_the_work_from_what_measuring_it_cost() -> None:
    found = [spent(7200.0), spent(3600.0, domain=Domain.DRAM), spent(36_000.0, is_work=False)]
    assert footprint(found) == [
        Paragraph("All trials, dram + gpu metered: work 3.00 Wh, 1.50 g CO2e; measuring it cost 10.0 Wh, 5.00 g CO2e.")
    ]
    assert records(found)[0]["carbon_g"] == pytest.approx(1.0)


def test_a_footprint_never_adds_modelled_or_wall_joules_and_names_what_is_unknown() -> None:
    found = [
        spent(3600.0),
        spent(7200.0, domain=Domain.CPU, quality=Quality.MODELLED),
        spent(36_000.0, domain=Domain.WALL, quality=Quality.SAMPLED, carbon=CarbonFactor()),
        spent(None, domain=Domain.DRAM, quality=None),
    ]
    assert [block.text for block in footprint(found) if isinstance(block, Paragraph | Note)] == [
        "All trials, gpu metered: work 1.00 Wh, 0.500 g CO2e; measuring it cost an unknown energy.",
        "All trials, wall metered, with the other domains in it: work 10.0 Wh; measuring it cost an unknown energy.",
        "All trials, cpu modelled, an estimate: work 2.00 Wh, 1.00 g CO2e; measuring it cost an unknown energy.",
        "Unknown, and in no sum: dram in 2 windows.",
    ]
    assert footprint([]) == []
