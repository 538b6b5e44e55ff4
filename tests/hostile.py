"""A farm whose every text is an attack: names, levels, facts, notes, failures and logs that want to be obeyed.

The texts come in as those of users, files and a rogue worker do: by submission, import, registration and report.
"""

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from farm.cli.loading import load_material, load_report
from farm.exchange.importing import read
from farm.model import Domain, FailureKind, Flag, Live, Mapped, Owner, SweepData, SweepRecord, TrialCarbon
from farm.report.document import Report
from farm.report.selection import Selection
from farm.store import Store
from farm.studies.paper import material, sections
from tests.contract.store_records import MACHINE, new_job, record, report
from tests.loaded import loaded
from tests.reports import LATER, PROBED, batching, trial
from tests.serving import live, shown
from tests.trainings import asked, part, sweep_of, taken_apart, trained

#: What a page does that obeys one of them: it changes its title, or asks a server for `/canary`.
CANARY, TITLE = "http://127.0.0.1:9/canary", "obeyed"
_DO = f"document.title='{TITLE}'"
#: Markup, scripts, handlers, links, styles, templates, formulas and Markdown, and characters that others obey.
ATTACKS: Mapping[str, str] = {
    "script": f"<script>{_DO}</script>",
    "handler": f'<img src={CANARY} onerror="{_DO}">',
    "attribute": f"\"' onmouseover='{_DO}' style='background:url({CANARY})' x=\"",
    "svg": f"</text></title></desc></svg><svg onload={_DO}><a xlink:href=javascript:{_DO}>",
    "style": f"</style><style>@import url({CANARY});body{{display:none}}</style>",
    "end": f'</td></table></main></textarea></pre><iframe srcdoc="<script>parent.{_DO}</script>"></iframe>--><!--',
    "link": f"javascript:{_DO} [x](javascript:{_DO}) ![x]({CANARY}) <{CANARY}>",
    "template": "{{7*7}}{% raw %}{# #}${7*7}#{7*7}",
    "formula": f'=HYPERLINK("{CANARY}","x")+cmd|\' /C calc\'!A0',
    "markdown": f"|`<b>`|``<i>` <u>|\n\n# forged\n\n```\n<script>{_DO}</script>\n",
    "control": "\x1b[2J\x1b]0;title\x07\x9b31m\x00\x08\r\x85\u2028\u2029\u202egpj.exe\u2066\ufffe",
    "vega": "'+datum+'\"]}] datum['__proto__'] constructor \\x1b",
}
EVIL = " ".join(ATTACKS.values())
#: What a cell of an imported file may hold of it.
CELLS = [text for text in ATTACKS.values() if "\x1b[" not in text and "\n" not in text]


def reports(folder: Path) -> Iterator[tuple[str, Report]]:
    """Yield a report on measured and imported sweeps of a hostile store, and one on each other kind of sweep."""
    with stored(f"sqlite:///{folder / 'farm.db'}", folder) as (store, sweeps):
        found = load_material(store, load_report(store, sweeps), [], EVIL, LATER, include_flagged=True)
        yield "stored", sections.document(found)
    for kind, data in kinds().items():
        yield kind, sections.document(material.gather([data], [], EVIL, LATER, Selection()))


@contextmanager
def stored(url: str, folder: Path) -> Iterator[tuple[Store, Sequence[SweepRecord]]]:
    """A store with a sweep that a rogue worker has measured and failed, and one that was imported."""
    with measured(url) as (store, sweep):
        yield store, (sweep, imported(store, folder))


