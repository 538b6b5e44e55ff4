"""Meters this machine at 10 Hz, as a worker does, while it is told to; started by `bench_metering.py`.

python -m tests.benchmarks.metered_child      (lines `on` and `off` on stdin, each answered)
"""

import sys
from contextlib import ExitStack

from farm.settings import load_settings
from workers.meters import open_meters
from workers.supervisor.sampler import Sampler

POLL_PERIOD_S = 0.1


def main() -> None:
    """Answer each line when it has taken effect; the first answer names the meters."""
    with ExitStack() as entered, ExitStack() as sampling:
        meters, _ = open_meters(load_settings(), entered)
        print(" ".join(meter.name for meter in meters), flush=True)
        for line in sys.stdin:
            sampling.close()
            if line.strip() == "on":
                sampling.enter_context(Sampler(meters, POLL_PERIOD_S))
            print("done", flush=True)


if __name__ == "__main__":
    main()
