"""Kind command: command lines, sweeps, and a program that runs, marks what it does, and fails in many ways."""

import os
import re
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote

import pytest

from farm import marks
from farm.kinds import get, parse_sweep
from farm.model import Point, WindowKind
from farm.model.commands import CommandLine, command_line, placeholders
from farm.model.errors import SweepError
from farm.spec import remaining
from tests.factories import TINY, job_spec
from workers.kinds.command.marks import MOST_NAMES, MOST_WINDOWS, Marked, MarksServer
from workers.kinds.command.workload import Command, ProgramFailed
from workers.trial import protocol
from workers.trial.stage import Line, Stage
from workers.trial.workload import InvalidWorkload

ROOT = Path(__file__).parents[2]

# Command lines


@pytest.mark.parametrize(
    ("template", "values", "words"),
    [
        ("python train.py --lr {lr}", {"lr": 0.1}, ("python", "train.py", "--lr", "0.1")),
        ("echo {text}", {"text": "a b; rm -r ~ $(x) 'q'"}, ("echo", "a b; rm -r ~ $(x) 'q'")),
        ("echo '{a} {b}'{c}", {"a": 1, "b": True, "c": None}, ("echo", "1 true")),
        ("echo {{a}} {{}}", {}, ("echo", "{a}", "{}")),
    ],
)
def test_values_are_words_and_nothing_more(template: str, values: Point, words: tuple[str, ...]) -> None:
    assert CommandLine.of(template, values, is_shell=False).words == words


def test_a_shell_gets_quoted_values() -> None:
    line = CommandLine.of("echo {text} | cat", {"text": "a; b"}, is_shell=True)
    assert line.words == ("echo 'a; b' | cat",)
    assert str(line) == "shell: echo 'a; b' | cat"


@pytest.mark.parametrize(
    ("template", "why"),
    [
        ("", "it is empty"),
        ("echo {", "a brace stands alone"),
        ("echo }", "a brace stands alone"),
        ("echo {0}", "{0} is no name"),
        ("echo {a.b}", "{a.b} is no name"),
        ("echo {a:>1000000000}", "{a} is no name"),
        ("echo 'a", "a quote has no end"),
        ("echo {b}", "{b} stands for no factor"),
    ],
)
def test_a_template_that_cannot_be_filled_says_why(template: str, why: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(why)}"):
        CommandLine.of(template, {"a": 1}, is_shell=False)


def test_placeholders_are_in_order_and_once() -> None:
    assert placeholders("run {b} {a} {b}") == ["b", "a"]


@pytest.mark.parametrize(
    ("line", "patterns", "is_allowed"),
    [
        (("python train.py --lr 1", False), ["python train.py*"], True),
        (("python train.py --lr 1", False), ["make *", "python train.py"], False),
        (("python train.py", False), ["*"], True),
        (("python train.py; rm x", True), ["*", "python*"], False),
        (("make x", True), ["shell: make *"], True),
        (("python x", False), [], False),
    ],
)
def test_patterns_allow_lines_and_shells_apart(line: tuple[str, bool], patterns: list[str], is_allowed: bool) -> None:
    assert CommandLine.of(line[0], {}, line[1]).is_allowed(patterns) == is_allowed


# Sweeps

SWEEP = """
name: mine
kind: command
workload:
  command: "train --lr {lr} --batch {batch_size}"
  lr: [0.1, 0.01]
  batch_size: [64, 256]
  env: {THREADS: ["1", "2"]}
"""


def test_further_keys_and_variables_are_factors(tmp_path: Path) -> None:
    sweep = parse_sweep(SWEEP + "exclude: {lr: 0.1, env_THREADS: '2'}\n", "s.yaml", tmp_path)
    points = list(remaining(sweep.workload, sweep.exclude))
    assert {(p["lr"], p["batch_size"], p["env_THREADS"]) for p in points} == {
        (lr, batch, threads)
        for lr in (0.1, 0.01)
        for batch in (64, 256)
        for threads in "12"
        if (lr, threads) != (0.1, "2")
    }
    assert str(command_line(points[0])) == "train --lr 0.1 --batch 64"
    assert {p["cwd"] for p in points} == {str(tmp_path)}


