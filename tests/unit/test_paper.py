"""`farm report`: what stands in a report, in each of its forms."""

import json
import re
import sys
from dataclasses import replace
from itertools import pairwise
from math import ceil
from pathlib import Path
from statistics import fmean, median

import pytest

from farm import __version__, kinds
from farm.analysis.intervals import Interval
from farm.cli.loading import load_material, load_report
from farm.cli.report import report as command
from farm.energy.validity import Glance, contaminations
from farm.exchange.importing import read
from farm.exchange.loading import load_results
from farm.kinds.views import view
from farm.model import Flag, Mapped, Quality, TrialRow, Window, WindowKind
from farm.model.errors import InputError
from farm.report import html, markdown
from farm.report.document import Alert, Block, Figure, Findings, Note, Report, Table
from farm.report.numbers import number, positive
from farm.report.selection import Selection
from farm.store import Store
from farm.studies.paper import record, sections, traces, words
from farm.studies.paper.material import Material, Traced, gather
from tests.contract.store_records import new_job
from tests.contract.store_records import record as sweep_record
from tests.golden import assert_golden
from tests.loaded import loaded
from tests.reports import LATER, MODELS, YAML, Page, batching, failed, gathered, trial
from tests.trainings import asked, part, sweep_of, taken_apart, trained

SECTIONS = ("Findings", "Results", "Statistics", "Methods", "Flags, failures and notes", "Power traces")
LAST = ("Machines and software", "Provenance", "How to reproduce")
EVIL = '"><script>alert(1)</script><img src=x onerror=alert(2)>'
MEANING = json.dumps({"tuning": {"space": {"lr": {"low": 1e-5, "high": 0.1, "log": True}}}})
PARTS = [
    part("SimpleCNN", "forward", "whole"),
    part("SimpleCNN", "backward", "whole"),
    part("Conv2d conv", "forward"),
    part("Conv2d conv", "backward"),
    part("ReLU relu", "forward"),
]


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    url = f"sqlite:///{tmp_path_factory.mktemp('report') / 'farm.db'}"
    with batching(url) as (store, sweep):
        return gathered(store, sweep)


@pytest.fixture(scope="module")
def document(material: Material) -> Report:
    return sections.document(material)


@pytest.fixture(scope="module")
def text(document: Report) -> str:
    return html.page(document).text


@pytest.fixture(scope="module")
def page(text: str) -> Page:
    return Page(text)


def blocks(document: Report, kind: type[Block]) -> list[Block]:
    return [block for section in document.sections for block in section.blocks if isinstance(block, kind)]


def said(document: Report) -> str:
    return markdown.report(document).replace("\\", "")


def test_a_report_as_people_read_it(material: Material, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record, "commit", lambda: "COMMIT")
    told = markdown.report(sections.document(material))
    assert_golden("report.md", told.replace(__version__, "VERSION"))


def test_results_are_those_of_the_command_line(material: Material, document: Report) -> None:
    (study,) = material.studies
    (results,) = (section.blocks for section in document.sections if section.id == "results")
    own, shown = ([(b.columns, b.rows) for b in of if isinstance(b, Table)] for of in (study.results.blocks, results))
    assert own == shown != []
    assert [block for block in results if isinstance(block, Findings)] == [Findings(study.results.findings)]


def test_the_result_comes_first(document: Report) -> None:
    """Findings, the chart that answers the question, the table; the other charts come after it."""
    findings, results = document.sections[:2]
    assert [type(block) for block in findings.blocks] == [Findings, Note]
    kinds = [type(block) for block in results.blocks if isinstance(block, Figure | Table)]
    assert kinds == [Figure, Table, Figure, Figure]
    assert [figure.is_main for figure in document.figures] == [True, False, False, False]


# The page


