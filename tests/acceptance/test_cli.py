"""Every command but `farm run`, as a person or a script meets it."""

import csv
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from farm.cli.usage import INSTEAD
from farm.kinds.ready_made import described, names
from tests.acceptance.person import TINY, Done, Person, ended
from tests.golden import assert_golden
from tests.summaries import widest

COMMANDS = (
    "run", "measure", "submit", "status", "watch", "cancel", "retry", "results", "export", "machines", "doctor",
    "serve", "worker", "db", "db upgrade", "db check", "schema", "init", "analyze", "compare", "response", "recommend",
    "timeline", "logs", "pause", "resume", "drain", "across", "import", "query", "report", "reproduce", "simulate",
    "models", "datasets",
    "list", "rename", "rm", "diff",
)  # fmt: skip
NO_ONE_LISTENS = "127.0.0.1:1"


def is_refused(done: Done, message: str, status: int = 2) -> bool:
    """One clear line, nothing else."""
    assert (done.status, done.out) == (status, "")
    assert done.complaint.startswith("farm: ")
    return message in done.complaint


# Help


def test_help_lists_every_command_in_80_columns(person: Person) -> None:
    done = person.runs("--help")
    listed = re.findall(r"^  ([a-z]+) {2,}\S", done.out, re.MULTILINE)
    assert done.status == 0
    assert set(listed) == {command.split()[0] for command in COMMANDS}
    assert widest(done.out) <= 80
    assert "..." not in done.out.partition("Commands:")[2]


@pytest.mark.parametrize(("name", "arguments"), [("help.txt", ["--help"]), ("help-run.txt", ["run", "--help"])])
def test_help_reads_as_written(person: Person, name: str, arguments: list[str]) -> None:
    assert_golden(name, person.runs(*arguments, COLUMNS="80").out)


def test_a_process_of_its_own_prints_the_same(person: Person) -> None:
    with person.starts("--help") as process:
        assert ended(process) == person.runs("--help")


def test_each_command_has_help(person: Person) -> None:
    for command in COMMANDS:
        done = person.runs(*command.split(), "-h")
        assert done.status == 0
        assert done.out.startswith(f"Usage: farm {command} ")
        assert widest(done.out) <= 80


def test_the_version_is_reported(person: Person) -> None:
    assert re.fullmatch(r"wattfarm \d+\.\d+\.\d+\n", person.runs("--version").out)


def test_farm_alone_says_on_one_screen_how_to_begin(person: Person) -> None:
    done = person.runs()
    assert done.status == 0
    assert len(done.out.splitlines()) <= 24
    assert widest(done.out) <= 80
    assert "farm init quickstart" in done.out
    groups = done.out.partition("Run:")[2].partition("`farm --help`")[0]
    assert {command.split()[0] for command in COMMANDS} <= set(re.findall(r"[a-z]+", groups))


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["runn"], "no command 'runn': did you mean `farm run`?"),
        (["plot"], "no command 'plot': did you mean `farm report`?"),
        (["ls"], "no command 'ls': did you mean `farm list`?"),
        (["zzzz"], "no command 'zzzz': `farm --help` lists all"),
        (["run"], "run: missing argument 'SWEEP.yaml' (`farm run --help` lists what it takes)"),
        (["results", "--bye", "model"], "results: no option --bye: did you mean --by or --budget?"),
        (["cancel"], "cancel: missing argument 'SWEEP'"),
        (["worker", "--many"], "worker: no option --many"),
        (["db", "chek"], "db: no such command 'chek'"),
        (["query", "--limit", "x"], "query: invalid value for '--limit': Input should be a valid integer (`farm"),
        (["analyze", "anova", "--margin", "5x"], "'--margin': expected a share such as 5% or 0.05, got '5x'"),
    ],
)
def test_a_wrong_usage_is_one_line_that_says_what_is_right(
    person: Person, arguments: list[str], complaint: str
) -> None:
    assert is_refused(person.runs(*arguments), complaint)


def test_each_word_of_other_programs_leads_to_a_command() -> None:
    known = {command.split()[0] for command in COMMANDS} | {"--version", "--help"}
    assert {line.split()[0] for line in INSTEAD.values()} <= known
    assert known.isdisjoint(INSTEAD)


# Submitting


