"""Rows for Python: what a query, a sweep's results, samples or an export hold, for pandas, polars and Arrow."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self, overload

from farm import kinds
from farm.exchange import exports, queried
from farm.exchange.loading import load_results
from farm.kinds import views
from farm.model import Scalar
from farm.model.errors import InputError
from farm.report.cells import AsText
from farm.report.files import Sheet, arrow
from farm.report.selection import Selection, parse_choice
from farm.store import Store

Record = dict[str, Scalar]
_MISSING = "this needs {0}: pip install 'wattfarm[frames]'"


@dataclass(frozen=True, slots=True)
class Frame(Sequence[Record]):
    """Rows with typed columns: a list of dictionaries that turns into a data frame. Unknown is None."""

    types: Mapping[str, type]  #: str, int, float or bool of each column; AsText: a str of other values too
    rows: Sequence[Sequence[Scalar]]

    @classmethod
    def of(cls, sheet: Sheet) -> Self:
        """Return all rows of a sheet."""
        return cls({name: sheet.types[name] for name in sheet.columns}, list(sheet.rows))

    @property
    def columns(self) -> list[str]:
        """The names of the columns."""
        return list(self.types)

    def __len__(self) -> int:
        return len(self.rows)

    @overload
    def __getitem__(self, place: int) -> Record: ...
    @overload
    def __getitem__(self, place: slice) -> list[Record]: ...
    def __getitem__(self, place: int | slice) -> Record | list[Record]:
        if isinstance(place, slice):
            return [self._record(row) for row in self.rows[place]]
        return self._record(self.rows[place])

    def __iter__(self) -> Iterator[Record]:
        return map(self._record, self.rows)

    def to_pandas(self) -> Any:
        """Return a pandas.DataFrame, with nullable integers and booleans."""
        try:
            import pandas as pd  # noqa: PLC0415
        except ModuleNotFoundError:
            raise InputError(_MISSING.format("pandas")) from None
        types = {str: "string", AsText: "string", int: "Int64", float: "float64", bool: "boolean"}
        return pd.DataFrame({name: pd.Series(own, dtype=types[kind]) for name, kind, own in self._columns()})

    def to_polars(self) -> Any:
        """Return a polars.DataFrame."""
        try:
            import polars as pl  # noqa: PLC0415
        except ModuleNotFoundError:
            raise InputError(_MISSING.format("polars")) from None
        types: Mapping[type, Any] = {
            str: pl.String, AsText: pl.String, int: pl.Int64, float: pl.Float64, bool: pl.Boolean,
        }  # fmt: skip
        return pl.DataFrame([pl.Series(name, own, types[kind], strict=False) for name, kind, own in self._columns()])

    def to_arrow(self) -> Any:
        """Return a pyarrow.Table."""
        return arrow(Sheet(self.columns, self.rows, self.types))

    def _record(self, row: Sequence[Scalar]) -> Record:
        return dict(zip(self.types, row, strict=True))

    def _columns(self) -> Iterator[tuple[str, type, Sequence[Scalar]]]:
        columns = list(zip(*self.rows, strict=True)) or [()] * len(self.types)
        for (name, kind), own in zip(self.types.items(), columns, strict=True):
            yield name, kind, list(own)


def query(store: Store, statement: str, limit: int) -> Frame:
    """Run a query; raises InputError where it finds more rows than the limit."""
    found = store.query(statement, limit)
    if found.is_cut:
        raise InputError(f"the query finds more than {limit:,} rows: name a larger limit, or ask for less")
    return Frame(*queried.typed(found))


def samples(store: Store, sweep: str | None) -> Frame:
    """Read the rows of view v_sample of a sweep: a row for each trial, domain and part."""
    return Frame(*queried.typed(store.of_sweep("v_sample", store.find_sweep(sweep).id)))


def results(store: Store, sweep: str | None, selection: Selection) -> Frame:
    """Return the rows of `farm results`."""
    document = views.view(load_results(store, store.find_sweep(sweep), selection.domain), selection)
    return Frame.of(Sheet.of(document.records(), {**kinds.factor_types(), **document.types}))


def export(store: Store, sweep: str | None, rows: str) -> Frame:
    """Return the rows of `farm export`."""
    wanted = parse_choice("rows", rows, exports.Rows)
    return Frame.of(exports.exported(store, store.find_sweep(sweep), wanted))
