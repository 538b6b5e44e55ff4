"""All tables, indexes and views of 0.1.0.

The tables are those of `farm.store.tables`: nobody has a database of a released version yet. Later migrations list what
they change, and this one then lists its tables itself.
"""

from statistics import NormalDist

from alembic import op

from farm.model import Flag, WindowKind
from farm.store.carbon import factor, grams
from farm.store.tables import METADATA, WHOLE
from farm.store.views import FACTORS

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    METADATA.create_all(op.get_bind(), checkfirst=False)
    for view, query in _views(op.get_bind().dialect.name == "sqlite").items():
        op.get_bind().exec_driver_sql(f"CREATE VIEW {view} AS {query}")


def downgrade() -> None:
    for view in reversed(_views(is_sqlite=True)):
        op.execute(f"DROP VIEW {view}")
    METADATA.drop_all(op.get_bind(), checkfirst=False)


def _views(is_sqlite: bool) -> dict[str, str]:
    identity = _identity(is_sqlite)
    return {
        "v_trial": _trial(identity, is_sqlite),
        "v_measurement": _measurement(identity, is_sqlite),
        "v_sample": _sample(identity, is_sqlite),
        "v_point": _point(is_sqlite),
        "v_epoch": _epoch(identity, is_sqlite),
        "v_latency": _latency(identity, is_sqlite),
        "v_request": _request(identity, is_sqlite),
    }


_JOINED = """
    trial t JOIN job j ON j.id = t.job_id JOIN sweep s ON s.id = j.sweep_id LEFT JOIN machine mc ON mc.id = t.machine_id
"""
_LAST_EPOCH = {"accuracy": "validation_accuracy", "train_loss": "train_loss", "validation_loss": "validation_loss"}
#: What a trial keeps of its electricity, over what its sweep states.
_CARBON = ", ".join(f"{text} AS {name}" for name, text in factor("t", "s").items())


def _identity(is_sqlite: bool) -> str:
    device = _json_text("t.facts", "device", is_sqlite)
    return f"""
        s.id AS sweep, s.name AS sweep_name, s.kind, j.point AS factors, {_factors("j.point", is_sqlite)},
        coalesce({device}, {_json_text("j.point", "device", is_sqlite)}) AS device, mc.name AS machine,
        mc.hardware_class, t.environment_id AS environment, j.id AS job, t.id AS trial, t.attempt, j.repetition
    """


def _json_text(json: str, name: str, is_sqlite: bool) -> str:
    return f"CAST(json_extract({json}, '$.{name}') AS TEXT)" if is_sqlite else f"{json} ->> '{name}'"


def _factors(point: str, is_sqlite: bool) -> str:
    """Select the factors that have columns; a value of another type, which an import may have, is null there."""
    return ", ".join(f"{_factor(point, name, column.type, is_sqlite)} AS {name}" for name, column in FACTORS.items())


def _factor(point: str, name: str, kind: type, is_sqlite: bool) -> str:
    text = _json_text(point, name, is_sqlite)
    if kind is str:
        return text
    is_number = (
        f"json_type({point}, '$.{name}') IN ('integer', 'real')"
        if is_sqlite
        else f"jsonb_typeof({point} -> '{name}') = 'number'"
    )
    number = f"CAST({text} AS double precision)"
    if kind is int:  # nested, because PostgreSQL may evaluate the sides of AND in any order
        whole = f"CAST({number} AS bigint)"
        number = f"CASE WHEN abs({number}) < 1e15 THEN CASE WHEN {number} = {whole} THEN {whole} END END"
    return f"CASE WHEN {is_number} THEN {number} END"


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


def _last_epoch(is_sqlite: bool) -> str:
    """Select the figures of the last epoch of a training; an import states its accuracy as a fact."""
    last = {
        name: f'(SELECT {column} FROM epoch e WHERE e.trial_id = t.id ORDER BY e."index" DESC LIMIT 1)'
        for name, column in _LAST_EPOCH.items()
    }
    stated = f"CAST({_json_text('t.facts', 'accuracy', is_sqlite)} AS double precision)"
    last["accuracy"] = f"CASE WHEN s.imported THEN {stated} ELSE {last['accuracy']} END"
    return ", ".join(f"{query} AS {name}" for name, query in last.items())


