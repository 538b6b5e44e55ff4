"""Every figure of speed and size in one table.

    python -m tests.benchmarks [NAME ...]

They say little on a machine that does other things meanwhile.
"""

import argparse
import importlib
import os
import sys
import traceback
from collections.abc import Iterator, Mapping

import pytest
from rich.console import Console

from tests.benchmarks.figures import Figure, machine_line, table

#: Names, and the modules whose `figures` measures; what loads torch into this process comes last.
BENCHMARKS = {
    "help": "bench_help",
    "submit": "bench_submit",
    "noop": "bench_noop",
    "idle": "bench_idle",
    "overhead": "bench_overhead",
    "controller": "bench_controller",
    "analysis": "bench_analysis",
    "throughput": "bench_throughput",
    "training": "bench_training",
    "ask": "bench_ask",
    "serving": "bench_serving",
}


def main(benchmarks: Mapping[str, str] = BENCHMARKS, program: str = "tests.benchmarks") -> int:
    """Measure what is named, or all; returns 1 where a benchmark broke."""
    parser = argparse.ArgumentParser(prog=f"python -m {program}", description="Figures of speed and size.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(benchmarks)}; default all")
    names = parser.parse_args().names or list(benchmarks)
    for name in names:
        if name not in benchmarks:
            parser.error(f"no benchmark {name!r}: expected {', '.join(benchmarks)}")
    load_before = os.getloadavg()[0]
    broken: list[str] = []
    figures = [figure for name in names for figure in _measured(name, benchmarks[name], broken)]
    Console().print(table(figures, machine_line(load_before)), highlight=False)
    return 1 if broken else 0


def _measured(name: str, module: str, broken: list[str]) -> Iterator[Figure]:
    """The figures of one benchmark; one that cannot run costs no other its figures."""
    print(f"{name} ...", file=sys.stderr)
    try:
        yield from importlib.import_module(f"tests.benchmarks.{module}").figures()
    except pytest.skip.Exception as reason:
        yield Figure(what=name, value=None, how=str(reason))
    except Exception as error:
        broken.append(name)
        traceback.print_exc()
        yield Figure(what=name, value=None, how=f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    sys.exit(main())