def test_a_point_needs_a_machine_that_allows_its_line(tmp_path: Path) -> None:
    sweep = parse_sweep(SWEEP, "s.yaml", tmp_path)
    (needed,) = get("command").requirements(next(iter(sweep.workload.combinations())))
    assert unquote(needed) == "worker.commands = train --lr 0.1 --batch 64"


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("{lr}", "{lrr}", "5:12: workload.command: {lrr} stands for no factor"),
        ("lr: [", "lt: [", "6:7: workload.lt: no placeholder of the command stands for it"),
        ("{lr}", "{", "5:12: workload.command: a brace stands alone"),
        ("batch_size: [", "machine: [", "7:12: workload.machine: trials have something else of that name"),
        ("0.01", "[1]", "6:13: workload.lr[1]: expected a text, a number, true or false, got a list"),
        ("THREADS:", "'A B':", "8:16: workload.env.'A B': expected a name of letters, digits and _"),
    ],
)
def test_a_mistake_has_its_place(old: str, new: str, problem: str, tmp_path: Path) -> None:
    with pytest.raises(SweepError) as caught:
        parse_sweep(SWEEP.replace(old, new, 1), "s.yaml", tmp_path)
    assert any(line.startswith(f"s.yaml:{problem}") for line in caught.value.problems), caught.value


# A run

SPEC = job_spec(kind="command", point={}, measure=TINY.model_copy(update={"guard_s": 0.0}))


def led(point: Point, allowed: tuple[str, ...] = ("*", "shell: *")) -> tuple[list[protocol.Event], Exception | None]:
    """What a trial sends while it runs a program, and the error that it ends with."""
    ours, theirs = socket.socketpair()
    stage = Stage(Line(theirs), protocol.Start(spec=SPEC, allow_commands=allowed), "cpu")
    errors: list[Exception] = []

    def run() -> None:
        workload = Command()
        with theirs:
            try:
                workload.setup(point, "cpu", 1)
                workload.run(stage)
            except (InvalidWorkload, ProgramFailed) as error:
                errors.append(error)
            finally:
                workload.close()

    thread = threading.Thread(target=run)
    thread.start()
    sent: list[protocol.Event] = []
    with ours:
        channel = protocol.Channel(ours)
        while True:
            try:
                lines = list(channel.feed())
            except EOFError:
                break
            for line in lines:
                sent.append(protocol.EVENT.validate_json(line))
                if isinstance(sent[-1], protocol.Edge):
                    channel.send(protocol.Go())
    thread.join(30)
    return sent, errors[0] if errors else None


def python(program: str, **more: str | int | bool) -> Point:
    return {"command": "{python} -c {program}", "python": sys.executable, "program": program, "cwd": str(ROOT), **more}


TRAIN = """
from farm import marks
for _ in range(2):
    with marks.window("train", unit="image") as window:
        window.units += 50
with marks.window("check"):
    pass
marks.metric("accuracy", 0.5)
marks.metric("accuracy", 0.75)
"""


def windows(sent: list[protocol.Event]) -> list[tuple[WindowKind, int, int | None]]:
    return [(e.window.kind, e.window.index, e.window.units) for e in sent if isinstance(e, protocol.Closed)]


def notes(sent: list[protocol.Event]) -> list[str]:
    return [e.note for e in sent if isinstance(e, protocol.Doubt)]