def _flagged(columns: str, rest: str, is_sqlite: bool) -> str:
    """Select columns, then the flags of the whole trial, its stamps, and whether it is valid."""
    flags = _names(is_sqlite, "t.flags")
    return f"""
        SELECT x.*, {_valid("flags")} AS valid
        FROM (SELECT {columns}, {flags} AS flags, t.simulated, s.imported FROM {_JOINED} {rest}) x
    """


def _trial(identity: str, is_sqlite: bool) -> str:
    columns = f"""
        {identity}, j.target, j.block, j.state, t.failure_kind AS failure, t.failure_message, t.stopped,
        t.started_at_utc, CASE WHEN NOT s.imported THEN t.finished_at_utc END AS finished_at_utc,
        t.duration_s, t.overhead_s, {_last_epoch(is_sqlite)},
        {_CARBON}, t.facts
    """
    return _flagged(columns, "", is_sqlite)


def _measurement(identity: str, is_sqlite: bool) -> str:
    def stamped(column: str) -> str:
        return f"CASE WHEN NOT s.imported THEN w.{column} END AS {column}"

    return f"""
        SELECT x.*, {grams("gross_j")} AS carbon_g FROM (
            SELECT {identity}, w.kind AS "window", w."index" AS window_index,
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


def _sample(identity: str, is_sqlite: bool) -> str:
    return f"""
        SELECT x.*, units / duration_s AS units_per_s,
            gross_j / nullif(units, 0) AS gross_j_per_unit, net_j / nullif(units, 0) AS net_j_per_unit,
            {grams("gross_j / nullif(units, 0)")} AS carbon_g_per_unit
        FROM (
            SELECT {identity}, j.target, j.block, sm.domain, nullif(sm.part, {WHOLE}) AS part, sm.own_device,
                sm.unit, sm.units, sm.duration_s, sm.gross_j, sm.gross_u_j, sm.gross_shared_u_j, sm.net_j, sm.net_u_j,
                sm.net_shared_u_j, sm.idle_w, sm.quality, sm.flags, l.batches, l.p50_s, l.p95_s, l.p99_s,
                {_last_epoch(is_sqlite)}, {_CARBON},
                t.simulated, s.imported, sm.valid
            FROM {_JOINED} JOIN sample sm ON sm.trial_id = t.id LEFT JOIN latency l ON l.trial_id = t.id
        ) x
    """


def _epoch(identity: str, is_sqlite: bool) -> str:
    sharing = '(SELECT count(*) FROM epoch o WHERE o.trial_id = e.trial_id AND o."window" = e."window")'
    columns = f"""
        {identity}, e."index" + 1 AS epoch, e.train_loss, e.validation_loss, e.validation_accuracy AS accuracy,
        e.train_s, e."window" AS window_index, nullif({sharing}, 0) AS window_epochs, sm.domain, m.quality,
        m.gross_j / nullif({sharing}, 0) AS gross_j, m.net_j / nullif({sharing}, 0) AS net_j
    """
    rest = f"""
        JOIN epoch e ON e.trial_id = t.id
        LEFT JOIN sample sm ON sm.trial_id = t.id AND sm.own_device AND sm.part = {WHOLE}
        LEFT JOIN measurement m ON m.trial_id = t.id AND m.window_kind = '{WindowKind.TRAINING}'
            AND m.window_index = e."window" AND m.domain = sm.domain
    """
    return _flagged(columns, rest, is_sqlite)


def _latency(identity: str, is_sqlite: bool) -> str:
    columns = f"{identity}, l.batches, l.p50_s, l.p95_s, l.p99_s, l.mean_s"
    return _flagged(columns, "JOIN latency l ON l.trial_id = t.id", is_sqlite)


def _request(identity: str, is_sqlite: bool) -> str:
    columns = f"""
        {identity}, r."window" AS window_index, r.counted AS requests, r.capacity_per_s, r.mean_batch,
        r.response_mean_s, r.response_p50_s, r.response_p95_s, r.response_p99_s, r.response_max_s
    """
    return _flagged(columns, "JOIN requests r ON r.trial_id = t.id", is_sqlite)


_PLACE = """sweep, sweep_name, kind, factors, device, machine, hardware_class, domain, own_device, quality, simulated,
    imported, unit"""
#: The mean over trials of each figure of a unit of work; the rate is one over the mean seconds of a unit.
_MEANS = ("units_per_s", "gross_j_per_unit", "net_j_per_unit", "carbon_g_per_unit")
_SPREAD = ("gross_j_per_unit", "net_j_per_unit")


def _point(is_sqlite: bool) -> str:
    """Sum up the valid samples of each point, or all of them where none is valid; SQLite has no median of its own."""
    valid = "max(CASE WHEN valid THEN 1 ELSE 0 END)"
    counted = f"""
        SELECT {_PLACE}, valid, {", ".join(_MEANS)}, valid OR {valid} OVER (PARTITION BY {_PLACE}) = 0 AS counted
        FROM v_sample WHERE part IS NULL
    """
    known = {name: f"CASE WHEN counted THEN {name} END" for name in _MEANS}
    placed = ", ".join(
        f"{known[name]} - avg({known[name]}) OVER (PARTITION BY {_PLACE}) AS {name}_off, "
        f"row_number() OVER (PARTITION BY {_PLACE}, {known[name]} IS NULL ORDER BY {known[name]}) AS {name}_rank, "
        f"count({known[name]}) OVER (PARTITION BY {_PLACE}) AS {name}_n"
        for name in _SPREAD
    )
    spread = ", ".join(
        f"avg(CASE WHEN {name}_rank IN (({name}_n + 1) / 2, ({name}_n + 2) / 2) THEN {known[name]} END) "
        f"AS {name}_median, sqrt(sum({name}_off * {name}_off) / nullif(max({name}_n) - 1, 0)) AS {name}_sd, "
        f"max({name}_n) AS {name}_n"
        for name in _SPREAD
    )
    rates = ", ".join(
        f"1 / avg(CASE WHEN {which} THEN 1 / nullif(units_per_s, 0) END)"
        for which in ("counted AND gross_j_per_unit IS NOT NULL", "counted")
    )
    means = {name: f"avg({value})" for name, value in known.items()} | {"units_per_s": f"coalesce({rates})"}
    summed = f"""
        SELECT {_PLACE}, sum(CASE WHEN counted THEN 1 ELSE 0 END) AS trials,
            sum(CASE WHEN counted THEN 0 ELSE 1 END) AS left_out, {valid} = 0 AS doubtful,
            {", ".join(f"{mean} AS {name}" for name, mean in means.items())}, {spread}
        FROM (SELECT *, {placed} FROM ({counted}) c) p GROUP BY {_PLACE}
    """
    return f"""
        SELECT sweep, sweep_name, kind, factors, {_factors("factors", is_sqlite)}, device, machine, hardware_class,
            domain, own_device, quality, simulated, imported, unit, trials, left_out, doubtful, {", ".join(_MEANS)},
            {", ".join(map(_ends, _SPREAD))}
        FROM ({summed}) g
    """


def _ends(name: str) -> str:
    """Select the spread of a mean, the ends of its 95 % interval, and the median; gross joules are never negative."""
    half = f"{_two_sided_t(f'{name}_n - 1')} * {name}_sd / sqrt({name}_n)"
    low = f"{name} - {half}"
    if name.startswith("gross"):
        low = f"CASE WHEN {low} < 0 THEN 0.0 ELSE {low} END"
    return f"{name}_sd, {low} AS {name}_low, {name} + {half} AS {name}_high, {name}_median"


def _two_sided_t(freedom: str) -> str:
    """Return the factor of a 95 % interval: constants, and from ten degrees of freedom on Fisher's expansion."""
    z = NormalDist().inv_cdf(0.975)
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
    )
    powers = (" * ".join([f"({freedom})"] * n) for n in (1, 2, 3))
    expansion = " + ".join([repr(z), *(f"{term!r} / ({power})" for term, power in zip(terms, powers, strict=True))])
    few = " ".join(f"WHEN {n} THEN {t}" for n, t in enumerate(_T, 1))
    return f"CASE {freedom} WHEN 0 THEN NULL {few} ELSE {expansion} END"


#: The 97.5 % quantiles of Student's t with one to nine degrees of freedom.
_T = (12.70620, 4.302653, 3.182446, 2.776445, 2.570582, 2.446912, 2.364624, 2.306004, 2.262157)
