"""Broker and database under many jobs and many machines.

python -m tests.benchmarks.queue [NAME ...]
"""

import sys

from tests.benchmarks.__main__ import main

#: Names, and the modules whose `figures` measures.
BENCHMARKS = {
    "submit": "queue_submit",
    "rates": "queue_rates",
    "idle": "queue_idle",
    "lost": "queue_lost",
    "thousand": "queue_thousand",
}

if __name__ == "__main__":
    sys.exit(main(BENCHMARKS, "tests.benchmarks.queue"))
