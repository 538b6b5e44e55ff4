"""What is fuzzed: each target has a name, real inputs, inputs built by rules, and the function that takes one.

To add a target, write a function that takes bytes and a folder of its own, and add a line to `TARGETS`. The function
returns if the input is accepted, and raises one of `refuses` if it is not.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis.strategies import SearchStrategy

from farm.model.errors import FarmError
from tests.fuzz import built, command, corpora, texts, wire
from tests.fuzz import documents as files


@dataclass(frozen=True)
class Target:
    """Something that reads what others wrote."""

    name: str
    take: Callable[[bytes, Path], object]
    corpus: Sequence[bytes]  #: real inputs, which are mutated
    built: SearchStrategy[bytes] | None = None  #: inputs by rules; None: mutations alone
    words: Sequence[bytes] = ()  #: words of the inputs' language, for mutations
    weight: float = 1.0  #: its part of all inputs
    refuses: tuple[type[Exception], ...] = field(default=(FarmError,))


#: In the order of the table.
TARGETS: tuple[Target, ...] = (
    Target("sweep", files.take_sweep, corpora.SWEEPS, built.SWEEPS, corpora.SWEEP_WORDS, weight=3),
    Target("restored", files.take_restored, corpora.MEANINGS, weight=0.5),
    Target("farm-toml", files.take_toml, corpora.TOML, words=corpora.SETTING_WORDS, weight=2),
    Target("settings", files.take_settings, corpora.ENVIRONMENTS, built.ENVIRONMENTS, corpora.SETTING_WORDS, weight=2),
    Target("import", files.take_import, corpora.TABLES, words=corpora.TABLE_WORDS, weight=2),
    Target("parquet", files.take_parquet, corpora.PARQUET, weight=0.3),
    Target("observations", files.take_observations, corpora.TABLES, words=corpora.TABLE_WORDS, weight=1),
    Target("trace", files.take_trace, corpora.TRACES, weight=1.5),
    Target("carbon", files.take_carbon, corpora.CARBON, weight=1.5),
    Target("capability", texts.take_capability, corpora.CAPABILITIES, built.CAPABILITIES, corpora.FACT_WORDS, weight=3),
    Target("facts", texts.take_facts, corpora.MACHINES, words=corpora.FACT_WORDS, weight=2),
    Target("where", texts.take_where, corpora.CONDITIONS, built.CONDITIONS, corpora.LABEL_WORDS, weight=2),
    Target("options", texts.take_options, corpora.OPTIONS, built.OPTIONS, corpora.LABEL_WORDS, weight=2),
    Target("load", texts.take_load, corpora.LOADS, built.LOADS, corpora.LOAD_WORDS, weight=3),
    Target("message", wire.take_message, corpora.MESSAGES, words=corpora.MESSAGE_WORDS, weight=4),
    Target("envelope", wire.take_envelope, corpora.ENVELOPES, words=corpora.MESSAGE_WORDS, weight=2),
    Target("spool", wire.take_spooled, corpora.REPORTS, words=corpora.REPORT_WORDS, weight=2),
    Target("report", wire.take_report, corpora.REPORTS, words=corpora.REPORT_WORDS, weight=1),
    Target("machine", wire.take_machine, corpora.MACHINES, words=corpora.FACT_WORDS, weight=1),
    Target("heartbeat", wire.take_heartbeat, corpora.HEARTBEATS, words=corpora.REPORT_WORDS, weight=1),
    Target("event", wire.take_event, corpora.EVENTS, words=corpora.EVENT_WORDS, weight=4),
    Target("query", command.take_query, corpora.QUERIES, built.QUERIES, corpora.SQL_WORDS, weight=1),
    Target("api", command.take_api, corpora.CONDITIONS, words=corpora.LABEL_WORDS, weight=0.5),
    Target("cli", command.take_arguments, corpora.COMMANDS, built.COMMANDS, corpora.CLI_WORDS, weight=0.7),
)