def test_a_dry_run_shows_the_plan_and_submits_nothing(person: Person) -> None:
    sweep = person.writes("plan", TINY, repetitions="3")
    done = person.runs("submit", sweep, "--dry-run")
    assert done.status == 0
    assert "6 = 2 points x 3 repetitions" in done.out
    assert "Nothing was submitted." in done.out
    held = person.runs("submit", sweep, "--dry-run", "--when", "carbon < 200")
    assert "would be held until carbon < 200 g/kWh, at the latest until" in held.err
    plan = person.runs("submit", sweep, "--dry-run", "--json").json
    assert (plan["jobs"], plan["points"], plan["blocks"], plan["targets"]) == (6, 2, 3, {"any": 6})
    assert plan["expected_duration_s"] > 0
    assert "no sweep was submitted yet" in person.runs("status").out


def test_a_sweep_is_submitted_once_cancelled_and_taken_up_again(person: Person) -> None:
    sweep = person.writes("tiny", TINY)
    first = person.runs("submit", sweep)
    assert first.status == 0
    assert re.match(r"submitted tiny \(\w+\): 2 jobs queued\n`farm watch \w+` follows them\n", first.out)
    again = person.runs("submit", sweep, "--json").json
    assert (again["jobs"], again["added"]) == (2, 0)
    assert "2 queued" in person.runs("status", "tiny").out
    assert "2 waiting jobs cancelled" in person.runs("cancel", "tiny").out
    assert person.runs("cancel", "tiny", "--json").json == {"sweep": again["sweep"], "queued": 0, "running": 0}
    (status,) = person.runs("status", "--json").json
    assert (status["cancelled"], status["queued"]) == (2, 0)
    assert person.runs("watch", "tiny").out == "tiny: 0/2 done, 2 cancelled\n"
    assert person.runs("retry", "tiny", "--json").json["queued"] == 0
    assert person.runs("submit", sweep, "--json").json["added"] == 2


def test_sweeps_are_listed_renamed_compared_and_deleted(person: Person) -> None:
    first = person.runs("submit", person.writes("tiny", TINY), "--json").json["sweep"]
    second = person.runs("submit", person.writes("tiny", TINY, repetitions="2"), "--json").json["sweep"]
    listed = person.runs("list")
    assert widest(listed.out) <= 80
    assert listed.out.index(second) < listed.out.index(first)
    differ = person.runs("diff", first, second, "--json").json["settings"]
    assert differ == [{"name": f"repetitions.{end}", "values": [[1], [2]]} for end in ("min", "max")]
    assert "has no trial yet" in person.runs("diff", first, second).out
    assert person.runs("rename", "tiny", "small", "--json").json == {"sweeps": [second, first], "name": "small"}
    assert is_refused(person.runs("rename", "small", "a b"), "NEW: expected at most 60 letters")
    assert is_refused(person.runs("rm", "small"), "Without a terminal nobody can answer: add --yes")
    assert person.runs("rm", first, "--yes").status == 2
    person.runs("cancel", second)
    assert person.runs("retry", "small", "--json").json == {"sweep": first, "queued": 0}
    assert person.runs("retry", "small", "--cancelled", "--json").json == {"sweep": second, "queued": 4}
    assert person.runs("cancel", "small", "--json").json == {"sweep": second, "queued": 6, "running": 0}
    assert person.runs("rm", "small", "--yes", "--json").json == {"sweeps": [second, first], "jobs": 6, "trials": 0}
    assert person.runs("list", "--json").json == []


def test_a_sweep_for_a_machine_that_nobody_knows_is_queued_with_a_warning(person: Person) -> None:
    done = person.runs("submit", person.writes("there", TINY, targets="[lab9]"))
    assert done.status == 0
    assert done.complaint.startswith("farm: note: no machine 'lab9' is registered")


# Reading


def test_status_shows_how_sweeps_stand(measured: Person) -> None:
    done = measured.runs("status")
    assert (done.status, widest(done.out) <= 80) == (0, True)
    assert "2 done" in done.out
    (status,) = measured.runs("status", "tiny", "--json").json
    assert (status["name"], status["done"], status["failed"], status["time_left_s"]) == ("tiny", 2, 0, None)
    assert measured.runs("status", status["sweep"][:6], "--json").json[0]["sweep"] == status["sweep"]


def test_watching_what_is_over_reports_it(measured: Person) -> None:
    done = measured.runs("watch")
    assert (done.status, done.out) == (0, "tiny: 2/2 done\n")


def test_results_are_printed_as_the_run_printed_them(measured: Person, first_run: Done) -> None:
    assert measured.runs("results").out == first_run.out


