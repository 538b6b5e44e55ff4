"""Inputs by rules: most are nearly right, so that they pass the first checks and meet the later ones."""

import json
from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from farm.kinds import MODELS
from farm.model.conditions import FACTS
from farm.settings import Settings
from tests.fuzz.mutation import NUMBERS, TEXTS

_STRANGE: SearchStrategy[str] = st.one_of(
    st.sampled_from([word.decode(errors="surrogateescape") for word in (*NUMBERS, *TEXTS)]), st.text(max_size=20)
)
_SCALARS: SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.integers(0, 5),
    st.sampled_from([2**63, 10**30, -1, 10**12]),
)


def _words(text: str) -> list[str]:
    return text.split()


def _bytes(texts: SearchStrategy[str]) -> SearchStrategy[bytes]:
    return texts.map(lambda text: text.encode(errors="surrogatepass"))


def _one(words: Sequence[str]) -> SearchStrategy[str]:
    """A word of the language, seldom a strange text."""
    return st.integers(0, 9).flatmap(lambda n: st.sampled_from(words) if n else _STRANGE)


def _sentence(*parts: SearchStrategy[str]) -> SearchStrategy[str]:
    return st.tuples(*parts).map("".join)


#: Values that some factor or field accepts.
_VALUES: SearchStrategy[Any] = st.one_of(
    st.sampled_from(
        _words("alexnet resnet18 p.nets:Net fp32 auto cpu cuda:1 random ./w.pth digits fixed:8 timeout:8:20ms poisson "
        "./t.txt adam cosine sample mnist 10m 2%")
    ),
    _SCALARS,
    _STRANGE,
)  # fmt: skip
_LEVELS: SearchStrategy[Any] = st.one_of(
    _VALUES, st.lists(_VALUES, max_size=4), st.integers(1, 2000).map(lambda n: list(range(1, n + 1)))
)


def _sweep(kind: str) -> SearchStrategy[dict[str, Any]]:
    model = MODELS[kind]
    factors = list(model.model_fields["workload"].annotation.model_fields)  # type: ignore[union-attr]
    workload = st.dictionaries(st.sampled_from(factors), _LEVELS, max_size=8).map(lambda d: {"model": "alexnet", **d})
    numbers = st.one_of(_SCALARS, st.dictionaries(st.sampled_from(["min", "max", "target"]), _SCALARS))
    own: dict[str, SearchStrategy[Any]] = {
        "exclude": st.lists(st.dictionaries(st.sampled_from(factors), _LEVELS, max_size=3), max_size=3),
        "measure": st.dictionaries(st.sampled_from(["profile", "window_s", "windows", "warmup_s", "guard_s"]), _VALUES),
        "repetitions": numbers,
        "targets": st.one_of(
            st.sampled_from(["any", "each-hardware", "lab1"]), CAPABILITY, st.lists(CAPABILITY, max_size=3)
        ),
        "seed": _SCALARS,
        "carbon": st.one_of(st.just("NLD"), st.dictionaries(st.sampled_from(["country", "pue", "file"]), _VALUES)),
        "priority": _SCALARS,
        "time_limit": _VALUES,
    }
    if kind == "tuning":
        ranges = st.dictionaries(st.sampled_from(_words("low high log type levels when")), _SCALARS)
        parameters = st.sampled_from(_words("lr batch_size optimizer eps"))
        space = st.dictionaries(parameters, st.one_of(st.lists(_VALUES, max_size=4), ranges), max_size=3)
        own["tuning"] = st.fixed_dictionaries(
            {"space": space, "strategies": _one(["random", "grid", "tpe", "gp"])},
            optional={"trials": _SCALARS, "seeds": _LEVELS, "pruning": _one(["median", "halving"])},
        )
    chosen = st.fixed_dictionaries({"workload": workload}, optional=own)
    return chosen.map(lambda found: {"name": "x", "kind": kind, **found})


def _one_condition() -> SearchStrategy[str]:
    signs = st.sampled_from([" >= ", "=", " ~ ", "<", " != ", ">"])
    values = _one(["40", "0.5", "true", "false", "EPYC", "A100 80GB", "my.*", "999999999999.999999", "x and y"])
    return _sentence(_one(list(FACTS)), signs, values)


