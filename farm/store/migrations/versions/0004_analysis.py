"""Views for whoever analyses, the indexes that make them fast, and measurements that were made elsewhere."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

#: Flags that leave a trial valid.
NOTES = ("alias_risk", "below_noise", "counter_untrusted", "power_capped")
_WORK = "IN ('measure', 'training')"
#: What these indexes hold is all that sums over the windows of a trial need.
_SUMMED = ["domain", "trial_id", "gross_j", "net_j", "net_j_low", "net_j_high", "quality", "flags", "window_kind"]
_TIMED = ["trial_id", "units", "begin_at_ns", "end_at_ns", "kind"]


def upgrade() -> None:
    for name in ("sweep", "machine"):
        with op.batch_alter_table(name) as table:
            table.add_column(sa.Column("imported", sa.Boolean(), nullable=False, server_default="0"))
    _index("ix_measurement_work", "measurement", _SUMMED, f"window_kind {_WORK}")
    _index("ix_window_work", "window", _TIMED, f"kind {_WORK}")
    create_views(NOTES)


def downgrade() -> None:
    drop_views()
    op.drop_index("ix_window_work", "window")
    op.drop_index("ix_measurement_work", "measurement")
    for name in ("machine", "sweep"):
        with op.batch_alter_table(name) as table:
            table.drop_column("imported")


def create_views(notes: Sequence[str]) -> None:
    """All of them; `notes` are the flags that leave a trial valid."""
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    queries = {
        "v_trial": _trial(is_sqlite, notes),
        "v_measurement": _measurement(is_sqlite),
        "v_sample": _sample(is_sqlite, notes),
        "v_point": _point_of_sqlite() if is_sqlite else _point_of_postgresql(),
    }
    for view, query in queries.items():
        op.get_bind().exec_driver_sql(f"CREATE VIEW {view} AS {query}")


def drop_views() -> None:
    """All of them, the ones that rest on others first."""
    for view in ("v_point", "v_sample", "v_measurement", "v_trial"):
        op.execute(f"DROP VIEW {view}")


def _index(name: str, table: str, columns: list[str], where: str) -> None:
    op.create_index(name, table, columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))


_IDENTITY = """
    s.id AS sweep, s.name AS sweep_name, s.kind, t.job_id AS job, t.id AS trial, t.attempt,
    mc.name AS machine, mc.hardware_class, t.environment_id AS environment, j.repetition, j.point AS factors
"""
_JOINED = """
    trial t JOIN job j ON j.id = t.job_id JOIN sweep s ON s.id = j.sweep_id LEFT JOIN machine mc ON mc.id = t.machine_id