def test_results_are_grouped_and_chosen(measured: Person) -> None:
    every = ("results", "--include-flagged")
    by_machine = measured.runs(*every, "--by", "machine,model", "--json").json
    assert [(row["machine"], row["model"], row["trials"]) for row in by_machine] == [("lab1", TINY["model"], 2)]
    chosen = measured.runs("results", "tiny", "--where", "batch_size=2", "--json").json
    assert [row["batch_size"] for row in chosen] == [2]
    assert "mean over batch_size 1 2" in measured.runs(*every, "--by", "model").out
    assert measured.runs("results", "--domain", "wall", "--json").json[0]["gross_j_per_unit"] is None


def test_results_are_what_they_should_be(measured: Person) -> None:
    for row in measured.runs("results", "--json").json:
        assert (row["quality"] is not None, row["simulated"], row["published_top1_percent"]) == (True, False, 60.552)
        assert 0 < row["p50_s"] <= row["p95_s"] <= row["p99_s"]
        assert row["units_per_s"] > 0
        assert (row["net_j_per_unit_low"], row["net_j_per_unit_high"]) == (None, None), "one trial has no interval"
        assert row["net_j_per_unit_meter"] > 0
        assert row["net_j_per_unit"] <= row["gross_j_per_unit"] * 2
        assert row["carbon_g_per_unit"] > 0


@pytest.mark.parametrize("form", ["csv", "json", "parquet"])
def test_results_go_to_files(measured: Person, tmp_path: Path, form: str) -> None:
    path = tmp_path / f"out.{form}"
    done = measured.runs("results", "-o", str(path))
    assert (done.status, done.out, done.err) == (0, "", f"wrote 2 rows to {path}\n")
    if form == "parquet":
        rows = pq.read_table(path).to_pylist()
    else:
        rows = json.loads(path.read_text()) if form == "json" else list(csv.DictReader(path.read_text().splitlines()))
    assert [str(row["batch_size"]) for row in rows] == ["1", "2"]


def test_a_table_goes_to_a_file_too(measured: Person, first_run: Done, tmp_path: Path) -> None:
    assert measured.runs("results", "-o", str(tmp_path / "out.txt")).status == 0
    assert (tmp_path / "out.txt").read_text() == first_run.out


def test_an_export_has_a_row_per_window_and_domain(measured: Person) -> None:
    rows = list(csv.DictReader(measured.runs("export").out.splitlines()))
    contract = (
        "sweep job trial attempt machine hardware_class environment kind model batch_size precision device weights "
        "images channels_last compile threads repetition window window_index begin_at_ns end_at_ns started_at_utc "
        "duration_s units domain quality source gross_j baseline_w net_j net_j_low net_j_high mean_w temperature_c "
        "flags simulated imported"
    )
    assert list(rows[0])[: len(contract.split())] == contract.split()
    windows = {"idle_before", "setup", "context_idle", "warmup", "measure", "latency", "idle_after"}
    assert {row["window"] for row in rows} == windows
    assert len({(row["trial"], row["window"], row["window_index"], row["domain"]) for row in rows}) == len(rows)
    for row in rows:
        length_s = (int(row["end_at_ns"]) - int(row["begin_at_ns"])) / 1e9
        assert float(row["duration_s"]) == pytest.approx(length_s)
        assert (row["machine"], row["kind"], row["simulated"]) == ("lab1", "inference", "False")


def test_an_export_is_the_same_in_every_format(measured: Person, tmp_path: Path) -> None:
    as_json = measured.runs("export", "tiny", "--format", "json").json
    assert measured.runs("export", "-o", str(tmp_path / "out.parquet")).status == 0
    assert pq.read_table(tmp_path / "out.parquet").to_pylist() == as_json
    as_csv = list(csv.DictReader(measured.runs("export").out.splitlines()))
    assert [{k: "" if v is None else str(v) for k, v in row.items()} for row in as_json] == as_csv