def test_a_page_has_its_sections_in_order_and_a_table_of_contents(page: Page) -> None:
    assert page.headings[0] == ("h1", "batching")
    assert tuple(said for tag, said in page.headings if tag == "h2") == (*SECTIONS, *LAST)
    ids = {attributes["id"] for _, attributes in page.tags if "id" in attributes}
    links = [attributes["href"] for attributes in page.all("a")]
    assert len(links) == len(SECTIONS + LAST)
    assert {f"#{name}" for name in ids} >= set(links)


def test_headings_skip_no_level(page: Page) -> None:
    levels = [int(tag[1]) for tag, _ in page.headings]
    assert levels.count(1) == 1
    assert all(later <= earlier + 1 for earlier, later in pairwise(levels))


def test_a_page_needs_nothing_else(text: str, page: Page) -> None:
    """No script, no style sheet, no picture, no font from elsewhere; a browser is told so as well."""
    assert not {tag for tag, _ in page.tags} & {"script", "link", "img", "iframe", "object"}
    assert not [name for _, attributes in page.tags for name in attributes if name in {"src", "srcset"}]
    assert "@import" not in text
    assert "url(" not in text
    policies = [m["content"] for m in page.all("meta") if m.get("http-equiv") == "Content-Security-Policy"]
    assert [policy and policy.startswith("default-src 'none'") for policy in policies] == [True]
    assert len(text.encode()) < 500_000


def test_a_page_suits_phones_printers_and_both_themes(text: str, page: Page) -> None:
    assert {"name": "viewport", "content": "width=device-width, initial-scale=1"} in page.all("meta")
    assert "@media (prefers-color-scheme: dark)" in text
    paper = text.partition("@media print {")[2].partition("</style>")[0]
    assert "color-scheme: light;" in paper
    assert re.search(r"figure, tr, \.facts[^{]*\{ break-inside: avoid; \}", paper)
    assert "overflow: visible" in paper
    assert all("scope" in attributes for attributes in page.all("th"))


def test_each_figure_is_drawn_counted_and_described(document: Report, text: str, page: Page) -> None:
    names = [figure.name for figure in document.figures]
    assert names[:3] == [
        "CPU energy per image against batch size",
        "Latency of a batch against batch size",
        "Throughput against energy",
    ]
    assert len(page.all("svg")) == len(page.all("figure")) == len(names)
    assert [int(number) for number in re.findall(r"Figure (\d+)\.", text)] == list(range(1, len(names) + 1))
    labels = [a["aria-label"] or "" for _, a in page.tags if a.get("role") == "img"]
    assert all(label.startswith(name) for label, name in zip(labels, names, strict=True))


def test_json_page_and_trials_agree_on_every_percentile_and_mean(material: Material, page: Page) -> None:
    """Each told by its own way: the trials' windows, the rows for scripts, the cells for readers."""
    (sweep,) = record.report_record(material)["sweeps"]
    timed_s = trial("job", 1.0).latencies_s  # the same for every trial
    by_point: dict[tuple[object, ...], list[TrialRow]] = {}
    for one in material.studies[0].trials:
        by_point.setdefault((one.factors["model"], one.factors["batch_size"]), []).append(one)
    cells = [[" ".join(cell.split()) for cell in row] for row in page.rows]
    assert len(sweep["results"]) == len(by_point) == 4
    for row in sweep["results"]:
        trials = by_point[row["model"], row["batch_size"]]
        latencies_s = sorted(value for _ in trials for value in timed_s)
        for percent in (50, 95, 99):
            exact = latencies_s[ceil(percent / 100 * len(latencies_s)) - 1]
            assert row[f"p{percent}_s"] == pytest.approx(exact)
        shown = [
            str(row["batch_size"]),
            number(row["units_per_s"]),
            *(number(row[f"p{percent}_s"] * 1e3) for percent in (50, 95, 99)),
            positive(Interval(*(row[f"gross_j_per_unit{end}"] for end in ("", "_low", "_high")))),
        ]
        assert shown in [line[: len(shown)] for line in cells]


