"""The physics process: `python -m tests.simulator FOLDER FD`."""

import sys

from tests.simulator.process import main

main(*sys.argv[1:])