def test_a_query_goes_to_a_file_with_formulas_made_neutral_unless_they_are_wanted_raw(
    measured: Person, tmp_path: Path
) -> None:
    query, path = (
        ["query", "select '=1+1' as a, 2 as b union all select 'x', 3", "-o", str(tmp_path / "out.csv")],
        tmp_path,
    )
    assert measured.runs(*query).err == f"wrote 2 rows to {path / 'out.csv'}\n"
    assert (path / "out.csv").read_text() == "a,b\n'=1+1,2\nx,3\n"
    assert measured.runs(*query, "--raw").status == 0
    assert (path / "out.csv").read_text() == "a,b\n=1+1,2\nx,3\n"
    assert "only the first 1 rows: --limit 10 gives more" in measured.runs(*query, "--limit", "1").err
    assert (path / "out.csv").read_text() == "a,b\n'=1+1,2\n"
    failed = measured.runs("query", "select instr(hex(zeroblob(9000000)), 'x')", "-o", str(path / "none.parquet"))
    assert (failed.status, failed.err) == (2, "farm: the query makes a value of more than 16 MiB: ask for less\n")
    assert measured.runs(*query[:2], "--format", "csv").out == "a,b\n'=1+1,2\nx,3\n"
    assert measured.runs("results", "--raw", "--json").complaint.startswith("farm: --raw is for CSV: add --format csv")
    assert [name.name for name in path.iterdir()] == ["out.csv"]


def test_a_reader_that_leaves_early_is_no_error(measured: Person) -> None:
    head = f"{sys.executable} -m farm export | head -n 1"
    env = {**os.environ, "FARM_HOME": str(measured.home)}
    done = subprocess.run(["sh", "-c", head], env=env, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("sweep,job,trial,")
    assert done.stderr == ""


def test_machines_are_listed_and_shown(measured: Person) -> None:
    listed = measured.runs("machines")
    assert (listed.status, "lab1" in listed.out, widest(listed.out) <= 80) == (0, True, True)
    (machine,) = measured.runs("machines", "--json").json
    assert (machine["name"], machine["simulated"], machine["running_job"]) == ("lab1", False, None)
    shown = measured.runs("machines", "lab1")
    assert f"cpu threads              {machine['hardware']['cpu']['threads']}".split() in [
        line.split() for line in shown.out.splitlines()
    ]


def test_response_times_are_simulated_from_what_was_measured(measured: Person) -> None:
    asked = ("response", "tiny", "--rate", "2/s", "--rate", "30/min", "--requests", "500", "--include-flagged")
    done = measured.runs(*asked)
    assert (done.status, widest(done.out) <= 80, "simulated response times" in done.out) == (0, True, True)
    records = measured.runs(*asked, "--json").json
    assert {(r["rate_per_s"], r["policy"]) for r in records} == {
        (rate, policy) for rate in (2.0, 0.5) for policy in ("greedy:1", "greedy:2", "fixed:2")
    }
    assert records == measured.runs(*asked, "--json").json


def test_a_report_is_one_file(measured: Person) -> None:
    done = measured.runs("report", "tiny", "-o", "report.html")
    assert (done.status, done.out, done.complaint) == (0, "", "wrote report.html")
    page = (measured.folder / "report.html").read_text()
    assert page.startswith("<!DOCTYPE html>")
    assert page.count("<svg") == page.count("<figcaption>") > 0
    assert measured.runs("report", "tiny", "--format", "json").json["sweeps"][0]["name"] == "tiny"
    assert is_refused(measured.runs("report", "tiny"), "add -o report.html")


def test_a_network_and_a_policy_are_recommended(measured: Person) -> None:
    asked = ("recommend", "tiny", "--slo", "p99=60min", "--rate", "1/h", "--requests", "500", "--include-flagged")
    done = measured.runs(*asked)
    assert (done.status, widest(done.out) <= 80) == (0, True)
    assert done.out.startswith("• 1 requests/h on machine lab1, device cpu, within p99 ≤ 3600 s:")
    (advice,) = measured.runs(*asked, "--json").json["advice"]
    assert advice["best"]["response_p99_s"] < 3600
    assert advice["best"]["gross_j_per_request"] > 0


# Wrong input


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["status", "tny"], "no sweep 'tny': did you mean tiny?"),
        (["results", "nothing"], "no sweep 'nothing'"),
        (["results", "--by", "modl"], "no factor 'modl' in this sweep (did you mean 'model'?): there are model, "),
        (["results", "--where", "model=vgg11"], "no trial has model=vgg11: there are shufflenet_v2_x0_5"),
        (["results", "--where", "model"], "--where: expected NAME=VALUE"),
        (["results", "--domain", "tpu"], "--domain: expected gpu, cpu, dram, wall, got 'tpu'"),
        (["results", "--format", "xml"], "--format: expected table, csv, json, parquet, got 'xml'"),
        (["results", "--format", "parquet"], "--format parquet needs a file: add -o FILE"),
        (["results", "-o", "/proc/x/out.csv"], "/proc/x/out.csv: cannot be written: No such file or directory"),
        (["export", "--format", "table"], "--format: expected csv, json, parquet, got 'table'"),
        (["machines", "lab9"], "no machine 'lab9': there are lab1"),
        (["run", "missing.yaml"], "missing.yaml: cannot be read: No such file or directory"),
        (["response"], "--rate: expected requests per time such as --rate 16/s, for poisson arrivals"),
        (
            ["response", "--rate", "1/s", "--policy", "fixed:3", "--include-flagged"],
            "fixed:3: the largest batch that was measured is 2",
        ),
        (["response", "--arrivals", "x.txt"], "arrivals: expected poisson, constant or a file, got x.txt: No such"),
        (["recommend", "--rate", "1/s"], "--slo: expected at least one limit such as --slo p99=50ms"),
        (["recommend", "--slo", "p99=1s", "--rate", "1"], "--rate: expected requests per time above 0 such as 16/s"),
        (["init", "slowstart"], "no ready-made sweep 'slowstart': there are "),
    ],
)
def test_wrong_input_is_one_clear_line(measured: Person, arguments: list[str], message: str) -> None:
    assert is_refused(measured.runs(*arguments), message)


