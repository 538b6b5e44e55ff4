"""`farm reproduce`: a study's claims beside what a farm has measured, in each of its forms."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from farm.analysis.intervals import Interval
from farm.cli.loading import load_report
from farm.cli.output import Notes, Shown, Written
from farm.cli.reproduce import reproduce as command
from farm.cli.run import Ran
from farm.kinds import parse_sweep, ready_made
from farm.model import Flag, JobState, Progress, Quality, SweepRecord
from farm.model.errors import InputError
from farm.report import html, markdown
from farm.report.document import Alert, Paragraph, Report
from farm.studies import reproduction, reproduction_view
from farm.studies.claims.finding import Figure, Paper, Scale, Times, Verdict
from farm.studies.paper import sections
from farm.studies.reproduction import PAPERS, Reproduction, find, sweeps_of
from farm.studies.reproduction_view import document
from tests.contract.store_records import record
from tests.documents import alerts_of, assert_seen, has_note, tables_of
from tests.loaded import loaded
from tests.reports import Page, batching, gathered
from tests.serving import live, shown, steady
from tests.trainings import sweep_of, trained

MODELS = ("alexnet", "shufflenet_v2_x0_5")


@pytest.fixture
def sqlite(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'farm.db'}"


@pytest.fixture(scope="module")
def counted(tmp_path_factory: pytest.TempPathFactory) -> Reproduction:
    """Judged by joules that the hardware counted."""
    return of(f"sqlite:///{tmp_path_factory.mktemp('counted') / 'farm.db'}")


def of(url: str, include_flagged: bool = False, **changes: Any) -> Reproduction:
    """Of two networks, at two batch sizes; the live sweep was never measured."""
    with batching(url, models=MODELS, **changes) as (store, sweep):
        return reproduction.reproduction(PAPERS["batching"], load_report(store, [sweep]), ["serving"], include_flagged)


def verdicts(found: Reproduction) -> dict[str, str]:
    return {finding.claim.id: finding.verdict.value for finding in found.findings}


# What is judged


def test_each_claim_of_the_study_has_a_verdict(counted: Reproduction) -> None:
    assert verdicts(counted) == {
        "energy-by-batch": "agrees",
        "depends-on-network": "cannot tell",
        "energy-outgrows-accuracy": "cannot tell",
        "shufflenet-is-efficient": "differs",
        "response-by-batch": "cannot tell",  # each trial has the same times: there is no spread to judge by
        "greedy-is-soonest": "cannot tell",
        "greedy-takes-least": "cannot tell",
    }


def test_a_person_reads_how_many_claims_hold_and_why(counted: Reproduction) -> None:
    assert_seen("reproduce.txt", document(counted))


def test_modelled_joules_give_no_verdict(sqlite: str) -> None:
    found = of(sqlite, quality=Quality.MODELLED)
    shown = document(found)
    assert Paragraph("Of 7 claims 7 cannot tell.") in shown.blocks
    assert (found.findings[0].because, found.findings[0].figures) == ("energy is modelled here", ())
    assert alerts_of(shown) == [reproduction_view.MODELLED]
    marked = {str(row.values["the study says"])[0]: row.values["verdict"] for row in tables_of(shown)[0].rows}
    assert (marked["1"], marked["5"], marked["7"]) == (
        "cannot tell (modelled joules)", "cannot tell (simulated response times)", "cannot tell",
    )  # fmt: skip
    assert {claim["id"]: claim["joules"] for claim in shown.json()["claims"]}["response-by-batch"] == []


def test_verdicts_on_simulated_hardware_are_marked(sqlite: str) -> None:
    shown = document(of(sqlite, simulated=True))
    assert alerts_of(shown) == [reproduction_view.SIMULATED]
    assert tables_of(shown)[0].rows[0].values["verdict"] == "agrees (simulated hardware)"


def test_flagged_trials_are_left_out_unless_they_are_asked_for(sqlite: str, tmp_path: Path) -> None:
    found = of(sqlite, flags=(Flag.CONTAMINATED,))
    assert set(verdicts(found).values()) == {"cannot tell"}
    assert "each of the 12 trials is flagged: --include-flagged counts them too" in found.findings[0].because
    assert has_note(document(found), "Flagged trials are left out")
    asked = of(f"sqlite:///{tmp_path / 'other.db'}", include_flagged=True, flags=(Flag.CONTAMINATED,))
    assert verdicts(asked)["energy-by-batch"] == "agrees"
    assert asked.findings[0].basis.flagged == 12


def test_trainings_are_judged_with_their_accuracies() -> None:
    rows = [
        trained(
            f"{conv}{linear}{relu}{n}",
            *(0.5, 0.9 + 0.001 * n + 0.001 * conv),
            gross_j=20.0 * conv + 0.1 * n,
            point_conv_layers=conv,
            point_linear_layers=linear,
            point_relu=relu,
            repetition=n,
        )
        for conv in (1, 4)
        for linear in (3, 7)
        for relu in (False, True)
        for n in range(3)
    ]
    sweep = sweep_of("training")
    found = reproduction.reproduction(PAPERS["training"], [loaded(sweep, *rows)], ["tuning"], include_flagged=False)
    assert verdicts(found) == {
        "strategies-cost-alike": "cannot tell",
        "bayesian-beats-random": "cannot tell",
        "bayesian-beats-grid": "cannot tell",
        "bayesian-passes-early": "cannot tell",
        "convolutions-dominate": "agrees",
        "convolutions-double": "differs",  # they take four times as much here
        "linear-layers-matter-little": "agrees",
        "relu-matters-little": "agrees",
        "energy-buys-little-accuracy": "agrees",
        "smallest-saves-half": "differs",
    }


def test_live_requests_decide_about_response_times() -> None:
    slow = steady(fixed_s=0.2)  # cannot keep up with 50 requests a second one by one
    trials = [shown(n, point_policy=policy) for policy in ("greedy:8", "fixed:4", "fixed:8") for n in range(4)]
    trials += [shown(n, own=slow, point_policy="fixed:2") for n in range(4)]
    sweep = sweep_of("serving")
    found = reproduction.reproduction(PAPERS["batching"], [live(sweep, *trials)], ["batching"], False)
    own = {finding.claim.id: finding for finding in found.findings}
    assert own["greedy-is-soonest"].verdict is Verdict.AGREES
    assert [figure.of for figure in own["greedy-is-soonest"].figures] == [
        "alexnet: mean response at 50/s, fixed:4 against greedy:8 (live)",
        "alexnet: mean response at 50/s, fixed:8 against fixed:4 (live)",
    ]
    assert own["energy-by-batch"].verdict is Verdict.UNCLEAR
    assert own["greedy-is-soonest"].basis.times is Times.LIVE


# How it is shown


@pytest.mark.parametrize(
    ("figure", "line"),
    [
        (
            Figure("a", Interval(0.5, 0.4, 0.6), Scale.RATIO, Verdict.AGREES, 0.0001, 10),
            "a: 50% less (ratio 0.500, 95 %: 0.400 to 0.600, p < .001, 10 trials): agrees",
        ),
        (Figure("a", Interval(0.99, None, None), Scale.SHARE, None, 0.2), "a: 99.0% (p = 0.20)"),
        (Figure("a", Interval(0.1, -0.05, 0.3), Scale.GROWTH), "a: +10% (95 %: -5.0% to +30%)"),
        (Figure("a", Interval(float("inf"), 0.0, float("inf")), Scale.SHARE), "a: never (95 %: 0% to never)"),
        (
            Figure("a", Interval(1.0, 0.9, 1.1), Scale.RATIO, level="90 %"),
            "a: 0.0% more (ratio 1.00, 90 %: 0.900 to 1.10)",
        ),
    ],
)
def test_a_figure_in_words(figure: Figure, line: str) -> None:
    assert reproduction_view.describe(figure) == line


def test_the_record_has_every_figure_with_its_interval(counted: Reproduction) -> None:
    whole = json.loads(json.dumps(document(counted).json()))
    first = whole["claims"][0]
    assert (whole["study"], whole["missing"]) == ("batching", ["serving"])
    assert (first["verdict"], first["trials"]) == ("agrees", 12)
    figure = first["figures"][0]
    assert figure["value_low"] < figure["value"] < figure["value_high"] < 0.8
    assert all(claim["rule"] and claim["study"] and claim["evidence"] for claim in whole["claims"])


def test_the_report_has_the_same_blocks_around_its_results(sqlite: str) -> None:
    with batching(sqlite, models=MODELS, quality=Quality.MODELLED) as (store, sweep):
        found = reproduction.reproduction(PAPERS["batching"], load_report(store, [sweep]), [], include_flagged=False)
        report = sections.document(gathered(store, sweep), reproduction_view.sections(found))
    by_id = {section.id: section.blocks for section in report.sections}
    assert list(by_id)[:5] == ["claims", "findings", "results", "evidence", "statistics"]
    assert [*by_id["claims"][1:], *by_id["evidence"]] == document(found).blocks[3:]
    assert by_id["claims"][1] == Alert(reproduction_view.MODELLED)
    page = Page(html.page(report).text)
    assert ["the study says", "verdict"] in page.rows
    text = "".join(page.text)
    assert all(finding.claim.statement[:-1] in text and finding.claim.rule in text for finding in found.findings)
    assert "## Claims of the study" in markdown.report(report)


def test_without_a_study_a_report_has_no_claims(sqlite: str) -> None:
    with batching(sqlite) as (store, sweep):
        assert "claims" not in [section.id for section in sections.document(gathered(store, sweep)).sections]


# Studies and their sweeps


@pytest.mark.parametrize("is_quick", [False, True])
@pytest.mark.parametrize("paper", PAPERS.values(), ids=lambda paper: paper.name)
def test_every_sweep_of_a_study_is_ready_made(paper: Paper, is_quick: bool) -> None:
    for name in sweeps_of(paper, is_quick):
        assert parse_sweep(ready_made.text(name), name, Path.cwd()).name == name


def test_an_unknown_study_is_refused() -> None:
    with pytest.raises(InputError, match="expected a study, batching or training, got 'pruning'"):
        find("pruning")


# The command


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A farm that has measured `batching`, in the current folder."""
    url = f"sqlite:///{tmp_path / 'farm.db'}"
    monkeypatch.setenv("FARM_DATABASE_URL", url)
    monkeypatch.chdir(tmp_path)
    with batching(url, record().model_copy(update={"name": "batching"}), models=MODELS):
        yield tmp_path


