"""The carbon factor of a trial, and its grams, in the SQL of both databases: queries and views have it from here alone.

What a machine states goes before what the sweep states now, and that before what a file of the sweep said at the time.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, Float, Text, literal_column

_WITHOUT_OWN = "CASE WHEN {trial}.carbon_is_own THEN {trial}.{own} ELSE coalesce({stated}, {trial}.{own}) END"


def factor(trial: str, sweep: str) -> Mapping[str, str]:
    """Return the expression of each part of a factor by the names of its columns.

    Args:
        trial: Alias of table `trial`.
        sweep: Alias of table `sweep`.
    """

    def stated(name: str) -> str:
        return f"CAST({sweep}.carbon ->> '{name}' AS double precision)"

    return {
        "carbon_g_per_kwh": _WITHOUT_OWN.format(trial=trial, own="carbon_g_per_kwh", stated=stated("g_per_kwh")),
        "carbon_pue": f"coalesce({trial}.carbon_pue, {stated('pue')}, 1.0)",
        "carbon_source": _WITHOUT_OWN.format(trial=trial, own="carbon_source", stated=f"{sweep}.carbon ->> 'source'"),
    }


def grams(gross_j: str) -> str:
    """Return the expression of the grams of gross joules, beside the columns of a factor."""
    return f"carbon_g_per_kwh * carbon_pue * {gross_j} / 3.6e6"


#: The columns of a factor in a query of tables `trial` and `sweep`.
FACTOR: tuple[ColumnElement[Any], ...] = tuple(
    literal_column(text, Text() if name == "carbon_source" else Float()).label(name)
    for name, text in factor("trial", "sweep").items()
)
