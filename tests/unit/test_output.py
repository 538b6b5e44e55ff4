"""What a trial prints: of much a little is kept, nobody waits for it, and no disk is needed."""

import os
import threading
import time

import pytest

from workers.supervisor import output
from workers.supervisor.output import HEAD_BYTES, TAIL_BYTES, Output


def printed(*texts: bytes) -> Output:
    with Output() as out:
        for text in texts:
            os.write(out.fileno(), text)
        out.finish()
        return out


def test_a_short_output_is_kept_whole() -> None:
    out = printed(b"one\n", b"two\n")
    assert (out.text, out.notes) == ("one\ntwo\n", ())
    assert printed().text == ""


def test_of_a_long_output_both_ends_are_kept_and_the_rest_is_counted() -> None:
    out = printed(*(b"%09d\n" % number for number in range(200_000)))
    head, between, tail = out.text.partition("\n[1,995,000 bytes of output are left out here]\n")
    assert between
    assert (len(head), len(tail)) == (HEAD_BYTES, TAIL_BYTES)
    assert head.startswith("000000000\n000000001\n")
    assert tail.endswith("000199998\n000199999\n")
    (note,) = out.notes
    assert "2 MB" in note


def test_output_that_fits_to_the_byte_leaves_nothing_out() -> None:
    whole = bytes(65 + n % 26 for n in range(HEAD_BYTES + TAIL_BYTES))
    assert printed(whole).text == whole.decode()
    assert "[1 bytes of output" in printed(whole, b"!").text


def test_a_process_that_still_holds_the_pipe_delays_nobody() -> None:
    with Output() as out:
        held = os.dup(out.fileno())
        os.write(held, b"here")
        out.finish()
        out.finish()
        assert out.text == "here"
        os.write(held, b"too late")  # nobody reads it, and nobody waits for that
        assert out.text == "here"
    with pytest.raises(BrokenPipeError):
        os.write(held, b"much too late")
    os.close(held)


def test_nothing_stays_open_and_no_thread_is_left() -> None:
    before = set(os.listdir("/dev/fd")), threading.active_count()  # noqa: PTH208 - names alone
    for _ in range(20):
        printed(b"x")
    assert (set(os.listdir("/dev/fd")), threading.active_count()) == before  # noqa: PTH208


def test_lines_that_come_one_by_one_wake_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[int] = []
    take = Output._take

    def count(self: Output) -> int:
        reads.append(take(self))
        return reads[-1]

    monkeypatch.setattr(Output, "_take", count)
    monkeypatch.setattr(output, "PAUSE_S", 60.0)
    with Output() as out:
        for number in range(100):
            os.write(out.fileno(), b"%d\n" % number)
            time.sleep(0.001)
        out.finish()
        assert out.text.endswith("98\n99\n")
    assert len(reads) <= 2