def test_json_and_page_agree_across_machines_and_medians_are_those_of_the_trials(
    sqlite_url: str, tmp_path: Path
) -> None:
    joules = {("lab1", 1): (9.0, 10.0, 14.0), ("lab1", 16): (3.0, 3.1, 2.0), ("lab2", 1): (7.0, 7.5, 7.1)}
    rows = [f"{batch},{machine},{machine},{value}" for (machine, batch), values in joules.items() for value in values]
    file = tmp_path / "lab.csv"
    file.write_text("\n".join(("batch_size,machine,hardware_class,gross_j", *rows)), encoding="utf-8")
    found = read(file, None, Mapped({}, {"batch_size": "batch_size"}, "image", {"domain": "gpu", "quality": "counter"}))
    with Store.open(sqlite_url, create=True) as store:
        store.add_import(found, "")
        material = gathered(store, store.find_sweep())
    told = record.report_record(material)["across"]
    assert {(row["machine"], row["batch_size"]) for row in told if row["machine"]} == joules.keys()
    cells = [
        line for line in Page(html.page(sections.document(material)).text).rows if "lab1" in line or "lab2" in line
    ]
    for row in told[: len(joules)]:
        values = joules[row["machine"], row["batch_size"]]
        assert row["gross_j_per_unit_median"] == pytest.approx(median(values))
        assert row["gross_j_per_unit"] == pytest.approx(fmean(values))
        gross = positive(Interval(*(row[f"gross_j_per_unit{end}"] for end in ("", "_low", "_high"))))
        assert any({row["machine"], str(row["batch_size"]), gross} <= {*line} for line in cells)


@pytest.mark.parametrize(
    ("kind", "windows", "others"),
    [
        ("inference", "1 of at least 2 s and 1 batches", {"warmup", "latency", "latency max batches"}),
        ("layers", "of at least 2 s and 1 batches", {"warmup"}),
        ("serving", "1 of at least 2 s", {"warmup"}),
        ("training", "of at least 2 s", set()),
        ("tuning", "of at least 2 s", set()),
    ],
)
def test_a_setting_that_a_kind_does_not_heed_is_left_out(kind: str, windows: str, others: set[str]) -> None:
    told = dict(words.settings(new_job(0).spec.measure, kinds.get(kind).unheeded))
    assert told["measure windows"] == windows
    assert {"warmup", "latency", "latency max batches"} & set(told) == others


