"""Real inputs, which are mutated: the sweeps of the product and of its tests, and one of everything else."""

import json
from io import BytesIO
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

import farm
from farm import kinds
from farm.kinds import Sweep
from farm.model import Live, LiveTrial, Mapped
from farm.model.conditions import FACTS
from farm.scheduling.broker import TASK
from farm.settings import Settings
from farm.spec import canonical
from tests.contract.store_records import MACHINE, UTC_NOON, job_id, report
from workers.trial import protocol

_PRODUCT = Path(farm.__file__).parents[1]
_TEXTS = [path.read_bytes() for path in sorted(_PRODUCT.glob("farm/sweeps/*.yaml"))]


def _without_comments(text: bytes) -> bytes:
    """Return a sweep without its comments, which would take most mutations."""
    lines = (line.partition(b" #")[0].rstrip() for line in text.split(b"\n"))
    return b"\n".join(line for line in lines if line.strip() and not line.lstrip().startswith(b"#"))


def _lines(text: str) -> tuple[bytes, ...]:
    return tuple(line.strip().encode() for line in text.strip().split("\n"))


SWEEPS: tuple[bytes, ...] = (*dict.fromkeys(map(_without_comments, _TEXTS)), _TEXTS[-1])


def _sweep(text: bytes) -> Sweep:
    return kinds.parse_sweep(text.decode(), "x", _PRODUCT)


MEANINGS: tuple[bytes, ...] = tuple(
    _sweep(text).model_dump_json(exclude_unset=True).encode() for text in SWEEPS
) + tuple(canonical(_sweep(text)).encode() for text in SWEEPS[:1])
SWEEP_WORDS = (
    *{
        name.encode()
        for sweep in map(_sweep, SWEEPS)
        for name in (*type(sweep).model_fields, *type(sweep.workload).model_fields)
    },
    *_lines("""
    any
    each-machine
    gpu.memory_gib >= 40 and cpu.model ~ EPYC
    exclude: [{model: alexnet}]
    repetitions: 1000000000000
    time_limit: 1e308h
    [1, 2, 3]
    {low: 1, high: 2, log: true}
    workload: {}
    carbon: {file: ./x.csv}
    """),
)

SETTING_WORDS = tuple(name.encode() for name in Settings.model_fields)
TOML = (
    b'lease_s = 60\nheartbeat_s = 5\nbroker_url = "redis://h:6379/0"\ndatabase_url = "postgresql://u@h/farm"\n'
    b'metrics = "0.0.0.0:9000"\nprobe = false\ncarbon_country = "NLD"\nwall_unit = "kW"\nmax_attempts = 3\n',
    b'allow_models = "a.*, b.c"\ngpu = "0"\nlog_format = "json"\ncarbon_pue = 1.2\nmachine_name = "lab1"\n'
    b'submitter = "anne"\nhome = "x"\ncarbon_now = "http://h/x"\nbroker_password_file = "farm.toml"\n',
)
ENVIRONMENTS = tuple(
    "\n".join(f"{name.upper()}={value}" for name, value in pairs.items()).encode()
    for pairs in (
        {"lease_s": 60, "heartbeat_s": 5, "grace_s": 60, "max_attempts": 3, "watchdog_s": 300, "carbon_pue": 1.1},
        {"broker_url": "redis://u:p@h:6379/0?ssl_ca_certs=x", "database_url": "postgresql://u:p@h:5432/farm"},
        {"broker_url": "rediss://:p@[::1]:6379/0", "database_url": "sqlite:///x.db", "broker_password_file": "farm.db"},
        {"wall_url": "http://h:9090", "wall_unit": "W", "wall_period_s": 1, "wall_accuracy": 0.01, "metrics": ":9000"},
        {"probe": "no", "carbon_country": "NLD", "machine_name": "lab1", "log_format": "text", "task_events": "1"},
    )
)

MAPPED = Mapped({"gross_j": "gross_j"}, {"model": "model", "batch_size": "batch_size"}, "image", {"quality": "counter"})
_ROWS = [
    {"model": model, "batch_size": size, "gross_j": 5.5 * size + n, "net_j": 2.25 * size, "duration_s": 1.5,
     "units": 64, "machine": "lab1", "hardware_class": "cpu-2", "domain": "cpu", "repetition": n}
    for model in ("alexnet", "vgg11") for size in (1, 8) for n in range(3)
]  # fmt: skip
TABLES = (
    "\n".join([",".join(_ROWS[0]), *(",".join(map(str, row.values())) for row in _ROWS), ""]).encode(),
    b'model,batch_size,gross_j,machine,domain\r\n"a ""b"", c",1,1.5,m,gpu\r\n"two\r\nlines",2,,m,gpu\r\n',
)
TABLE_WORDS = (b",", b'"', b"\r\n", b"\n", b";", *(name.encode() for name in _ROWS[0]))


