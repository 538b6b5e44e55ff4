"""`farm analyze` and `farm compare`. Modules are imported on use, so that help is fast."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from farm.cli.options import (
    CountryCode,
    DomainName,
    FormatName,
    IncludeFlagged,
    Json,
    Output,
    Raw,
    Where,
    carbon_of,
    selection,
    share,
    table_format,
)
from farm.cli.output import Shown, opened

if TYPE_CHECKING:
    from farm.model import CarbonFactor
    from farm.report.observations import Observations
    from farm.report.selection import Selection

Response = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="energy (net J per unit of work, gross where net is unsure), net_j, gross_j, carbon_g, seconds, "
        "units_per_s, latency_s, response_s, response_p99_s or accuracy; of a file a column.",
    ),
]


def analyze(
    method: Annotated[
        str,
        typer.Argument(
            metavar="METHOD",
            help="anova, tukey (after anova), kruskal (with Dunn's test), pairs (Welch, Mann-Whitney), mixed, "
            "equivalence or normality.",
        ),
    ],
    sweep: Annotated[
        str | None, typer.Argument(metavar="SWEEP", help="A sweep's name or id; default the latest.")
    ] = None,
    *,
    csv: Annotated[Path | None, typer.Option(metavar="FILE", help="Analyse this file: a row a trial.")] = None,
    response: Response = "energy",
    factors: Annotated[str, typer.Option(metavar="NAMES", help="Factors to compare: model,batch_size.")] = "",
    where: Where = None,
    domain: DomainName = None,
    include_flagged: IncludeFlagged = False,
    country: CountryCode = None,
    log: Annotated[bool, typer.Option("--log", help="Analyse logarithms (pairs and equivalence always do).")] = False,
    type_: Annotated[
        int | None, typer.Option("--type", metavar="2|3", help="Sums of squares of anova; default 2.")
    ] = None,
    group: Annotated[str, typer.Option(metavar="NAMES", help="Factors that runs share (mixed): lr,beta1.")] = "",
    margin: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE", parser=share, help="Largest difference that counts as equal (equivalence); default 5%."
        ),
    ] = None,
    correction: Annotated[
        str | None, typer.Option(metavar="holm|bh", help="Correction for several tests; default holm.")
    ] = None,
    form: FormatName = None,
    output: Output = None,
    as_json: Json = False,
    raw: Raw = False,
) -> Shown:
    """Test a sweep's trials, or any file: effects, intervals, words."""
    from farm.exchange.observed import of_csv
    from farm.report import analyses, observations
    from farm.report.document import NAMES
    from farm.report.selection import parse_choice

    chosen = table_format(form, output, as_json, raw)
    options = analyses.Options(type_, _names(group), margin, analyses.parse_correction(correction))
    known, names = parse_choice("METHOD", method, analyses.Method), _names(factors)
    columns = (*names, *(name for name in options.group if name not in names))
    if csv is not None:
        if sweep is not None or domain is not None or include_flagged or country is not None:
            raise _bad("--csv: a file has no SWEEP, --domain, --include-flagged or --country")
        seen = of_csv(csv, response, columns, selection(where, None).where)
    else:
        seen = _of_sweep(sweep, response, columns, selection(where, domain, include_flagged), carbon_of(country))
    if log:
        seen = observations.logarithms(seen)
    called = [NAMES.get(name, name) if name not in seen.data.columns else name for name in names]
    return Shown(analyses.analysis(known, seen, called, options), chosen, output)


def compare(
    first: Annotated[str, typer.Argument(metavar="A", help="A sweep's name or id.")],
    second: Annotated[
        str | None, typer.Argument(metavar="B", help="Another sweep; default A itself, split by --a and --b.")
    ] = None,
    *,
    a: Annotated[
        list[str] | None, typer.Option("--a", metavar="NAME=VALUE", help="The trials of side A: batch_size=1.")
    ] = None,
    b: Annotated[
        list[str] | None, typer.Option("--b", metavar="NAME=VALUE", help="The trials of side B: batch_size=16.")
    ] = None,
    response: Response = "energy",
    where: Where = None,
    domain: DomainName = None,
    include_flagged: IncludeFlagged = False,
    country: CountryCode = None,
    form: FormatName = None,
    output: Output = None,
    as_json: Json = False,
    raw: Raw = False,
) -> Shown:
    """Compare two sweeps, or two choices of one, point by point."""
    from farm.exchange.loading import load
    from farm.report import comparisons, observations

    chosen = table_format(form, output, as_json, raw)
    carbon = carbon_of(country)
    sides = [_side(where, name, own, domain, include_flagged) for name, own in (("--a", a), ("--b", b))]
    with opened() as (store, _):
        sweeps = store.find_sweep(first), store.find_sweep(second or first)
        data = [load(store, sweep, observations.needs(response), sides[0].domain, carbon) for sweep in sweeps]
    both = {s.trial for s in data[0].samples} & {s.trial for s in data[1].samples}
    notes = [f"{len(both)} trials count in both sweeps: there they agree because they are the same"]
    shown = comparisons.comparison((data[0], data[1]), (sides[0], sides[1]), response)
    return Shown(shown, chosen, output, notes if both and sweeps[0].id != sweeps[1].id else ())


def _side(
    where: list[str] | None, name: str, own: list[str] | None, domain: str | None, include_flagged: bool
) -> "Selection":
    options = [option for option, texts in (("--where", where), (name, own)) if texts]
    return selection([*(where or []), *(own or [])], domain, include_flagged, option=", ".join(options))


def _of_sweep(
    sweep: str | None, response: str, columns: tuple[str, ...], selected: "Selection", carbon: "CarbonFactor | None"
) -> "Observations":
    from farm.exchange.loading import load
    from farm.report import observations

    with opened() as (store, _):
        data = load(store, store.find_sweep(sweep), observations.needs(response), selected.domain, carbon)
    return observations.of_sweep(data, response, columns, selected)


def _names(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))


def _bad(message: str) -> Exception:
    from farm.model.errors import InputError

    return InputError(message)
