"""The tables as SQLModel classes, for sessions in notebooks: the columns and their types are those of the tables.

Nothing in the farm imports this module: importing SQLModel takes longer than most commands.
"""

from typing import Any

from sqlalchemy import Column, Table
from sqlmodel import Field, SQLModel

import farm.store.tables as t


def _type(column: Column[Any]) -> Any:
    known = column.type.python_type
    return known | None if column.nullable else known


def _class(name: str, table: Table) -> Any:
    """Return a class whose instances are rows of the table."""
    fields = {column.name: Field(sa_column=column) for column in table.c}
    types = {column.name: _type(column) for column in table.c}
    own = {"__table__": table, "__annotations__": types, "__module__": __name__}
    metaclass: Any = type(SQLModel)
    return metaclass(name, (SQLModel,), own | fields, table=True)


Sweep = _class("Sweep", t.sweep)
Machine = _class("Machine", t.machine)
Job = _class("Job", t.job)
Environment = _class("Environment", t.environment)
Trial = _class("Trial", t.trial)
Window = _class("Window", t.window)
Measurement = _class("Measurement", t.measurement)
Sample = _class("Sample", t.sample)
Trace = _class("Trace", t.trace)
Latency = _class("Latency", t.latency)
Requests = _class("Requests", t.requests)
Epoch = _class("Epoch", t.epoch)