def test_a_report_needs_no_library_of_tests(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """They take seconds and 100 MB to import."""
    with batching(sqlite_url) as (store, sweep):
        for name in ("pandas", "statsmodels", "scikit_posthocs"):
            monkeypatch.setitem(sys.modules, name, None)
        (study,) = gathered(store, sweep).studies
    assert (len(study.analyses), study.untested) == (2, [])


# Power traces


def test_every_kind_of_window_has_its_colour() -> None:
    assert set(traces.COLOURS) == set(WindowKind)


def test_the_windows_of_a_trace_are_shaded_and_named(material: Material) -> None:
    (traced,) = material.traced
    (figure,) = traces.figures(traced)
    assert figure.name == f"CPU power during trial {traced.trial.trial}, rapl"
    shade, line, names = figure.spec["layer"]
    spans = {span["kind"]: (span["begin"], span["end"]) for span in shade["data"]["values"]}
    assert spans["measure"] == (3.0, 5.0)
    assert list(spans) == ["idle before", "context idle", "warmup", "measure", "idle after"]
    assert {span["name"] for span in names["data"]["values"]} >= {"measure", "warmup"}
    assert line["encoding"]["y"]["title"] == "W"
    assert line["mark"]["interpolate"] == "step-before"
    values = figure.spec["data"]["values"]
    assert [round(value["w"], 6) for value in values] == [30.0] * 24
    assert (values[0]["s"], values[1]["s"], values[-1]["s"]) == (0.0, pytest.approx(0.3), pytest.approx(6.9))


def test_a_long_trace_keeps_its_peaks() -> None:
    long = [(float(n), 500.0 if n == 777 else float(n % 3)) for n in range(10_000)]
    thin = traces.thin_out(long)
    assert len(thin) <= 600
    assert (777.0, 500.0) in thin
    assert thin == sorted(thin)
    assert traces.thin_out(long[:600]) == long[:600]


def test_the_trial_with_the_fewest_flags_is_traced_unless_one_is_asked_for(sqlite_url: str) -> None:
    with batching(sqlite_url) as (store, sweep):
        assert [t.trial.trial for t in gathered(store, sweep).traced] == [f"{sweep.id}-0.1"]
        asked_for = gathered(store, sweep, trials=[f"{sweep.id}-7.1", f"{sweep.id}-3"])
        assert [t.trial.trial for t in asked_for.traced] == [f"{sweep.id}-7.1", f"{sweep.id}-3.1"]
        with pytest.raises(InputError, match="no trial 'nobody'"):
            gathered(store, sweep, trials=["nobody"])
        other = sweep_record("ffff").model_copy(update={"name": "other"})
        store.submit(other, [])
        with pytest.raises(InputError, match=r"--trial: .* is of sweep batching, which this report is not about"):
            gathered(store, other, trials=[f"{sweep.id}-7.1"])


def test_a_meter_without_power_has_no_figure(material: Material) -> None:
    (traced,) = material.traced
    (trace,) = traced.traces
    silent = trace.model_copy(update={"energy_j": (None,) * len(trace.offset_s)})
    assert traces.figures(Traced(traced.trial, traced.windows, [silent])) == []


# What is not ours, not real, not measured, not sure


def test_simulated_and_modelled_joules_are_named_wherever_they_stand(sqlite_url: str) -> None:
    report = trial("any", 1.0, Quality.MODELLED)
    estimates = {"measurements": report.measurements, "traces": report.traces}
    with batching(sqlite_url, None, MODELS, simulated=True, **estimates) as (store, sweep):
        found = sections.document(gathered(store, sweep))
    alerts = [block.text for block in found.sections[0].blocks if isinstance(block, Alert)]
    assert alerts == [f"{words.SIMULATED} {words.MODELLED}"]
    energies = [figure for figure in found.figures if "nergy" in figure.name]
    powers = [figure for figure in found.figures if "power" in figure.name]
    assert len(energies) == 2
    assert len(powers) == 1
    assert all("SIMULATED" in figure.caption and "MODELLED" in figure.caption for figure in energies)
    assert "joules are not real" in powers[0].caption
    assert "MODELLED" in powers[0].caption
    assert "because energy is modelled here" in said(found)


def test_joules_of_different_kinds_never_share_a_chart(sqlite_url: str) -> None:
    with batching(sqlite_url) as (store, sweep):
        modelled = sweep_record("ffff").model_copy(update={"name": "estimates"})
        with batching(sqlite_url, modelled, measurements=trial("any", 1.0, Quality.MODELLED).measurements):
            found = sections.document(gathered(store, sweep, modelled))
    (across,) = [section for section in found.sections if section.id == "across"]
    drawn = [block for block in across.blocks if isinstance(block, Figure)]
    assert len(drawn) == 2
    assert [("MODELLED" in f.caption, len(f.spec["data"]["values"])) for f in drawn] in (
        [(False, 4), (True, 4)],
        [(True, 4), (False, 4)],
    )


def test_imported_measurements_are_called_so(sqlite_url: str, tmp_path: Path) -> None:
    file = tmp_path / "theirs.csv"
    file.write_text("Model,Energy,Time\nalexnet,10.0,2.0\nalexnet,11.0,2.5\nvgg11,20.0,2.0\nvgg11,22.0,2.0\n")
    mapped = Mapped(
        {"energy_j": "Energy", "duration_s": "Time"}, {"model": "Model"}, "image", {"machine": "a", "domain": "gpu"}
    )
    with Store.open(sqlite_url, create=True) as store:
        found = read(file, None, mapped)
        store.add_import(found, "anne")
        shown = sections.document(gathered(store, store.find_sweep()))
    told = said(shown)
    assert "> **Imported: measured elsewhere; this farm does not know how.**" in told
    assert "Imported from theirs.csv" in told
    assert "The sweep was imported with this map:" in told
    assert "farm run" not in told
    assert all("IMPORTED" in figure.caption for figure in shown.figures)
    assert len(shown.figures) == 1
    assert Page(html.page(shown).text).headings


def test_different_hardware_is_a_factor_of_the_tests(sqlite_url: str, tmp_path: Path) -> None:
    file = tmp_path / "lab.csv"
    rows = [
        f"{m},{h},{j * k + n / 100}" for m, j in (("a", 1), ("b", 5)) for h, k in (("x", 1), ("y", 3)) for n in (0, 1)
    ]
    file.write_text("\n".join(["model,machine,gross_j", *rows]))
    with Store.open(sqlite_url, create=True) as store:
        store.add_import(read(file, None, Mapped({}, {"model": "model"}, constants={"domain": "gpu"})), "anne")
        (study,) = gathered(store, store.find_sweep()).studies
    table = study.analyses[0].record["table"]
    assert [term["term"] for term in table] == ["machine", "model", "machine:model", "Residual"]
    assert not study.untested


def test_flags_have_a_row_each_with_what_was_seen(sqlite_url: str) -> None:
    notes = ("measure: other programs used 96% of a core", "idle_after: other programs used 7% of a core", "new: 3 s")
    with batching(sqlite_url, flags=(Flag.CONTAMINATED, Flag.BELOW_NOISE), notes=notes) as (store, sweep):
        found = sections.document(gathered(store, sweep))
    told = said(found)
    assert "12 of 12 trials are flagged (contaminated 12): they are shown, but not compared." in told
    assert "- Nothing is compared, because every trial is flagged." in told
    assert "| contaminated | 12 on lab1 | yes | other programs used 7 to 96% of a core |" in told
    assert f"| below_noise | 12 on lab1 | no | {words.FLAGS[Flag.BELOW_NOISE]} |" in told
    assert "12 of 12 trials are in doubt; 4 of 4 points have no other trial." in told
    assert "| new: 3 s | 12 |" in told
    assert "| measure: other" not in told
    assert "Not tested: batching: all trials are flagged" in told
    values = found.figures[0].spec["data"]["values"]
    assert [value["hollow"] for value in values] == [True] * 4


def test_flagged_trials_are_compared_if_asked_for(sqlite_url: str) -> None:
    with batching(sqlite_url, flags=(Flag.CONTAMINATED,)) as (store, sweep):
        data = load_report(store, [sweep])
        material = load_material(store, data, [], "sqlite:///farm.db", LATER, include_flagged=True)
    found = sections.document(material)
    told = said(found)
    assert "Batch 16 needs 74 to 75% less energy" in told
    assert "(contaminated 12): they are compared too, as `--include-flagged` asks." in told
    assert "Analysis of variance" in told
    assert "farm report abcdef012345 --include-flagged -o report.html" in told
    assert record.report_record(material)["include_flagged"] is True


def test_signs_of_flags_are_those_that_the_worker_notes() -> None:
    """The report tells notes from each other by their words, which stand in another room."""
    window = Window(kind=WindowKind.IDLE_BEFORE, begin_at_ns=0, end_at_ns=10**9, started_at_utc=LATER)
    glances = [
        Glance(at_ns=at_s * 10**9, cores=2, busy_s=at_s * 2.0, own_s=0.0, stolen_s=at_s * 1.0, waited_s=at_s * 1.0)
        for at_s in (0, 1)
    ]
    foreign = [replace(glance, gpu_pids=frozenset({7})) for glance in glances]
    noted = contaminations([window], foreign)
    assert len(noted) == 4
    assert all(words.SIGNS[Flag.CONTAMINATED].search(note) for note in noted)


def test_a_sweep_without_results_is_a_short_report(sqlite_url: str) -> None:
    with Store.open(sqlite_url, create=True) as store:
        store.submit(sweep_record(), [])
        found = sections.document(gathered(store, sweep_record()))
    told = said(found)
    assert "batching: kind inference, 0 points; 0 of 0 jobs measured." in told
    assert "Nothing is measured yet. `farm status abcdef012345`" in told
    assert found.figures == []
    assert Page(html.page(found).text).headings[0] == ("h1", "batching")


def test_a_sweep_that_failed_names_the_cause(sqlite_url: str) -> None:
    store, sweep = failed(sqlite_url)
    with store:
        found = sections.document(gathered(store, sweep))
    told = said(found)
    assert "0 of 1 job measured; 1 failed." in told
    assert "0 of 1 trial completed." in told
    assert "- The one job failed with oom: out of memory. `farm logs abcdef012345` shows more." in told
    (row,) = [line for line in told.splitlines() if line.startswith("| oom |")]
    assert row.startswith("| oom | out of memory | 1 | abcdef012345-0.1: ")


def test_no_text_of_a_user_becomes_markup(sqlite_url: str) -> None:
    named = sweep_record().model_copy(update={"name": f"evil{EVIL}", "text": f"name: {EVIL}\n"})
    models = (f"/models/{EVIL}", "vgg11")
    changes = {"notes": (EVIL,), "environment": {EVIL: EVIL}, "flags": (Flag.CONTAMINATED,)}
    with batching(sqlite_url, named, models, **changes) as (store, sweep):
        found = sections.document(gathered(store, sweep))
    shown = html.page(found).text
    page = Page(shown)
    assert not {tag for tag, _ in page.tags} & {"script", "img"}
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]
    assert EVIL in "".join(page.text)
    assert page.headings[0] == ("h1", f"evil{EVIL}")
    outside_code = "".join(markdown.report(found).split("```")[::2])
    assert "<script" not in outside_code.replace("\\<", "")