def test_every_mistake_in_a_sweep_is_reported_with_its_place(person: Person) -> None:
    text = "name: x\nkind: inference\nworkload:\n  model: [alexnt]\n  batch_size: [1, abc]\nrepetitons: 2\n"
    for command in ("run", "submit"):
        done = person.runs(command, person.writes_text("bad.yaml", text))
        first, second, third = done.err.splitlines()
        assert done.status == 2
        assert re.match(r"farm: bad\.yaml:4:\d+: workload\.model.*'alexnt'.*alexnet", first)
        assert re.match(r"farm: bad\.yaml:5:\d+: workload\.batch_size.*expected a positive integer, got 'abc'", second)
        assert re.match(r"farm: bad\.yaml:6:1: repetitons: .*repetitions", third)


@pytest.mark.parametrize("content", [b"name: [", b"\xff\xfe\x00", b"", b"- 1\n", b"\t"])
def test_what_is_no_sweep_is_refused(person: Person, content: bytes) -> None:
    (person.folder / "bad.yaml").write_bytes(content)
    done = person.runs("run", "bad.yaml")
    assert (done.status, done.out) == (2, "")
    assert all(line.startswith("farm: bad.yaml") for line in done.err.splitlines())
    assert done.err


def test_debug_shows_where_an_error_comes_from(person: Person) -> None:
    command = [sys.executable, "-m", "farm", "run", "missing.yaml", "--debug"]
    done = subprocess.run(command, cwd=person.folder, capture_output=True, text=True, check=False)
    assert done.stderr.startswith("Traceback (most recent call last):")
    assert done.stderr.splitlines()[-1].startswith("farm: missing.yaml: cannot be read")
    assert done.returncode == 2


@pytest.mark.parametrize(
    ("name", "value"),
    [("LEASE_S", "abc"), ("LEASE_S", "-1"), ("DATABASE_URL", "nonsense"), ("DATABASE_URL", "mysql://x/y")],
)
def test_a_wrong_setting_is_named(person: Person, name: str, value: str) -> None:
    done = person.runs("status", **{f"FARM_{name}": value})
    assert is_refused(done, f"FARM_{name}: ")


def test_a_wrong_settings_file_is_named(person: Person) -> None:
    person.home.mkdir()
    (person.home / "farm.toml").write_text("lease_s = [")
    assert is_refused(person.runs("status"), f"{person.home}/farm.toml: ")
    (person.home / "farm.toml").write_text('database_url = "nonsense"')
    assert is_refused(person.runs("status"), f"database_url in {person.home}/farm.toml: expected postgresql://")
    assert is_refused(person.runs("status", FARM_BROKER_ULR="x"), "FARM_BROKER_ULR: no such setting (did you mean")


# Services out of reach


@pytest.mark.slow
def test_a_broker_out_of_reach_loses_no_job(person: Person) -> None:
    sweep = person.writes("tiny", TINY)
    broker = {"FARM_BROKER_URL": f"redis://:secret@{NO_ONE_LISTENS}/0"}
    done = person.runs("submit", sweep, **broker)
    assert is_refused(done, f"broker redis://:***@{NO_ONE_LISTENS}/0: ", status=3)
    assert "The jobs are stored" in done.err
    assert person.runs("status", "--json").json[0]["queued"] == 2
    assert person.runs("doctor", **broker).status == 3


