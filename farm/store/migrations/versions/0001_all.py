"""All tables, indexes and views of 0.1.0.

The tables are those of `farm.store.tables`: nobody has a database of a released version yet. Later migrations list what
they change, and this one then lists its tables itself.
"""

from alembic import op

from farm.model import Flag
from farm.store.carbon import factor, grams
from farm.store.tables import METADATA, WHOLE

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    METADATA.create_all(op.get_bind(), checkfirst=False)
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    views = {
        "v_trial": _trial(is_sqlite),
        "v_measurement": _measurement(is_sqlite),
        "v_sample": _SAMPLE,
        "v_point": _point_of_sqlite() if is_sqlite else _point_of_postgresql(),
    }
    for view, query in views.items():
        op.get_bind().exec_driver_sql(f"CREATE VIEW {view} AS {query}")


def downgrade() -> None:
    for view in ("v_point", "v_sample", "v_measurement", "v_trial"):
        op.execute(f"DROP VIEW {view}")
    METADATA.drop_all(op.get_bind(), checkfirst=False)


_IDENTITY = """
    s.id AS sweep, s.name AS sweep_name, s.kind, t.job_id AS job, t.id AS trial, t.attempt,
    mc.name AS machine, mc.hardware_class, t.environment_id AS environment, j.repetition, j.point AS factors
"""
_JOINED = """
    trial t JOIN job j ON j.id = t.job_id JOIN sweep s ON s.id = j.sweep_id LEFT JOIN machine mc ON mc.id = t.machine_id
"""
#: What a trial keeps of its electricity, over what its sweep states.
_CARBON = ", ".join(f"{text} AS {name}" for name, text in factor("t", "s").items())


def _names(is_sqlite: bool, *lists: str) -> str:
    """Join the different words of JSON lists, in order, with semicolons; `lists` may be null."""
    if is_sqlite:
        parts = " UNION ".join(f"SELECT value FROM json_each(coalesce({one}, '[]'))" for one in lists)
        return f"(SELECT coalesce(group_concat(value, ';'), '') FROM ({parts} ORDER BY 1))"
    parts = " UNION ".join(
        f"SELECT jsonb_array_elements_text(coalesce(CAST({one} AS jsonb), '[]')) AS value" for one in lists
    )
    return f"""(SELECT coalesce(string_agg(value, ';' ORDER BY value COLLATE "C"), '') FROM ({parts}) AS named)"""


def _valid(flags: str) -> str:
    """Return the condition that there is no flag but notes."""
    for note in filter(lambda flag: flag.is_note, Flag):
        flags = f"replace({flags}, '{note}', '')"
    return f"trim({flags}, ';') = ''"


def _seconds(ns: str) -> str:
    """Return the duration of a window; a window of no length is an imported one of unknown duration."""
    return f"CAST(nullif({ns}, 0) AS double precision) / 1e9"


def _trial(is_sqlite: bool) -> str:
    return f"""
        SELECT x.*, {_valid("flags")} AS valid FROM (
            SELECT {_IDENTITY}, j.target, j.block, j.state,
                t.failure_kind AS failure, t.failure_message, t.stopped,
                t.started_at_utc, CASE WHEN NOT s.imported THEN t.finished_at_utc END AS finished_at_utc,
                t.duration_s, t.overhead_s, {_CARBON}, t.facts,
                {_names(is_sqlite, "t.flags")} AS flags, t.simulated, s.imported
            FROM {_JOINED}
        ) x
    """


def _measurement(is_sqlite: bool) -> str:
    def stamped(column: str) -> str:
        return f"CASE WHEN NOT s.imported THEN w.{column} END AS {column}"

    return f"""
        SELECT x.*, {grams("gross_j")} AS carbon_g FROM (
            SELECT {_IDENTITY}, w.kind AS "window", w."index" AS window_index,
            {stamped("begin_at_ns")}, {stamped("end_at_ns")}, {stamped("started_at_utc")},
            {_seconds("w.end_at_ns - w.begin_at_ns")} AS duration_s, w.units,
            m.domain, m.quality, m.source, m.gross_j, m.baseline_w, m.net_j, m.net_j_low, m.net_j_high, m.mean_w,
            m.temperature_c, {_names(is_sqlite, "t.flags", "m.flags")} AS flags, t.simulated, s.imported,
            m.gross_u_j, m.baseline_bare_w, m.baseline_context_w, m.clock_hz, mc.id AS machine_id,
            t.failure_kind AS failure, m.budget, {_CARBON}
        FROM {_JOINED}
            JOIN "window" w ON w.trial_id = t.id
            JOIN measurement m ON m.trial_id = w.trial_id AND m.window_kind = w.kind AND m.window_index = w."index") x
    """