"""


def _names(is_sqlite: bool, *lists: str) -> str:
    """The different words of JSON lists, in order, between semicolons; `lists` may be null."""
    if is_sqlite:
        parts = " UNION ".join(f"SELECT value FROM json_each(coalesce({one}, '[]'))" for one in lists)
        return f"(SELECT coalesce(group_concat(value, ';'), '') FROM ({parts} ORDER BY 1))"
    parts = " UNION ".join(
        f"SELECT jsonb_array_elements_text(coalesce(CAST({one} AS jsonb), '[]')) AS value" for one in lists
    )
    return f"""(SELECT coalesce(string_agg(value, ';' ORDER BY value COLLATE "C"), '') FROM ({parts}) AS named)"""


def _valid(flags: str, notes: Sequence[str]) -> str:
    """Whether there is no flag but notes."""
    for note in notes:
        flags = f"replace({flags}, '{note}', '')"
    return f"trim({flags}, ';') = ''"


def _fact(is_sqlite: bool, name: str) -> str:
    return f"json_extract(t.facts, '$.{name}')" if is_sqlite else f"t.facts ->> '{name}'"


def _seconds(ns: str) -> str:
    """Nothing is unknown: an imported window whose duration nobody told."""
    return f"CAST(nullif({ns}, 0) AS double precision) / 1e9"


def _trial(is_sqlite: bool, notes: Sequence[str]) -> str:
    return f"""
        SELECT x.*, {_valid("flags", notes)} AS valid FROM (
            SELECT {_IDENTITY}, j.target, j.block, j.state,
                t.failure_kind AS failure, t.failure_message, t.stopped,
                t.started_at_utc, CASE WHEN NOT s.imported THEN t.finished_at_utc END AS finished_at_utc,
                t.duration_s, t.overhead_s, t.carbon_g_per_kwh, t.facts,
                {_names(is_sqlite, "t.flags")} AS flags, t.simulated, s.imported
            FROM {_JOINED}
        ) x
    """


def _measurement(is_sqlite: bool) -> str:
    def stamped(column: str) -> str:
        return f"CASE WHEN NOT s.imported THEN w.{column} END AS {column}"

    return f"""
        SELECT {_IDENTITY}, w.kind AS "window", w."index" AS window_index,
            {stamped("begin_at_ns")}, {stamped("end_at_ns")}, {stamped("started_at_utc")},
            {_seconds("w.end_at_ns - w.begin_at_ns")} AS duration_s, w.units,
            m.domain, m.quality, m.source, m.gross_j, m.baseline_w, m.net_j, m.net_j_low, m.net_j_high, m.mean_w,
            m.temperature_c, {_names(is_sqlite, "t.flags", "m.flags")} AS flags, t.simulated, s.imported,
            m.gross_u_j, m.baseline_bare_w, m.baseline_context_w, m.clock_hz, mc.id AS machine_id,
            t.failure_kind AS failure
        FROM {_JOINED}
            JOIN "window" w ON w.trial_id = t.id
            JOIN measurement m ON m.trial_id = w.trial_id AND m.window_kind = w.kind AND m.window_index = w."index"
    """


def _sums(is_sqlite: bool) -> str:
    """Over the windows of work of a trial; what one of them lacks is unknown."""
    concat = "group_concat" if is_sqlite else "string_agg"
    flags = "m.flags" if is_sqlite else "CAST(m.flags AS text)"
    return f"""
        CASE WHEN count(m.gross_j) = count(*) THEN sum(m.gross_j) END AS gross_j,
        CASE WHEN count(m.net_j) = count(*) THEN sum(m.net_j) END AS net_j,
        CASE WHEN count(m.net_j_high - m.net_j_low) = count(*)
            THEN sum(m.net_j_high - m.net_j_low) / 2 / 1.96 END AS net_u_j,
        max(CASE m.quality WHEN 'counter' THEN 1 WHEN 'sampled' THEN 2 WHEN 'modelled' THEN 3 END) AS worst,
        {concat}(CASE WHEN m.flags <> '[]' THEN {flags} END, '') AS raised
    """


def _sample(is_sqlite: bool, notes: Sequence[str]) -> str:
    """A row for each trial x domain that was metered."""
    device = _fact(is_sqlite, "device")
    own = f"coalesce({_fact(is_sqlite, 'domain')}, CASE WHEN substr({device}, 1, 4) = 'cuda' THEN 'gpu' ELSE 'cpu' END)"
    facts = f"""
        {_IDENTITY}, j.target, j.block, {device} AS device, {own} AS own_domain, t.carbon_g_per_kwh,
        t.flags AS own_flags, {_fact(is_sqlite, "unit")} AS unit, t.simulated, s.imported
    """
    measured = f"m.trial_id = t.id AND m.window_kind {_WORK}"
    counted = "t.failure_kind IS NULL AND s.kind <> 'layers'"
    windows = f"""FROM "window" w WHERE w.trial_id = trial AND w.kind {_WORK}"""
    units, duration = "CAST(sum(w.units) AS bigint)", _seconds("sum(w.end_at_ns - w.begin_at_ns)")
    if is_sqlite:  # it has no LATERAL; a filter on what is grouped by reaches the rows
        summed = f"""
            SELECT z.*, (SELECT {units} {windows}) AS units, (SELECT {duration} {windows}) AS duration_s FROM (
                SELECT {facts}, m.domain, {_sums(is_sqlite)} FROM {_JOINED} JOIN measurement m ON {measured}
                WHERE {counted} GROUP BY t.id, s.id, m.domain
            ) z
        """
    else:
        summed = f"""
            SELECT z.*, units, duration_s FROM (
                SELECT {facts}, m.* FROM {_JOINED} CROSS JOIN LATERAL (
                    SELECT m.domain, {_sums(is_sqlite)} FROM measurement m WHERE {measured} GROUP BY m.domain
                ) m WHERE {counted}
            ) z CROSS JOIN LATERAL (SELECT {units} AS units, {duration} AS duration_s {windows}) w
        """
    return f"""
        SELECT y.*, {_valid("flags", notes)} AS valid, units / duration_s AS units_per_s,
            gross_j / nullif(units, 0) AS gross_j_per_unit, net_j / nullif(units, 0) AS net_j_per_unit,
            carbon_g_per_kwh * gross_j / nullif(units, 0) / 3.6e6 AS carbon_g_per_unit
        FROM (
            SELECT sweep, sweep_name, kind, job, trial, attempt, machine, hardware_class, environment, repetition,
                factors, target, block, device, domain, domain = own_domain AS own_device, unit, units, duration_s,
                gross_j, net_j, net_u_j,
                CASE WHEN gross_j IS NOT NULL THEN
                    CASE worst WHEN 1 THEN 'counter' WHEN 2 THEN 'sampled' WHEN 3 THEN 'modelled' END
                END AS quality,
                CASE WHEN raised IS NULL AND own_flags = '[]' THEN ''
                    ELSE {_names(is_sqlite, "own_flags", "replace(raised, '][', ',')")} END AS flags,
                carbon_g_per_kwh, simulated, imported
            FROM ({summed}) x
        ) y
    """


_POINT = """sweep, sweep_name, kind, factors, machine, hardware_class, domain, own_device, quality, simulated, imported,
    unit"""
_FIGURES = ("units_per_s", "gross_j_per_unit", "net_j_per_unit", "carbon_g_per_unit")
_MEDIANS = ("gross_j_per_unit", "net_j_per_unit")


def _counted() -> str:
    """Samples, and whether they count: the valid ones, or all where there is no valid one."""
    valid = "max(CASE WHEN valid THEN 1 ELSE 0 END)"
    return f"SELECT *, valid OR {valid} OVER (PARTITION BY {_POINT}) = 0 AS counted FROM v_sample"


def _means() -> str:
    means = ", ".join(f"avg(CASE WHEN counted THEN {name} END) AS {name}" for name in _FIGURES)
    return f"""
        {_POINT}, sum(CASE WHEN counted THEN 1 ELSE 0 END) AS trials,
        sum(CASE WHEN counted THEN 0 ELSE 1 END) AS left_out, max(CASE WHEN valid THEN 1 ELSE 0 END) = 0 AS doubtful,
        {means}
    """


def _point_of_postgresql() -> str:
    medians = ", ".join(
        f"percentile_cont(0.5) WITHIN GROUP (ORDER BY {name}) FILTER (WHERE counted) AS {name}_median"
        for name in _MEDIANS
    )
    return f"SELECT {_means()}, {medians} FROM ({_counted()}) c GROUP BY {_POINT}"


def _point_of_sqlite() -> str:
    """SQLite has no median: the mean of the one or two in the middle."""
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