# Every kind of sweep


def kind_of(name: str) -> Material:
    searches = {"random": 0.0, "gp": 0.1}
    trials = {
        "training": [trained(f"{n}", 0.5, 0.7 + n / 100, point_dataset=d) for d in ("digits", "mnist") for n in (1, 2)],
        "tuning": [asked(s, seed, 0, 0.5, 0.6 + b) for s, b in searches.items() for seed in (1, 2)],
        "layers": [taken_apart(trial, PARTS, [1.0, 2.0, 0.8, 1.9, 0.1]) for trial in ("a", "b")],
    }[name]
    return gather([loaded(sweep_of(name, MEANING), *trials)], [], "sqlite:///farm.db", LATER)


@pytest.mark.parametrize(
    ("kind", "charts", "finding"),
    [
        (
            "training",
            [
                *("CPU energy per image of training", "Best accuracy against joules spent"),
                *("Accuracy over joules spent", "Loss over joules spent"),
            ],
            "accuracy 71.5",
        ),
        ("tuning", ["Best accuracy so far", "Accuracy against joules"], "gp against random: cannot tell"),
        ("layers", ["Shares of CPU energy by type of layer"], "Conv2d takes most, 96% of the energy of all layers"),
    ],
)
def test_each_kind_has_its_charts_words_and_tables(kind: str, charts: list[str], finding: str) -> None:
    found = kind_of(kind)
    document = sections.document(found)
    assert [figure.name for figure in document.figures] == charts
    assert finding in said(document)
    captions = [block.caption for block in blocks(document, Table) if isinstance(block, Table)]
    assert any(caption.startswith("Results of study") for caption in captions)