def test_a_program_marks_windows_units_and_metrics() -> None:
    sent, error = led(python(TRAIN, unit="image"))
    assert error is None
    assert windows(sent) == [
        (WindowKind.MARKED, 0, 50),
        (WindowKind.MARKED, 1, 50),
        (WindowKind.MARKED, 2, 0),
        (WindowKind.MEASURE, 0, 100),
    ]
    found = [e for e in sent if isinstance(e, protocol.Facts)][-1].workload
    assert found["parts"] == [
        {"kind": "marked", "name": "train", "unit": "image", "windows": [0, 1]},
        {"kind": "marked", "name": "check", "unit": "", "windows": [2]},
    ]
    assert (found["metrics"], found["exit_status"]) == ({"accuracy": 0.75}, 0)
    *inner, whole = [e.window for e in sent if isinstance(e, protocol.Closed)]
    edges = [at for window in inner for at in (window.begin_at_ns, window.end_at_ns)]
    assert edges == sorted(edges)
    assert whole.begin_at_ns <= edges[0]
    assert edges[-1] <= whole.end_at_ns


def test_a_shell_marks_over_its_descriptor() -> None:
    script = (
        "echo begin a >&$WATTFARM_MARKS_FD; read x <&$WATTFARM_MARKS_FD;"
        'echo end a 3 >&$WATTFARM_MARKS_FD; read y <&$WATTFARM_MARKS_FD; test "$x$y" = okok'
    )
    sent, error = led({"command": "bash -c {script}", "script": script, "cwd": "."})
    assert error is None
    assert windows(sent)[0] == (WindowKind.MARKED, 0, 3)


def test_the_warm_up_runs_first_and_its_marks_are_not_measured() -> None:
    sent, error = led(python(TRAIN, warmup_runs=2))
    assert error is None
    kinds = [*[WindowKind.WARMUP] * 2, *[WindowKind.MARKED] * 3, WindowKind.MEASURE]
    assert [kind for kind, *_ in windows(sent)] == kinds


@pytest.mark.parametrize(
    ("point", "why"),
    [
        (python("raise SystemExit(3)"), "the program ended with status 3"),
        (python("import os; os.kill(os.getpid(), 11)"), "the program ended with signal 11 (SIGSEGV)"),
        ({"command": "no-such-program", "cwd": "."}, "command: no-such-program: this machine has no such program"),
        ({"command": "true", "cwd": "/nowhere"}, "cwd: /nowhere: no such folder"),
        ({"command": "echo {x}", "cwd": "."}, "command: {x} stands for no factor"),
    ],
)
def test_what_goes_wrong_is_one_line(point: Point, why: str) -> None:
    _, error = led(point)
    assert str(error).startswith(why)
    assert "\n" not in str(error)


def test_a_line_that_no_pattern_allows_does_not_run(tmp_path: Path) -> None:
    sent, error = led({"command": "touch ran", "cwd": str(tmp_path)}, allowed=("python*",))
    assert "this worker may not run `touch ran`" in str(error)
    assert (sent, list(tmp_path.iterdir())) == ([], [])


def test_a_window_without_an_end_is_noted_and_the_run_counts() -> None:
    sent, error = led(python("from farm import marks; w = marks.window('a'); w.__enter__(); import os; os._exit(0)"))
    assert error is None
    assert windows(sent) == [(WindowKind.MEASURE, 0, 1)]
    assert notes(sent) == ["the window a was begun and never ended: it is not measured"]


def test_a_unit_that_nobody_counts_is_noted_and_unknown() -> None:
    sent, error = led(python("pass", unit="image"))
    assert error is None
    assert windows(sent) == [(WindowKind.MEASURE, 0, None)]
    assert any("counted no image" in note for note in notes(sent))


def test_children_die_with_the_program(tmp_path: Path) -> None:
    path = tmp_path / "pid"
    _, error = led(python(f"import subprocess as s; open('{path}', 'w').write(str(s.Popen(['sleep', '60']).pid))"))
    assert error is None
    state = Path(f"/proc/{path.read_text()}/stat")
    assert not state.exists() or state.read_text().rpartition(")")[2].split()[0] in "ZX"


# The protocol