def _parquet() -> bytes:
    file = BytesIO()
    pq.write_table(pa.Table.from_pylist(_ROWS), file, compression="none")
    return file.getvalue()


PARQUET = (_parquet(),)
TRACES = (b"# seconds\n0.0\n0.5\n1.25 # burst\n1.25\n9\n", b"1700000000\n1700000001.5\n\n1700000003\n")
CARBON = (
    b"Datetime (UTC),Country,Carbon intensity gCO\xe2\x82\x82eq/kWh (direct),"
    b"Carbon intensity gCO\xe2\x82\x82eq/kWh (Life cycle)\n"
    b"2026-11-21 11:00:00,NL,301.5,350\n2026-11-21 12:00:00,NL,290,340.25\n2026-11-21 13:00:00,NL,,\n",
    b"datetime,carbonIntensity\n2026-11-21T12:00:00+00:00,200\n2026-11-21T12:30:00Z,210\n",
)

CAPABILITIES = _lines("""
    gpu.memory_gib >= 40 and cpu.model ~ EPYC
    cpu.smt = false and gpu.count=2
    gpu.name ~ A100 and machine.name != lab1
    worker.models = my_package.nets:TinyNet
    kernel ~ 6.1 and ram_gib>128.5
""")
FACT_WORDS = (
    *(name.encode() for name in FACTS),
    *_lines("and\n>=\n<=\n!=\n=\n~\nmemory_bytes\ngpu\ncpu\nhardware\n1e999"),
)
MACHINES = tuple(
    MACHINE.model_copy(update={"hardware": hardware}).model_dump_json().encode()
    for hardware in (
        {"cpu": {"model": "EPYC", "cores": 64, "threads": 128, "smt": True, "governor": "performance"},
         "gpu": {"name": "A100", "memory_bytes": 85899345920, "count": 4, "ecc": True, "compute_capability": "8.0"},
         "ram_bytes": 2**40, "kernel": "6.1.0", "virtualisation": {"hypervisor": False, "container": True}},
        {"cpu": {"model": "i7"}, "gpu": None, "ram_bytes": 16 * 2**30},
    )
)  # fmt: skip
LABEL_WORDS = _lines("model\nbatch_size\nmachine\ndomain\nflags\ntorch\n>=\n<=\n!=\n==\n=\nalexnet\n,\n;\nnull\ntrue")
CONDITIONS = _lines("""
    batch_size>=8,model=alexnet,vgg11
    torch>=2.10
    model!=alexnet
    batch_size==8
    machine=lab1,batch_size<16
""")
#: The first letter chooses the option, see `texts.take_options` and `texts.take_load`.
OPTIONS = tuple(
    f"{letter}{value}".encode()
    for letter, values in {
        "f": ("gross_j=energy,net_j=net", "machine=host"),
        "a": ("model,batch_size=batch", "lr"),
        "b": ("model,batch_size", "machine"),
        "c": ("gpu", "wall"),
        "d": ("carbon < 200", "carbon<12.5"),
        "e": ("24h", "90 min"),
    }.items()
    for value in values
)
LOAD_WORDS = _lines("fixed\ngreedy\ntimeout\n:\n/\n=\nms\nus\ns\nmin\nh\np99\npoisson\nconstant\n16/s\n%\n0.5")
LOADS = tuple(
    f"{letter}{value}".encode()
    for letter, values in {
        "d": ("fixed:8", "greedy:8", "timeout:8:20ms", "timeout:64:0.5s"),
        "e": ("16/s", "30/min", "0.5/h"),
        "f": ("poisson", "constant", "trace.txt"),
        "g": ("p99=50ms", "mean = 0.5 s", "p99.9=2min"),
        "h": ("20ms", "1.5 s", "10m", "2h", "0.7 %"),
    }.items()
    for value in values
)