_SAMPLE = f"""
    SELECT x.*, units / duration_s AS units_per_s,
        gross_j / nullif(units, 0) AS gross_j_per_unit, net_j / nullif(units, 0) AS net_j_per_unit,
        {grams("gross_j / nullif(units, 0)")} AS carbon_g_per_unit
    FROM (
        SELECT {_IDENTITY}, j.target, j.block, sm.device, sm.domain, nullif(sm.part, {WHOLE}) AS part, sm.own_device,
            sm.unit, sm.units, sm.duration_s, sm.gross_j, sm.gross_u_j, sm.gross_shared_u_j, sm.net_j, sm.net_u_j,
            sm.net_shared_u_j, sm.idle_w, sm.quality, sm.flags, {_CARBON},
            t.simulated, s.imported, sm.valid
        FROM {_JOINED} JOIN sample sm ON sm.trial_id = t.id
    ) x
"""
_POINT = """sweep, sweep_name, kind, factors, machine, hardware_class, domain, own_device, quality, simulated, imported,
    unit"""
#: The mean over trials of each figure of a unit of work; the rate is one over the mean seconds of a unit.
_FIGURES = ("gross_j_per_unit", "net_j_per_unit", "carbon_g_per_unit")
_MEDIANS = ("gross_j_per_unit", "net_j_per_unit")


def _counted() -> str:
    """Select samples, and whether they count: the valid ones, or all where none is valid."""
    valid = "max(CASE WHEN valid THEN 1 ELSE 0 END)"
    return f"SELECT *, valid OR {valid} OVER (PARTITION BY {_POINT}) = 0 AS counted FROM v_sample WHERE part IS NULL"


def _means() -> str:
    rates = ", ".join(
        f"1 / avg(CASE WHEN {which} THEN 1 / nullif(units_per_s, 0) END)"
        for which in ("counted AND gross_j IS NOT NULL", "counted")
    )
    means = ", ".join(f"avg(CASE WHEN counted THEN {name} END) AS {name}" for name in _FIGURES)
    return f"""
        {_POINT}, sum(CASE WHEN counted THEN 1 ELSE 0 END) AS trials,
        sum(CASE WHEN counted THEN 0 ELSE 1 END) AS left_out, max(CASE WHEN valid THEN 1 ELSE 0 END) = 0 AS doubtful,
        coalesce({rates}) AS units_per_s, {means}
    """


def _point_of_postgresql() -> str:
    medians = ", ".join(
        f"percentile_cont(0.5) WITHIN GROUP (ORDER BY {name}) FILTER (WHERE counted) AS {name}_median"
        for name in _MEDIANS
    )
    return f"SELECT {_means()}, {medians} FROM ({_counted()}) c GROUP BY {_POINT}"


def _point_of_sqlite() -> str:
    """Compute the median for SQLite, which lacks one, as the mean of the one or two values in the middle."""
    known = {name: f"CASE WHEN counted THEN {name} END" for name in _MEDIANS}
    ranks = ", ".join(
        f"row_number() OVER (PARTITION BY {_POINT}, {value} IS NULL ORDER BY {value}) AS {name}_rank, "
        f"count(*) OVER (PARTITION BY {_POINT}, {value} IS NULL) AS {name}_count"
        for name, value in known.items()
    )
    medians = ", ".join(
        f"avg(CASE WHEN {name}_rank IN (({name}_count + 1) / 2, ({name}_count + 2) / 2) THEN {value} END) "
        f"AS {name}_median"
        for name, value in known.items()
    )
    return f"SELECT {_means()}, {medians} FROM (SELECT *, {ranks} FROM ({_counted()}) c) r GROUP BY {_POINT}"