def test_what_was_measured_is_judged_and_written_up(home: Path) -> None:
    shown, written, *ends = list(command("batching", no_run=True))
    assert isinstance(shown, Shown)
    assert isinstance(written, Written)
    assert written.path == Path("reproduce-batching.html")
    assert "Claims of the study" in written.text
    assert all(isinstance(end, Notes) and end.status == 0 for end in ends)
    assert list(home.glob("*.html")) == []  # whoever prints it writes it


@pytest.mark.parametrize(("name", "mark"), [("r.md", "## Claims of the study"), ("r.json", '"reproduction"')])
def test_the_suffix_chooses_the_form(home: Path, name: str, mark: str) -> None:
    written = next(one for one in command("batching", no_run=True, output=home / name) if isinstance(one, Written))
    assert mark in written.text


def test_a_file_of_the_users_is_never_overwritten_unasked(home: Path) -> None:
    (home / "reproduce-batching.html").write_text("<html>my thesis</html>")
    with pytest.raises(InputError, match="no report of Wattfarm: rename it, or choose another name by -o"):
        list(command("batching", no_run=True))
    assert isinstance(next(command("batching", no_run=True, output=home / "r.html")), Shown)
    (home / "reproduce-batching.html").write_text(html.page(Report("a report", "of ours", [])).text)
    assert isinstance(next(command("batching", no_run=True)), Shown)


def test_nothing_measured_is_reported_at_once(home: Path) -> None:
    with pytest.raises(InputError, match="nothing of batching-quick, serving-quick was measured yet"):
        list(command("batching", no_run=True, quick=True))


def test_measuring_again_without_measuring_is_refused(home: Path) -> None:
    with pytest.raises(InputError, match="choose one"):
        list(command("batching", no_run=True, fresh=True))


def test_an_interrupted_sweep_shows_how_to_go_on() -> None:
    stopped = Ran(cast("SweepRecord", None), Progress({JobState.DONE: 1, JobState.QUEUED: 3})).stopped(
        "farm reproduce x"
    )
    assert stopped.status == 130
    assert stopped.lines == ["farm: stopped with 3 jobs to go: `farm reproduce x` goes on from here"]
