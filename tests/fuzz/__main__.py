"""Fuzz: `python -m tests.fuzz --inputs 100000 --seed SEED`. It ends with a table, and with 1 where something failed.

Each chunk of inputs runs in a process of its own, so that memory, open files and a process that the system has to end
concern no other chunk. A failing input is made smaller and kept in `cases/TARGET/`.
"""

import argparse
import hashlib
import json
import logging
import os
import shutil
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from io import TextIOWrapper
from pathlib import Path
from secrets import token_hex
from time import monotonic

from tests.fuzz.guard import Outcome, check, limit_process
from tests.fuzz.inputs import Chunk, chunks
from tests.fuzz.smaller import smaller
from tests.fuzz.targets import TARGETS, Target

CASES = Path(__file__).parent / "cases"
#: A larger input is not kept: its seed and chunk make it again.
_MOST_CASE_BYTES = 64 * 1024


@dataclass
class Tally:
    """What became of the inputs of one target."""

    inputs: int = 0
    refused: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    slowest_s: float = 0.0
    growth_mb: float = 0.0

    def add(self, outcome: Outcome) -> None:
        """Count one input."""
        self.inputs += 1
        self.refused += outcome.is_refused and not outcome.failure
        self.failures.update([outcome.failure] if outcome.failure else [])
        self.slowest_s = max(self.slowest_s, outcome.cpu_s)
        self.growth_mb = max(self.growth_mb, outcome.growth_mb)

    def merge(self, other: "Tally") -> None:
        """Add the count of another chunk."""
        self.inputs += other.inputs
        self.refused += other.refused
        self.failures += other.failures
        self.slowest_s = max(self.slowest_s, other.slowest_s)
        self.growth_mb = max(self.growth_mb, other.growth_mb)


def run_chunk(chunk: Chunk, folder: Path, known: Collection[str]) -> None:
    """Take every input of a chunk, in a process that does nothing else; the tally goes to a file of the folder.

    A failure that is `known` from another chunk is counted, and gives no further case.
    """
    warnings.simplefilter("ignore")
    logging.disable()
    limit_process()
    check(chunk.target, chunk.target.corpus[0], folder)  # what is imported and opened once counts for no input
    tally, current = Tally(), folder / "current"

    def take(data: bytes) -> None:
        current.write_bytes(data)
        outcome = check(chunk.target, data, folder)
        if outcome.failure and outcome.failure not in {*tally.failures, *known}:
            least = smaller(data, lambda one: check(chunk.target, one, folder).failure == outcome.failure)
            keep(chunk, least, outcome)
        tally.add(outcome)
        (folder / "tally").write_text(_dumped(tally))

    chunk.each(take)


def keep(chunk: Chunk, data: bytes, outcome: Outcome) -> None:
    """Keep the input of a failure as a case, and print what failed."""
    case = CASES / chunk.target.name / f"{hashlib.sha256(data).hexdigest()[:12]}.bin"
    if len(data) <= _MOST_CASE_BYTES:
        case.parent.mkdir(parents=True, exist_ok=True)
        case.write_bytes(data)
    print(
        f"{chunk.target.name}: {outcome.failure}\n  {case if case.exists() else 'an input too large to keep'}, "
        f"seed {chunk.seed}, chunk {chunk.number}: {data[:120]!r}\n{outcome.detail}",
        flush=True,
    )


def run(todo: Sequence[Chunk], processes: int) -> dict[str, Tally]:
    """Run chunks, so many at once; returns the tallies by target."""
    tallies = {chunk.target.name: Tally() for chunk in todo}
    running: dict[int, tuple[Chunk, Path]] = {}
    waiting = list(reversed(todo))
    while waiting or running:
        if waiting and len(running) < processes:
            chunk, folder = waiting.pop(), Path(tempfile.mkdtemp(prefix="fuzz-"))
            running[_forked(chunk, folder, set(tallies[chunk.target.name].failures))] = chunk, folder
            continue
        pid, status = os.wait()
        chunk, folder = running.pop(pid)
        tallies[chunk.target.name].merge(_result(chunk, folder, os.waitstatus_to_exitcode(status)))
        shutil.rmtree(folder, ignore_errors=True)
    return tallies


def _forked(chunk: Chunk, folder: Path, known: Collection[str]) -> int:
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        try:
            run_chunk(chunk, folder, known)
        except BaseException as error:
            print(f"{chunk.target.name}: the fuzzer itself failed: {error!r}", flush=True)
            os._exit(1)
        os._exit(0)
    return pid


def _result(chunk: Chunk, folder: Path, status: int) -> Tally:
    """Return the tally of a process that has ended; where it did not end by itself, its last input is a failure."""
    file = folder / "tally"
    tally = _loaded(file.read_text()) if file.exists() else Tally()
    if status != 0:
        current = folder / "current"
        outcome = Outcome(failure=f"the process ended with {status}")
        keep(chunk, current.read_bytes() if current.exists() else b"", outcome)
        tally.add(outcome)
    return tally


def _dumped(tally: Tally) -> str:
    return json.dumps([tally.inputs, tally.refused, tally.failures, tally.slowest_s, tally.growth_mb])


def _loaded(text: str) -> Tally:
    inputs, refused, failures, slowest_s, growth_mb = json.loads(text)
    return Tally(inputs, refused, Counter(failures), slowest_s, growth_mb)


def table(tallies: dict[str, Tally]) -> str:
    """Return the counts of each target, and of all."""
    total = Tally()
    for tally in tallies.values():
        total.merge(tally)
    heads = ("target", "inputs", "refused", "accepted", "failures", "slowest CPU", "largest growth")
    rows = [heads, *(_row(name, tally) for name, tally in (*tallies.items(), ("all", total)))]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) if not place else cell.rjust(width)
                  for place, (cell, width) in enumerate(zip(row, widths, strict=True))) for row in rows
    )  # fmt: skip


def _row(name: str, tally: Tally) -> tuple[str, ...]:
    failed = tally.failures.total()
    counts = (tally.inputs, tally.refused, tally.inputs - tally.refused - failed, failed)
    return name, *(f"{count:,}" for count in counts), f"{tally.slowest_s:.2f} s", f"{tally.growth_mb:.0f} MB"


def planned(targets: Iterable[Target], seed: str, inputs: int) -> list[Chunk]:
    """Return the chunks of all targets; each gets inputs by its weight."""
    chosen = list(targets)
    whole = sum(target.weight for target in chosen)
    return [chunk for target in chosen for chunk in chunks(target, seed, round(inputs * target.weight / whole))]


def main() -> int:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--inputs", type=int, default=100_000)
    parser.add_argument("--seed", default="", help="the same seed gives the same inputs; default: a new one")
    parser.add_argument("--target", action="append", choices=[target.name for target in TARGETS])
    parser.add_argument("--processes", type=int, default=2)
    asked = parser.parse_args()
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # inputs hold what no terminal can show
    seed, begin_s = asked.seed or token_hex(4), monotonic()
    print(f"seed {seed}: the same inputs again with --seed {seed} (make fuzz SEED={seed})", flush=True)
    targets = [target for target in TARGETS if not asked.target or target.name in asked.target]
    tallies = run(planned(targets, seed, asked.inputs), asked.processes)
    print(table(tallies))
    for name, tally in tallies.items():
        for failure, count in tally.failures.most_common():
            print(f"{name}: {count} x {failure}")
    print(f"{monotonic() - begin_s:.0f} s, seed {seed}")
    return 1 if any(tally.failures for tally in tallies.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
