"""Every coverage and width in one table; takes a few minutes.

    python -m tests.benchmarks.intervals [NAME ...]
"""

import sys

from tests.benchmarks.__main__ import main

BENCHMARKS = {
    "means": "intervals.means",
    "ratios": "intervals.ratios",
    "stopping": "intervals.stopping",
    "strategies": "intervals.strategies",
}

if __name__ == "__main__":
    sys.exit(main(BENCHMARKS, "tests.benchmarks.intervals"))
