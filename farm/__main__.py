"""`python -m farm` is `farm`."""

from farm.cli.app import main

main()
