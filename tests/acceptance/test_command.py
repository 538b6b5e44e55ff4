"""Kind command and `farm measure`, as a person uses them."""

import pytest

from tests.acceptance.person import Done, Person, ended

pytestmark = pytest.mark.slow
MARKED = (
    "echo begin a step >&$WATTFARM_MARKS_FD; read x <&$WATTFARM_MARKS_FD; sleep 0.2;"
    "echo end a 7 >&$WATTFARM_MARKS_FD; read y <&$WATTFARM_MARKS_FD"
)
SWEEP = f"""
name: marked
kind: command
workload:
  command: "bash -c {{script}} {{word}}"
  script: "{MARKED}"
  word: [one, two]
  unit: step
measure: {{profile: quick, idle_s: 0.3}}
repetitions: 1
"""


def measured(person: Person, *arguments: str) -> Done:
    """In a process of its own, since the command writes to its descriptors."""
    with person.starts("measure", *arguments) as process:
        return ended(process)


def test_a_command_is_measured_and_its_output_passes_through(person: Person) -> None:
    done = measured(person, "--name", "mine", "--", "sh", "-c", "echo hello; sleep 0.3")
    assert done.status == 0
    assert done.out.startswith("hello\n")
    assert "mine: 1 run, 0.3" in done.out
    (row,) = person.runs("results", "mine", "--json", "--include-flagged").json
    assert (row["trials"], row["unit"]) == (1, "run")
    assert row["gross_j_per_unit"] > 0


def test_the_exit_status_is_that_of_the_command(person: Person) -> None:
    done = measured(person, "--", "sh", "-c", "echo broken >&2; exit 3")
    assert done.status == 3
    assert "broken" in done.err


def test_a_sweep_of_commands_counts_what_they_mark(person: Person) -> None:
    (person.folder / "marked.yaml").write_text(SWEEP)
    done = person.runs("run", "marked.yaml")
    assert done.status == 0
    rows = person.runs("results", "marked", "--json", "--include-flagged").json
    assert {(row["word"], row["unit"]) for row in rows if not row.get("window")} == {("one", "step"), ("two", "step")}
    assert {(row["word"], row["window"]) for row in rows if row.get("window")} == {("one", "a"), ("two", "a")}
    (person.folder / "report.html").unlink(missing_ok=True)
    assert person.runs("report", "marked", "-o", "report.html").status == 0


def test_a_program_that_does_not_exist_is_one_line(person: Person) -> None:
    done = measured(person, "--", "no-such-program")
    assert done.status != 0
    assert "no-such-program: this machine has no such program" in done.err