@pytest.mark.parametrize("command", ["status", "run", "db upgrade", "db check", "serve", "worker"])
def test_a_database_out_of_reach_is_reported(person: Person, command: str) -> None:
    arguments = [*command.split(), *([person.writes("tiny", TINY)] if command == "run" else [])]
    done = person.runs(*arguments, FARM_DATABASE_URL=f"postgresql://farm:secret@{NO_ONE_LISTENS}/farm")
    assert is_refused(done, "PostgreSQL at 127.0.0.1:1", status=3)
    assert "secret" not in done.err


@pytest.mark.slow
def test_a_home_that_cannot_be_written_is_reported(person: Person) -> None:
    sweep = person.writes("tiny", TINY)
    below_a_file = str(person.folder / sweep / "home")
    for home, arguments in (("/sys/wattfarm", ["run", sweep]), (below_a_file, ["submit", sweep])):
        assert is_refused(person.runs(*arguments, FARM_HOME=home), f"{home}/farm.db: cannot make its folder", 3)
    assert person.runs("doctor", FARM_HOME="/sys/wattfarm").status == 3


def test_a_file_that_is_no_database_is_left_alone(person: Person) -> None:
    person.home.mkdir()
    (person.home / "farm.db").write_text("my thesis\n" * 100)
    for arguments in (["run", person.writes("tiny", TINY)], ["status"], ["db", "upgrade"]):
        assert is_refused(person.runs(*arguments), "this file is not a database", status=3)
    assert (person.home / "farm.db").read_text() == "my thesis\n" * 100


def test_a_full_disk_is_reported(person: Person) -> None:
    """A limit on the size of files stands in for it."""
    command = ["sh", "-c", 'ulimit -f 20; exec "$@"', "sh", sys.executable, "-m", "farm", "status"]
    env = {**os.environ, "FARM_HOME": str(person.home)}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert is_refused(Done(done.returncode, done.stdout, done.stderr), "farm.db: the disk ", status=3)


# The rest


@pytest.mark.slow
def test_the_doctor_examines_services_and_machine(person: Person) -> None:
    done = person.runs("doctor")
    found = {check["name"]: check for check in person.runs("doctor", "--json").json}
    assert done.status == 0
    assert widest(done.out) <= 80
    assert {"wattfarm", "broker", "database", "machine", "versions", "free", "quiet"} <= set(found)
    assert {found[name]["state"] for name in ("wattfarm", "broker", "database", "free")} == {"ok"}
    assert any(name.endswith(" joules") for name in found)
    assert found["machine"]["detail"].startswith("lab1, class ")


def test_the_schema_is_json(person: Person) -> None:
    schema = person.runs("schema").json
    sweeps = [schema["$defs"][ref["$ref"].rpartition("/")[2]]["properties"] for ref in schema["oneOf"]]
    kinds = ["command", "inference", "layers", "serving", "training", "tuning"]
    assert [fields["kind"]["const"] for fields in sweeps] == kinds
    for fields in sweeps:
        assert {"name", "kind", "workload", "measure", "repetitions", "targets"} <= set(fields)


def test_init_alone_says_what_may_be_copied(person: Person) -> None:
    done = person.runs("init")
    assert (done.status, widest(done.out) <= 80) == (0, True)
    listed = re.findall(r"^([a-z-]+) {2,}\S", done.out, re.MULTILINE)
    assert listed == names()
    assert all(described().values())
    assert "`farm init NAME` copies one" in done.out


@pytest.mark.slow
def test_a_ready_made_sweep_is_copied_once_and_can_be_planned(person: Person) -> None:
    assert person.runs("init", "list").out.split() == names()
    for name in names():
        assert f"wrote {name}.yaml: edit it, then `farm run {name}.yaml`" in person.runs("init", name).out
        assert person.runs("submit", f"{name}.yaml", "--dry-run", "--json").json["jobs"] > 0
        assert is_refused(person.runs("init", name), f"{name}.yaml exists already")


def test_the_database_is_made_and_checked(person: Person) -> None:
    database = {"FARM_DATABASE_URL": f"sqlite:///{person.folder / 'own.db'}"}
    assert is_refused(person.runs("db", "check", **database), "run `farm db upgrade`", status=3)
    assert "upgraded, it was empty" in person.runs("db", "upgrade", **database).out
    assert "was up to date" in person.runs("db", "upgrade", **database).out
    assert person.runs("db", "check", **database).out.endswith("own.db: reachable, fits this program\n")
