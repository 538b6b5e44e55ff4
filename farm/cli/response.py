"""`farm response` and `farm recommend`. Modules are imported on use, so that help is fast."""

from typing import Annotated

import typer

from farm.cli.options import (
    AnySweep,
    DomainName,
    FormatName,
    IncludeFlagged,
    Json,
    Output,
    Raw,
    Where,
    selection,
    table_format,
)
from farm.cli.output import Shown, opened

Rates = Annotated[
    list[str] | None, typer.Option("--rate", metavar="RATE", help="Request rate, such as 16/s; may be repeated.")
]
Rate = Annotated[str | None, typer.Option("--rate", metavar="RATE", help="Request rate, such as 16/s or 30/min.")]
Process = Annotated[
    str,
    typer.Option(
        "--arrivals", metavar="NAME|FILE", help="poisson, constant, or a file with a time stamp in seconds a line."
    ),
]
Requests = Annotated[int, typer.Option(min=100, max=10_000_000, help="Requests that each simulation serves.")]
Live = Annotated[
    str | None,
    typer.Option(metavar="SWEEP", help="A sweep of kind serving: compare simulated with measured response times."),
]
Seed = Annotated[int, typer.Option(min=0, help="Seed of the random numbers: the same seed gives the same answer.")]


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
    raw: Raw = False,
) -> Shown:
    """Simulate response times under load, from measured batches."""
    from farm.exchange.loading import load, load_results
    from farm.kinds.serving.simulated import beside
    from farm.kinds.serving.simulated import response as simulated
    from farm.kinds.serving.simulated.asked import parse_arrivals, parse_policies
    from farm.kinds.serving.simulated.batches import NEEDS
    from farm.model.errors import InputError

    chosen = table_format(form, output, as_json, raw)
    selected = selection(where, domain, include_flagged)
    if live is not None:
        if rate or policy or arrivals != "poisson":
            raise InputError("--live: rates, policies and arrivals are those of its trials: leave the others out")
        with opened() as (store, _):
            data = load(store, store.find_sweep(sweep), NEEDS, selected.domain)
            lived = load_results(store, store.find_sweep(live), selected.domain)
        return Shown(beside.document(beside.compare_with_live(data, lived, selected, requests, seed)), chosen, output)
    processes = parse_arrivals(arrivals, rate or [])
    policies = parse_policies(policy or [])
    with opened() as (store, _):
        data = load(store, store.find_sweep(sweep), NEEDS, selected.domain)
    found = simulated.simulate_policies(data, selected, processes, policies, requests, seed)
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
    raw: Raw = False,
) -> Shown:
    """Find the network and policy of least energy within a limit."""
    from farm.exchange.loading import load
    from farm.kinds.serving.recommended import answer
    from farm.kinds.serving.recommended.choice import parse_limits
    from farm.kinds.serving.simulated.asked import parse_arrivals
    from farm.kinds.serving.simulated.batches import NEEDS

    chosen = table_format(form, output, as_json, raw)
    limits = parse_limits(slo or [])
    (process,) = parse_arrivals(arrivals, [rate] if rate is not None else [])
    selected = selection(where, domain, include_flagged)
    with opened() as (store, _):
        data = load(store, store.find_sweep(sweep), NEEDS, selected.domain)
    found = answer.recommend(data, selected, process, limits, requests, seed)
    return Shown(answer.document(found), chosen, output)