@pytest.fixture
def marked() -> Marked:
    return Marked(None)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("", "expected begin"),
        ("begin", "expected begin"),
        ("begin a b c", "expected begin"),
        ("begin 1a", "expected a name"),
        (f"begin {'a' * 61}", "expected a name"),
        ("begin a\x1b", "expected a name"),
        ("end a", "a has not begun"),
        ("units -1", "expected a count"),
        ("units 1e3", "expected a count"),
        ("units ١", "expected a count"),
        (f"units {10**16}", "expected a count"),
        ("metric a nan", "expected a finite number"),
        ("metric a 1e999", "expected a finite number"),
        (f"metric a {'1' * 5000}", "expected a finite number"),
        ("\xff\xfe", "expected begin"),
    ],
)
def test_a_wrong_line_is_refused(line: str, why: str, marked: Marked) -> None:
    assert marked.answer(line.encode()).decode().startswith(f"error {why}")


def test_a_name_begins_once_and_keeps_its_unit(marked: Marked) -> None:
    assert marked.answer(b"begin a image") == b"ok\n"
    assert marked.answer(b"begin a image") == b"error a has begun already\n"
    assert marked.answer(b"end a 5") == b"ok\n"
    assert marked.answer(b"begin a token") == b"error the unit of a was image before\n"
    assert marked.units_of == {"image": 5}


def test_names_and_metrics_are_bounded(marked: Marked) -> None:
    for number in range(MOST_NAMES):
        assert marked.answer(f"begin n{number}".encode()) == marked.answer(f"metric n{number} 1".encode()) == b"ok\n"
    assert marked.answer(b"begin more").startswith(b"error a run has at most")
    assert marked.answer(b"metric more 1").startswith(b"error a run has at most")


def test_windows_beyond_the_limit_are_counted_and_noted() -> None:
    loop = f"for _ in range({MOST_WINDOWS + 5}):\n with marks.window('a', 'x') as w: w.units += 2"
    sent, error = led(python(f"from farm import marks\n{loop}", unit="x"))
    assert error is None
    assert windows(sent)[-1] == (WindowKind.MEASURE, 0, 2 * (MOST_WINDOWS + 5))
    assert len(windows(sent)) == MOST_WINDOWS + 1
    (note,) = notes(sent)
    assert note.startswith("5 windows a are not measured")


def served(program: Callable[[Path], None], folder: Path) -> Marked:
    """What a program, here a thread, has marked over the socket."""
    marked = Marked(None)
    server = MarksServer(marked, folder)
    ended, ends = os.pipe()

    def run() -> None:
        program(server.path)
        os.close(ends)

    thread = threading.Thread(target=run)
    thread.start()
    server.serve(ended, lambda: 60.0)
    thread.join(10)
    server.close()
    os.close(ended)
    return marked


def test_lines_may_come_in_pieces_and_a_line_without_an_end_is_cut_off(tmp_path: Path) -> None:
    def program(path: Path) -> None:
        with socket.socket(socket.AF_UNIX) as slow, socket.socket(socket.AF_UNIX) as endless:
            slow.connect(str(path))
            for piece in (b"uni", b"ts 3", b"\nunits 4\n"):
                slow.sendall(piece)
            assert slow.recv(3) == b"ok\n"
            endless.connect(str(path))
            endless.sendall(b"x" * 5000)
            assert endless.recv(10) == b""

    assert served(program, tmp_path).units == 7


def test_outside_of_a_trial_marks_do_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv(marks.SOCKET, raising=False)
    with marks.window("train") as window:
        window.units += 1
    marks.metric("accuracy", 1)
    marks.units(3)
    assert not marks.is_measured()
    assert capsys.readouterr() == ("", "")


def test_a_trial_that_is_gone_does_not_stop_the_program(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv(marks.SOCKET, str(tmp_path / "gone"))
    marks.units(3)
    assert "farm.marks: units 3: " in capsys.readouterr().err