CAPABILITY = st.lists(_one_condition(), min_size=1, max_size=5).map(" and ".join)
CAPABILITIES = _bytes(CAPABILITY)
SWEEPS: SearchStrategy[bytes] = (
    st.sampled_from(sorted(MODELS))
    .flatmap(_sweep)
    .map(lambda found: json.dumps(found, ensure_ascii=True).replace("NaN", ".nan").replace("Infinity", ".inf").encode())
)
ENVIRONMENTS = _bytes(
    st.dictionaries(
        st.sampled_from([name.upper() for name in Settings.model_fields if name != "home"]),
        st.one_of(
            _STRANGE, st.sampled_from(["1", "0.5", "60", "x", "redis://h:1/0", "postgresql://h/x", "NLD", "x.db"])
        ),
        max_size=5,
    ).map(lambda found: "\n".join(f"{name}={value}" for name, value in found.items()))
)
_CONDITION = _sentence(
    _one(["model", "batch_size", "torch", "flags", "machine"]),
    st.sampled_from([">=", "=", "!=", "<", "==", ">", "<="]),
    _one(["8", "alexnet", "2.10", "null", "1e3", "true"]),
)
CONDITIONS = _bytes(st.lists(_CONDITION, max_size=4).map(",".join))
_DURATION = _sentence(
    _one(["20", "1.5", "0", ".5", "1e308", "999999999999999"]), _one(["ms", " s", "h", "min", "us", ""])
)
LOADS = _bytes(
    st.one_of(
        _sentence(st.just("d"), _one(["fixed", "greedy", "timeout"]), st.just(":"), _one(["8", "1", "1000001"]),
                  st.one_of(st.just(""), _DURATION.map(lambda d: f":{d}"))),
        _sentence(st.just("e"), _one(["16", "0.5", "1e9"]), st.just("/"), _one(["s", "min", "h", "m"])),
        _sentence(st.just("f"), _one(["poisson", "constant", "x.txt"])),
        _sentence(st.just("g"), _one(["p99", "mean", "max"]), st.just("="), _DURATION),
        _sentence(st.just("h"), _DURATION),
    )
)  # fmt: skip
OPTIONS = _bytes(
    st.one_of(
        _sentence(st.sampled_from("fa"), _one(["gross_j", "model"]), st.just("="), _one(["energy", "a,b"])),
        _sentence(st.just("b"), _one(["model,batch_size", ",,"])),
        _sentence(st.just("d"), st.just("carbon < "), _one(["200", "1e9"])),
        _sentence(st.just("e"), _DURATION),
    )
)
_COLUMN = _one(["model", "net_j_per_unit", "*", "count(*)", "sweep", "1", "x'00'", "'a' || char(27)", "1e999", "null"])
QUERIES = _bytes(
    _sentence(st.sampled_from(["select ", "select distinct ", "with x as (select 1) select "]), _COLUMN,
              st.just(", "), _COLUMN, st.just(" from "), _one(["v_sample", "v_trial", "v_point", "v_measurement"]),
              st.sampled_from(["", " limit 5", " group by 1", " order by 2 desc", " where model = 'x'"]))
)  # fmt: skip
_OPTION = st.sampled_from(
    _words(
        "--json --by --where --domain --format --country --rows --limit --rate --policy --slo --factor --map --name "
        "--dry-run --include-flagged --target-accuracy --seed --debug --a --b"
    )
)
_COMMAND = st.sampled_from(
    _words(
        "results status list machines export query analyze compare across logs diff rename pause response recommend "
        "timeline models datasets db"
    )
)
_ARGUMENT = st.one_of(_OPTION, _one(_words("measured batching model batch_size>=8 gpu csv 5 16/s")))
COMMANDS = _bytes(
    st.tuples(_COMMAND, st.lists(_ARGUMENT, max_size=5)).map(
        lambda found: "\n".join((found[0], *(one.replace("\n", " ") for one in found[1])))
    )
)