def test_a_search_is_drawn_as_it_went(sqlite_url: str) -> None:
    so_far, tried = (figure.spec["data"]["values"] for figure in sections.document(kind_of("tuning")).figures)
    assert [(v["j"], v["accuracy"]) for v in so_far if v["series"] == "gp"] == [pytest.approx((12.0, 70.0))]
    assert [(v["j"], v["accuracy"]) for v in tried if v["series"] == "gp"] == [pytest.approx((12.0, 70.0))] * 2


def test_more_series_than_colours_take_more_charts(sqlite_url: str) -> None:
    with batching(sqlite_url, models=tuple(f"net{n}" for n in range(9))) as (store, sweep):
        shown = view(load_results(store, sweep), Selection())
    names = [b.name for b in shown.blocks if isinstance(b, Figure) and "energy per image" in b.name]
    assert [name[-8:] for name in names] == ["(1 of 2)", "(2 of 2)"]


# The other forms


def test_json_has_every_number(material: Material) -> None:
    told = json.loads(json.dumps(record.report_record(material), default=str))
    (sweep,) = told["sweeps"]
    assert sweep["results"] == json.loads(json.dumps(material.studies[0].results.records()))
    assert [trial["trial"] for trial in sweep["trials"]] == [f"abcdef012345-{n}.1" for n in range(12)]
    assert sweep["measure"]["guard_s"] == 0.25
    assert sweep["text"] == YAML
    assert [one["method"] for one in sweep["statistics"]] == ["anova", "pairs"]
    assert told["traces"][0]["meters"][0]["energy_j"][10] == 30.0
    assert told["machines"][0]["probe"]["rapl_update_period_s"] == 0.001
    assert told["made_at_utc"] == LATER.isoformat()