@contextmanager
def measured(url: str) -> Iterator[tuple[Store, SweepRecord]]:
    """A store with a sweep that a rogue worker has measured; its last trial failed."""
    sweep = record(name=EVIL).model_copy(update={"text": f"name: x # {EVIL}\n", "submitter": EVIL})
    plain = trial("any", 1.0)
    facts = {"device": "cpu", "unit": "image", "cpu": EVIL, EVIL: EVIL, "cpu_rating": EVIL}
    changes: dict[str, Any] = {
        "notes": (EVIL, f"measure: {EVIL}"),
        "environment": {EVIL: EVIL, "torch": EVIL},
        "flags": (Flag.CONTAMINATED,),
        "facts": facts,
        "log_tail": EVIL,
        "carbon": TrialCarbon(g_per_kwh=300.0, source=EVIL),
        "traces": tuple(trace.model_copy(update={"source": EVIL}) for trace in plain.traces),
    }
    with batching(url, sweep, (f"/models/{EVIL}", "vgg11"), **changes) as (store, sweep):
        hardware = {"cpu": {"model": EVIL, "cores": 2}, "gpu": {"model": EVIL, "memory_gib": 40}, EVIL: EVIL}
        named = {"name": EVIL, "hardware_class": EVIL, "hardware": hardware, "software": {EVIL: EVIL, "torch": EVIL}}
        rogue = PROBED.model_copy(update={**named, "abilities": {"models": [EVIL], "gpus": EVIL}})
        store.register_machine(rogue, Owner(EVIL, 1, EVIL), EVIL)
        store.machine_beat(rogue.id, None, live=Live(notes=(EVIL,)))
        job = replace(new_job(99, sweep.id), max_attempts=1)
        store.submit(sweep, [job])
        store.claim(job.id, 0, Owner("lab1", 1, "boot"), MACHINE.id, 60.0)
        lost = report(job.id, 1, FailureKind.CRASHED, log_tail=EVIL)
        assert lost.failure is not None
        store.complete(lost.model_copy(update={"failure": lost.failure.model_copy(update={"message": EVIL})}))
        yield store, sweep


def imported(store: Store, folder: Path) -> SweepRecord:
    """Import a file each cell of which is an attack."""
    path = folder / f"{ATTACKS['template']}\x1b\udcff<b>.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow([ATTACKS["script"], ATTACKS["handler"], "machine", "gross_j", "duration_s"])
        for number, cell in enumerate(CELLS * 2):
            rows.writerow([cell, CELLS[-1], CELLS[number % 2], 10 + number, 1])
    factors = {ATTACKS["script"]: ATTACKS["script"], "<b>x</b>": ATTACKS["handler"]}
    constants = {"domain": "gpu", "hardware_class": ATTACKS["svg"]}
    store.add_import(read(path, None, Mapped({}, factors, ATTACKS["attribute"], constants)), EVIL)
    return store.find_sweep()


def kinds() -> Mapping[str, SweepData]:
    """What a command loads of sweeps of the other kinds."""
    named: dict[str, Any] = {"machine": EVIL, "hardware_class": EVIL, "notes": (EVIL,)}
    own = named | {"row_machine": EVIL, "row_hardware_class": EVIL, "row_source": EVIL}
    runs = [
        trained(f"{model}.{n}", 0.5, 0.6 + n / 10, gross_j=10.0 + n, point_model=model, point_dataset=EVIL, **own)
        for model in (EVIL, "simple_cnn")
        for n in range(2)
    ]
    searches = [
        asked(strategy, seed, number, 0.5, 0.6 + number / 10, point_model=EVIL, point_lr=0.01 + number / 99, **own)
        for strategy in (EVIL, "random")
        for seed in (1, 2)
        for number in range(2)
    ]
    parts = [part(EVIL, "forward", "whole"), part(f"Conv2d {EVIL}", "forward"), part(f"{EVIL} b", "forward")]
    layers = [taken_apart(str(n), parts, [4.0, 3.0 + n / 9, 1.0], **named) for n in range(3)]
    served = [shown(n, point_model=model, **named) for model in (EVIL, "alexnet") for n in range(2)]
    return {
        "training": loaded(_sweep("training"), *runs),
        "tuning": loaded(_sweep("tuning"), *searches),
        "layers": loaded(_sweep("layers"), *layers),
        "serving": live(_sweep("serving"), *served, domain=Domain.CPU),
    }


def _sweep(kind: str) -> SweepRecord:
    space = {"lr": {"low": 0.001, "high": 0.1, "log": True}, "optimizer": ["adam", EVIL]}
    meaning = json.dumps({"tuning": {"space": space}, EVIL: EVIL})
    return sweep_of(kind, meaning).model_copy(update={"name": EVIL, "text": EVIL, "submitter": EVIL})
