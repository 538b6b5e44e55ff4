"""`farm response` and `farm recommend`. Modules are imported on use, so that help is fast."""

from typing import TYPE_CHECKING, Annotated

import typer

from farm.cli.options import (
    AnySweep,
    DomainName,
    FormatName,
    IncludeFlagged,
    Json,
    Output,
    Where,
    selection,
    table_format,
)
from farm.cli.output import Shown, opened

if TYPE_CHECKING:
    from farm.load.arrivals import Arrivals

Rates = Annotated[
    list[str] | None, typer.Option("--rate", metavar="RATE", help="Requests per time, 16/s; may be repeated.")
]
Rate = Annotated[str | None, typer.Option("--rate", metavar="RATE", help="Requests per time: 16/s, 30/min.")]
Process = Annotated[
    str,
    typer.Option("--arrivals", metavar="NAME|FILE", help="poisson, constant, or a file: seconds, a time stamp a line."),
]
Requests = Annotated[int, typer.Option(min=100, max=10_000_000, help="Requests that each simulation serves.")]
Live = Annotated[
    str | None,
    typer.Option(metavar="SWEEP", help="A sweep of kind serving: what was simulated for each of its loads, beside it."),
]
Seed = Annotated[int, typer.Option(min=0, help="Of the random numbers: the same seed, the same answer.")]


def response(
    sweep: AnySweep = None,
    *,
    rate: Rates = None,
    policy: Annotated[
        list[str] | None,
        typer.Option(
            metavar="POLICY", help="fixed:8, greedy:8 or timeout:8:20ms; may be repeated; default fixed and greedy."
        ),
    ] = None,
    arrivals: Process = "poisson",
    live: Live = None,
    where: Where = None,
    domain: DomainName = None,
    include_flagged: IncludeFlagged = False,
    requests: Requests = 20_000,
    seed: Seed = 1,
    form: FormatName = None,
    output: Output = None,
    as_json: Json = False,
) -> Shown:
    """Simulate response times under load, from measured batches."""
    from farm.errors import InputError
    from farm.kinds.serving.simulated import beside
    from farm.kinds.serving.simulated import response as simulated
    from farm.load.policy import Policy

    chosen = table_format(form, output, as_json)
    selected = selection(where, domain, include_flagged)
    if live is not None:
        if rate or policy or arrivals != "poisson":
            raise InputError("--live: rates, policies and arrivals are those of its trials: leave the others out")
        with opened() as (store, _):
            pairs = beside.beside(store, store.find_sweep(sweep), store.find_sweep(live), selected, requests, seed)
        return Shown(beside.document(pairs), chosen, output)
    processes = _arrivals(arrivals, rate or [])
    policies = [Policy.parse(text) for text in policy or []]
    with opened() as (store, _):
        found = simulated.responses(store, store.find_sweep(sweep), selected, processes, policies, requests, seed)
    return Shown(simulated.document(found), chosen, output)


def recommend(
    sweep: AnySweep = None,
    *,
    slo: Annotated[
        list[str] | None,
        typer.Option(metavar="LIMIT", help="mean, p50, p90, p95, p99, p99.9 or max: p99=50ms; may be repeated."),
    ] = None,
    rate: Rate = None,
    arrivals: Process = "poisson",
    where: Where = None,
    domain: DomainName = None,
    include_flagged: IncludeFlagged = False,
    requests: Requests = 20_000,
    seed: Seed = 1,
    form: FormatName = None,
    output: Output = None,
    as_json: Json = False,
) -> Shown:
    """Find the network and policy of least energy within a limit."""
    from farm.kinds.serving.recommended import answer
    from farm.kinds.serving.recommended.choice import parse_limits

    chosen = table_format(form, output, as_json)
    limits = parse_limits(slo or [])
    (process,) = _arrivals(arrivals, [rate] if rate is not None else [])
    with opened() as (store, _):
        selected = selection(where, domain, include_flagged)
        found = answer.recommendation(store, store.find_sweep(sweep), selected, process, limits, requests, seed)
    return Shown(answer.document(found), chosen, output)


def _arrivals(name: str, rates: list[str]) -> "list[Arrivals]":
    """One for each rate; a trace has its own. Raises InputError."""
    from farm.errors import InputError
    from farm.load.arrivals import PROCESSES, Recorded
    from farm.load.quantities import rate_per_s

    if name not in PROCESSES:
        if rates:
            raise InputError(f"--rate: a trace has its own rate: leave it out, or --arrivals {name}")
        return [Recorded.read(name)]
    if not rates:
        raise InputError(f"--rate: expected requests per time such as --rate 16/s, for {name} arrivals")
    return [PROCESSES[name](rate_per_s(rate, "--rate")) for rate in rates]
