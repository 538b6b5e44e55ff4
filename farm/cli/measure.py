"""`farm measure -- COMMAND`: what one command costs, without a file."""

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from farm.cli.options import CountryCode, Json, as_form, carbon_of
from farm.cli.output import Notes, Output, Shown, opened, passed_through

#: What replaces each run of characters that a name cannot have.
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_]+")


def measure(
    command: Annotated[
        list[str] | None, typer.Argument(metavar="-- COMMAND", help="The command, with its arguments.")
    ] = None,
    repeat: Annotated[int, typer.Option("--repeat", "-n", min=1, max=1000, help="Runs that are measured.")] = 1,
    warmup: Annotated[int, typer.Option(min=0, max=1000, help="Runs before each of them.")] = 0,
    unit: Annotated[str, typer.Option(metavar="WORD", help="What it does again and again: image.")] = "run",
    units: Annotated[int | None, typer.Option(min=1, help="How many of them a run does; default: its marks.")] = None,
    name: Annotated[str | None, typer.Option(help="Name of the results; default: that of the program.")] = None,
    country: CountryCode = None,
    as_json: Json = False,
) -> Iterator[Output]:
    """Measure what one command costs, without a file.

    It prints joules, also those above idle, seconds, watts and grams of CO2. The idle is measured before and after the
    command. Its output passes through, and the exit status is its own. The runs are stored: `farm results`, `farm
    compare` and `farm report` know them by their name.

    Example: farm measure --repeat 3 -- python train.py --epochs 1
    """
    from farm.cli.run import measured, outcome
    from farm.exchange.loading import load_results
    from farm.kinds import parse_sweep
    from farm.kinds.command import measured as view
    from farm.model import Domain
    from farm.model.errors import InputError
    from farm.scheduling.embedded import Interrupts

    if not command:
        raise InputError("which command? For example: farm measure -- python train.py")
    carbon = carbon_of(country)
    text = json.dumps(
        {
            "name": name or _name(command),
            "kind": "command",
            "workload": {
                "command": shlex.join(command).replace("{", "{{").replace("}", "}}"),
                "cwd": f"{Path.cwd()}/",
                "unit": unit,
                "warmup_runs": warmup,
                **({} if units is None else {"units": units}),
            },
            "measure": {"control_every": 1},
            "repetitions": repeat,
        }
    )
    sweep = parse_sweep(text, "farm measure", Path.cwd())
    with opened(create=True) as (store, settings), passed_through():
        ran = yield from measured(sweep, text, store, settings, Interrupts(), fresh=True, quiet=True)
        failed = outcome(ran.progress, store, ran.sweep).lines
        by_domain = [load_results(store, ran.sweep, domain, carbon) for domain in Domain]
    yield Shown(view.document(by_domain), as_form(as_json))
    yield Notes(failed, view.exit_status(by_domain[0]))


def _name(command: list[str]) -> str:
    """Return a name for the results: that of the program and its first argument."""
    words = (Path(word).name for word in command[:2])
    return _NOT_IN_NAMES.sub("-", " ".join(words)).strip("-")[:60] or "command"