@pytest.mark.parametrize(
    ("form", "output", "problem"),
    [
        (None, None, "a report is a file: add -o report.html, or --format md or json to print it"),
        ("html", None, "--format html needs a file: add -o report.html"),
        ("pdf", "r.pdf", "--format: expected html, md, json, got 'pdf'"),
        (None, "r.pdf", "r.pdf: expected a name that ends in .html, .md or .json, or --format"),
    ],
)
def test_a_form_that_cannot_be_is_refused(form: str | None, output: str | None, problem: str) -> None:
    with pytest.raises(InputError) as refused:
        command(form=form, output=Path(output) if output else None)
    assert str(refused.value) == problem


def test_the_command_reads_the_database_and_hides_its_password(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FARM_HOME", str(tmp_path))
    monkeypatch.setenv("FARM_DATABASE_URL", sqlite_url)
    with batching(sqlite_url):
        pass
    told = json.loads(command(["batching", "abcdef012345"], form="json").text)
    assert [sweep["name"] for sweep in told["sweeps"]] == ["batching"]
    assert command(form="md").text.startswith("# batching\n")
    with pytest.raises(InputError, match="no sweep 'nobody'"):
        command(["nobody"], form="md")


def test_charts_are_written_by_themselves(sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FARM_HOME", str(tmp_path))
    monkeypatch.setenv("FARM_DATABASE_URL", sqlite_url)
    with batching(sqlite_url):
        pass
    done = command(form="json", charts=tmp_path / "charts")
    assert done.notes == [f"wrote 4 charts to {tmp_path / 'charts'}"]
    written = sorted(path.name for path in (tmp_path / "charts").iterdir())
    assert written == sorted(f"figure-{n}.{form}" for n in range(1, 5) for form in ("svg", "png"))
    drawn = (tmp_path / "charts" / "figure-1.svg").read_text()
    assert "#0072B2" in drawn
    assert "var(" not in drawn
    assert "currentColor" not in drawn
    assert (tmp_path / "charts" / "figure-1.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(InputError, match="--charts: "):
        command(form="json", charts=tmp_path / "charts" / "figure-1.svg")


@pytest.mark.parametrize("library", ["vl_convert", "jinja2"])
def test_a_missing_library_names_the_remedy(document: Report, monkeypatch: pytest.MonkeyPatch, library: str) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(InputError, match=re.escape("pip install 'wattfarm[report]'")):
        html.page(document)