_BODY = [
    [],
    {"job": "0123456789abcdef", "attempt": 0},
    {"callbacks": None, "errbacks": None, "chain": None, "chord": None},
]
_HEADERS = {
    "lang": "py", "task": TASK, "id": "x", "eta": None, "expires": None, "group": None, "timelimit": [None, None],
    "retries": 0, "argsrepr": "()", "kwargsrepr": "{}", "origin": "g", "ignore_result": True,
}  # fmt: skip
MESSAGES = (f"{json.dumps(_HEADERS)}\n{json.dumps(_BODY)}".encode(),)
ENVELOPES = (
    json.dumps(
        {"body": "W10=", "content-encoding": "utf-8", "content-type": "application/json", "headers": _HEADERS,
         "properties": {"delivery_mode": 2, "delivery_info": {"exchange": "", "routing_key": "farm.any"},
                        "priority": 5, "body_encoding": "base64", "delivery_tag": "t"}}
    ).encode(),
)  # fmt: skip
MESSAGE_WORDS = tuple(
    name.encode() for name in (*_HEADERS, "job", "attempt", "version", "chord", "chain", "compression")
)
REPORTS = (report(job_id(0), 1).model_dump_json().encode(),)
REPORT_WORDS = tuple(f'"{name}"'.encode() for name in json.loads(REPORTS[0]))
HEARTBEATS = tuple(
    live.model_dump_json().encode()
    for live in (
        Live(),
        Live(
            trial=LiveTrial(
                phase="measure", since=UTC_NOON, domain="gpu", power_w=250.5, units_per_s=1e3, unit="image"
            ),
            notes=("the disk is nearly full",),
        ),
    )
)
_REPORT = report(job_id(0), 1)
EVENTS = tuple(
    b"".join(event.model_dump_json().encode() + b"\n" for event in events)
    for events in (
        (protocol.Facts(device="cpu", unit="image", workload={"parameters": 5}, environment={"torch": "2.11"}),
         protocol.Edge(opens="measure", index=1, of=3), protocol.Closed(window=_REPORT.windows[0]),
         protocol.Latencies(values_s=(0.1, 0.2)), protocol.Settle(), protocol.Done()),
        (protocol.Doubt(flag="alias_risk", note="in step"), protocol.Ended(why="early"), protocol.Done()),
        (protocol.Failed(failure={"kind": "oom", "message": "no memory"}),),
    )
)  # fmt: skip
EVENT_WORDS = tuple(
    f'"{name}"'.encode() for name in ("type", "window", "values_s", "done", "closed", "edge", "units", "index")
)

QUERIES = _lines("""
    select * from v_point
    select model, avg(net_j_per_unit) as j from v_sample where valid group by model
    with x as (select 1 as a union all select 2) select a, a*2.5 from x order by 1 desc limit 5
    values (1, 'a', null), (2, x'00ff', 1e308)
    select sweep, count(*) from v_trial group by sweep
""")
SQL_WORDS = _lines("""
    select
    from
    where
    union all
    v_sample
    v_trial
    v_measurement
    count(*)
    zeroblob(100)
    length(hex(zeroblob(1000)))
    printf('%1000d', 1)
    cast(1e999 as text)
    randomblob(10)
    group_concat(model)
    load_extension('x')
    pragma
    attach 'x' as y
    ; select 2
    -- x
    char(27)
    1/0
    9223372036854775807 + 1
""")
COMMANDS = tuple(
    line.encode().replace(b" ", b"\n")
    for line in (
        "results measured --by model --where batch_size>=8 --json",
        "results measured --domain cpu --country DEU",
        "status --json",
        "list",
        "machines lab1",
        "export measured --rows trial --format csv",
        "query select --limit 5 --json",
        "analyze measured --by model",
        "compare measured --by model",
        "across measured measured",
        "logs abc.1",
        "diff measured batching",
        "rename measured other",
        "pause lab1",
        "response measured --rate 16/s --policy fixed:8 --requests 200",
        "recommend measured --slo p99=50ms --rate 5/s --requests 200",
        "import runs.csv --factor model --map gross_j=gross_j --dry-run",
        "run sweep.yaml --dry-run --when carbon<200 --deadline 3h",
        "timeline measured",
        "schema",
        "models",
        "datasets",
    )
)
CLI_WORDS = (
    *(
        b"\n--json",
        b"\n--by\n",
        b"\n--where\n",
        b"\n--domain\n",
        b"\n--format\n",
        b"\n-o\nout.csv",
        b"\n--limit\n",
        b"\n--debug",
    ),
    *(
        b"\n--target-accuracy\n",
        b"\n--help",
        b"\n--x",
        b"\n--",
        b"\n-",
        b"measured",
        b"batching",
        b"model",
        b"batch_size",
        b"gpu",
    ),
)
