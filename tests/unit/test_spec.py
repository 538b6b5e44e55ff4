import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import farm
from farm.kinds import json_schema, load_sweep, parse_sweep
from farm.model import Baseline, conditions, queue_for
from farm.model.catalog import MODELS, USER_MODEL
from farm.model.errors import SweepError
from farm.spec import PROFILES, Sweep, canonical, profile_settings, sweep_id
from farm.spec.loader import MAX_BYTES, MAX_SUGGESTIONS

FOLDER = Path("/lab/sweeps")
HEAD = "name: demo\nkind: inference\n"
SMALL = HEAD + "workload: {model: alexnet}\n"
EXAMPLE = """\
name: batching
kind: inference
workload: {model: [alexnet, vit_b_16], batch_size: [1, 4, 16], precision: [fp32], device: auto}   # factors
exclude: [{model: vit_b_16, batch_size: 16}]
measure: {profile: screening, baseline: context}
repetitions: {min: 3, max: 30, target: 2%}
targets: any
seed: 1
carbon: {country: NLD}
"""
QUICKSTART = Path(farm.__file__).parent / "sweeps/quickstart.yaml"


def parse(text: str) -> Sweep:
    return parse_sweep(text, "sweep.yaml", FOLDER)


def problems(text: str) -> list[str]:
    with pytest.raises(SweepError) as caught:
        parse(text)
    return list(caught.value.problems)


def test_reads_the_example() -> None:
    sweep = parse(EXAMPLE)
    assert dict(sweep.workload)["model"] == ("alexnet", "vit_b_16")
    assert dict(sweep.workload)["batch_size"] == (1, 4, 16)
    assert sweep.exclude[0].given == {"model": ("vit_b_16",), "batch_size": (16,)}
    assert (sweep.repetitions.min, sweep.repetitions.max, sweep.repetitions.target) == (3, 30, 0.02)
    assert sweep.targets == ("any",)
    assert sweep.carbon is not None
    assert sweep.carbon.country == "NLD"


def test_reads_the_quickstart() -> None:
    sweep = load_sweep(QUICKSTART)
    assert dict(sweep.workload)["model"] == ("shufflenet_v2_x0_5", "alexnet", "mobilenet_v3_small")
    assert dict(sweep.workload)["batch_size"] == (1, 4, 16)
    assert sweep.measure.profile == "quick"
    assert sweep.repetitions.min == sweep.repetitions.max == 3


def test_one_exclusion_stands_for_a_list_of_one() -> None:
    text = "name: demo\nkind: inference\nworkload: {model: [alexnet, vgg11]}\n"
    assert parse(f"{text}exclude: {{model: vgg11}}\n") == parse(f"{text}exclude: [{{model: [vgg11]}}]\n")


def test_a_key_twice_keeps_the_places_of_its_first_value_alone() -> None:
    text = (
        "name: demo\nkind: tuning\nworkload: {model: simple_cnn, dataset: digits}\ntuning:\n  space: {lr: [0.1, 0.2]}\n"
    )
    assert problems(f"{text}  strategies: {{beta1: 1}}\n  strategies: [random]\n") == [
        "sweep.yaml:6:3: tuning.strategies.name: required, but missing",
        "sweep.yaml:6:16: tuning.strategies.beta1: unknown key here: it belongs under 'workload'",
        "sweep.yaml:7:3: the key 'strategies' occurs twice, first in line 6",
    ]


def test_only_the_first_of_many_unknown_keys_get_a_suggestion() -> None:
    found = problems(SMALL + "".join(f"seeed_{number}: 1\n" for number in range(MAX_SUGGESTIONS + 2)))
    assert len(found) == MAX_SUGGESTIONS + 2
    assert all("unknown key: expected one of name, kind" in line for line in found[:MAX_SUGGESTIONS])
    assert all(line.endswith(": unknown key") for line in found[MAX_SUGGESTIONS:])


def test_an_empty_list_excludes_nothing() -> None:
    assert parse(SMALL + "exclude: []\n").exclude == ()


def test_a_short_sweep_gets_the_defaults() -> None:
    sweep = parse(SMALL)
    assert sweep.workload.size == 1
    assert next(sweep.workload.combinations()) == {
        "model": "alexnet",
        "batch_size": 1,
        "precision": "fp32",
        "device": "auto",
        "weights": "random",
        "images": "sample",
        "channels_last": False,
        "compile": False,
        "threads": None,
    }
    assert profile_settings(sweep.measure) == PROFILES["full"]
    assert (sweep.repetitions.min, sweep.repetitions.max) == (3, 30)
    assert (sweep.seed, sweep.priority, sweep.time_limit, sweep.carbon) == (1, 5, None, None)


@pytest.mark.parametrize(("written", "meant"), [("90", 90), ("90s", 90), ("10m", 600), ("1.5 h", 5400)])
def test_time_limits(written: str, meant: float) -> None:
    assert parse(f"{SMALL}time_limit: {written}\n").time_limit == meant


@pytest.mark.parametrize(("written", "meant"), [("2%", 0.02), ("0.7 %", 0.007), ("'5%'", 0.05), ("0.1", 0.1)])
def test_target_shares(written: str, meant: float) -> None:
    assert parse(f"{SMALL}repetitions: {{target: {written}}}\n").repetitions.target == meant


def test_profiles_differ_in_their_stretches_alone() -> None:
    full, screening, quick = (PROFILES[name] for name in ("full", "screening", "quick"))
    for other, share in ((screening, 0.5), (quick, 0.2)):
        for field in ("window_s", "idle_s", "context_idle_s", "warmup_s", "warmup_max_s", "latency_s"):
            assert getattr(other, field) == pytest.approx(share * getattr(full, field))
        assert (other.guard_s, other.poll_period_s) == (full.guard_s, full.poll_period_s)
    assert [profile.windows for profile in (full, screening, quick)] == [3, 2, 1]
    assert [profile.min_iterations for profile in (full, screening, quick)] == [32, 32, 8]


def test_single_fields_override_the_profile() -> None:
    measure = parse(f"{SMALL}measure: {{profile: quick, window_s: 5, guard_s: 0, baseline: bare}}\n").measure
    expected = {**PROFILES["quick"].model_dump(), "window_s": 5.0, "guard_s": 0.0, "baseline": Baseline.BARE}
    assert profile_settings(measure).model_dump() == expected


def test_paths_begin_at_the_folder_of_the_file() -> None:
    workload = parse(
        f"{HEAD}workload: {{model: alexnet, weights: [random, w.pth, /w/x.pth], images: ../photos}}"
    ).workload
    assert dict(workload)["weights"] == ("random", "/lab/sweeps/w.pth", "/w/x.pth")
    assert dict(workload)["images"] == ("/lab/photos",)


def test_an_exclusion_of_a_path_is_resolved_like_the_factor() -> None:
    sweep = parse(f"{HEAD}workload: {{model: alexnet, images: [sample, ./a]}}\nexclude: {{images: ../sweeps/a}}\n")
    assert sweep.exclude[0].given["images"] == ("/lab/sweeps/a",)


# Each case: what is appended to HEAD (which has two lines), and the lines that must come out.
TARGETS = "expected any, each-hardware, each-machine, the name of a machine, or such as gpu.memory_gib >= 40"
FACTS = f"expected one of {', '.join(conditions.FACTS)}"
WRONG: dict[str, tuple[str, list[str]]] = {
    "not a number": (
        "workload:\n  model: alexnet\n  batch_size: abc\n",
        ["5:15: workload.batch_size: expected a positive integer, got 'abc'"],
    ),
    "each item by its index": (
        "workload: {model: alexnet, batch_size: [1, true, 1.0, 0, null, [2]]}\n",
        [
            "3:44: workload.batch_size[1]: expected a positive integer, got true",
            "3:50: workload.batch_size[2]: expected a positive integer, got 1.0",
            "3:55: workload.batch_size[3]: expected a positive integer, got 0",
            "3:58: workload.batch_size[4]: expected a positive integer, got null",
            "3:64: workload.batch_size[5]: expected a positive integer, got a list",
        ],
    ),
    "too large": (
        "workload: {model: alexnet, batch_size: 9999999}\n",
        ["3:40: workload.batch_size: expected a positive integer, at most 1000000, got 9999999"],
    ),
    "a misspelt model": (
        "workload: {model: alexnte}\n",
        [
            "3:19: workload.model: expected a classification network of torchvision, or package.module:Class, "
            "got 'alexnte' (did you mean 'alexnet'?)"
        ],
    ),
    "the beginning of a model": (
        "workload: {model: shufflenet}\n",
        [
            "3:19: workload.model: expected a classification network of torchvision, or package.module:Class, "
            "got 'shufflenet' (did you mean 'shufflenet_v2_x0_5'?)"
        ],
    ),
    "a misspelt key": (
        "workload: {model: alexnet, batchsize: 3}\n",
        ["3:28: workload.batchsize: unknown key (did you mean 'batch_size'?)"],
    ),
    "a key in the wrong place": (
        "workload: {model: alexnet}\nbatch_size: 3\n",
        ["4:1: batch_size: unknown key here: it belongs under 'workload'"],
    ),
    "a key from nowhere": (
        "workload: {model: alexnet}\ncarbon: {country: NLD, xyz: 1}\n",
        ["4:24: carbon.xyz: unknown key: expected one of country, g_per_kwh, file, pue"],
    ),
    "nothing where a section should be": ("workload:\n", ["3:1: workload: expected a mapping, got null"]),
    "a missing key": ("workload: {batch_size: 1}\n", ["3:1: workload.model: required, but missing"]),
    "an empty list": (
        "workload: {model: []}\n",
        ["3:19: workload.model: expected 1 to 1000 values, got an empty list"],
    ),
    "a duplicate in a list": (
        "workload: {model: [alexnet, vgg11, alexnet]}\n",
        ["3:36: workload.model[2]: the same as item [0]: remove one"],
    ),
    "a misspelt option": (
        "workload: {model: alexnet, precision: [fp32, fp61]}\n",
        ["3:46: workload.precision[1]: expected one of fp32, fp16, bf16, tf32, got 'fp61' (did you mean 'fp16'?)"],
    ),
    "a device that is none": (
        "workload: {model: alexnet, device: 'cuda:01'}\n",
        ["3:36: workload.device: expected auto, cpu, cuda or cuda:N, got 'cuda:01' (did you mean 'cuda:0'?)"],
    ),
    "a word for weights": (
        "workload: {model: alexnet, weights: defualt}\n",
        [
            "3:37: workload.weights: expected random, default or the path of a file such as ./weights.pth,"
            " got 'defualt' (did you mean 'default'?)"
        ],
    ),
    "too long": (
        "workload: {model: alexnet}\ntime_limit: 25h\n",
        ["4:13: time_limit: expected a time such as 90, 10m or 1h, at most 86400, got '25h'"],
    ),
    "a number for a name": (
        "workload: {model: alexnet}\ntargets: [1, lab]\n",
        [f"4:11: targets[0]: {TARGETS}, got 1 (put it in quotes)"],
    ),
    "not a boolean": (
        "workload: {model: alexnet, compile: yes}\n",
        ["3:37: workload.compile: expected true or false, got 'yes'"],
    ),
    "not finite": (
        "workload: {model: alexnet}\nmeasure: {window_s: .nan, idle_s: .inf, warmup_s: 1e999}\n",
        [
            "4:21: measure.window_s: expected a number of seconds above 0, got nan",
            "4:35: measure.idle_s: expected a number of seconds above 0, got inf",
            "4:51: measure.warmup_s: expected a number of seconds above 0, got inf",
        ],
    ),
    "a date": (
        "workload: {model: alexnet}\nseed: 2020-01-01\n",
        ["4:7: seed: expected an integer, 0 or more, got '2020-01-01'"],
    ),
    "a warm-up without end": (
        "workload: {model: alexnet}\nmeasure: {warmup_s: 100}\n",
        ["4:21: measure.warmup_s: warmup_s (100) is longer than warmup_max_s (60)"],
    ),
    "min above max": (
        "workload: {model: alexnet}\nrepetitions: {min: 40}\n",
        ["4:20: repetitions.min: min (40) is above max (30)"],
    ),
    "a rule that may end on one trial": (
        "workload: {model: alexnet}\nrepetitions: {min: 1}\n",
        ["4:20: repetitions.min: one trial shows no spread, so nothing can end on it: min: 2, or repetitions: 1"],
    ),
    "a short form that is wrong": (
        "workload: {model: alexnet}\nrepetitions: abc\n",
        ["4:14: repetitions: expected a positive integer, got 'abc'"],
    ),
    "two origins of the electricity": (
        "workload: {model: alexnet}\ncarbon: {country: NLD, g_per_kwh: 268}\n",
        ["4:35: carbon.g_per_kwh: country is given too: keep one of the two"],
    ),
    "a PUE below 1": (
        "workload: {model: alexnet}\ncarbon: {country: NLD, pue: 0.8}\n",
        ["4:29: carbon.pue: expected a number from 1, such as 1.2, got 0.8"],
    ),
    "a short form of no country": (
        "workload: {model: alexnet}\ncarbon: Netherlands\n",
        [
            "4:9: carbon: expected the ISO 3166 alpha-3 code of a country such as NLD,"
            " got 'Netherlands' (did you mean 'NLD'?)"
        ],
    ),
    "a country by its name": (
        "workload: {model: alexnet}\ncarbon: {country: Netherlands}\n",
        [
            "4:19: carbon.country: expected the ISO 3166 alpha-3 code of a country such as NLD,"
            " got 'Netherlands' (did you mean 'NLD'?)"
        ],
    ),
    "a slip of a word": (
        "workload: {model: alexnet}\ntargets: each_hardware\n",
        [f"4:10: targets: {TARGETS}, got 'each_hardware' (did you mean 'each-hardware'?)"],
    ),
    "another": (
        "workload: {model: alexnet}\ntargets: [lab1, each-machines]\n",
        [f"4:17: targets[1]: {TARGETS}, got 'each-machines' (did you mean 'each-machine'?)"],
    ),
    "a capability of nothing that is known": (
        "workload: {model: alexnet}\ntargets: gpu.memory >= 40\n",
        [f"4:10: targets: unknown fact 'gpu.memory' (did you mean 'gpu.memory_gib'?): {FACTS}"],
    ),
    "a capability with a unit": (
        "workload: {model: alexnet}\ntargets: [lab1, gpu.memory_gib >= 40 GiB and cpu.cores > 8]\n",
        ["4:17: targets[1]: gpu.memory_gib: expected a number such as 40, got '40 GiB'"],
    ),
    "a capability twice": (
        "workload: {model: alexnet}\ntargets: ['gpu.memory_gib>=40', gpu.memory_gib >= 40.0]\n",
        ["4:33: targets[1]: the same as item [0]: remove one"],
    ),
    "any among names": (
        "workload: {model: alexnet}\ntargets: [lab1, any]\n",
        ["4:17: targets[1]: 'any' stands alone: it cannot be listed with others"],
    ),
    "an exclusion of nothing": (
        "workload: {model: alexnet, batch_size: [1, 2]}\nexclude: [{batch_size: 1}, {batch_size: [4, 8]}, {}]\n",
        [
            "4:41: exclude[1].batch_size: matches no point: the sweep has 1, 2, got 4, 8",
            "4:50: exclude[2]: expected at least one factor",
        ],
    ),
    "an exclusion of everything": (
        "workload: {model: alexnet}\nexclude: {batch_size: 1}\n",
        ["4:10: exclude: leaves no point to measure"],
    ),
    "an exclusion of null": (
        "workload: {model: alexnet, threads: [1, 2]}\nexclude: {threads: null}\n",
        ["4:20: exclude.threads: matches no point: the sweep has 1, 2, got null"],
    ),
    "a key twice": (
        "workload: {model: alexnet}\nseed: 1\nseed: 2\n",
        ["5:1: the key 'seed' occurs twice, first in line 4"],
    ),
    "a network of a collection": (
        "workload: {model: [alexnet, 'timm:resnet50']}\n",
        [
            "3:29: workload.model[1]: timm models are not available in this version (got 'resnet50'): "
            "a network of your own is package.module:Class"
        ],
    ),
    "a network of a user without the name of a class": (
        "workload: {model: 'my_package.nets:_Net'}\n",
        [
            "3:19: workload.model: expected a classification network of torchvision, or package.module:Class, "
            "got 'my_package.nets:_Net'"
        ],
    ),
    "an alias": (
        "workload: &all {model: alexnet}\nexclude: *all\n",
        [
            "3:11: anchors and aliases are not supported: write the value out",
            "4:10: anchors and aliases are not supported: write the value out",
        ],
    ),
    "a tag": (
        "workload: {model: !!python/name:os.system alexnet}\n",
        ["3:19: tags are not supported: remove '!!python/name:os.system'"],
    ),
    "a key of two lines": (
        'workload: {model: alexnet, "a\\nb": 1}\n',
        [
            "3:28: workload.'a\\nb': unknown key: expected one of model, batch_size, precision, device, weights,"
            " images, channels_last, compile, threads"
        ],
    ),
    "a complex key": ("? [a]\n: 1\n", ["3:3: expected a plain key such as `name`"]),
    "two documents": (
        "workload: {model: alexnet}\n---\nname: x\n",
        ["4:1: expected one document, got a second one"],
    ),
    "a bracket left open": (
        "workload: {model: [alexnet, vgg11}\n",
        ["3:34: not YAML: while parsing a flow sequence, expected ',' or ']', but got '}'"],
    ),
    "a control character": ("workload: \x07\n", ["3:11: not YAML: the character U+0007 is not allowed"]),
    "an escape beyond Unicode": (
        'workload: "\\U99999999"\n',
        ["3:9: not YAML: an escape or a number after this is out of range"],
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_shows_where_and_what_is_wrong(case: str) -> None:
    text, expected = WRONG[case]
    assert problems(HEAD + text) == [f"sweep.yaml:{line}" for line in expected]


def test_shows_everything_at_once_in_the_order_of_the_text() -> None:
    found = problems(
        "name: my sweep\nkind: inference\nworkload:\n  modle: alexnet\n  batch_size: [1, x]\n"
        "measure: {profile: fast}\nrepetitions: {min: 9, max: 3}\ntargets: []\npriority: 10\nseed: -1\n"
    )
    assert [line.split(": ")[1] for line in found] == [
        "name",
        "workload.model",
        "workload.modle",
        "workload.batch_size[1]",
        "measure.profile",
        "repetitions.min",
        "targets",
        "priority",
        "seed",
    ]


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n", "null\n"])
def test_an_empty_file(text: str) -> None:
    assert problems(text) == ["sweep.yaml:1:1: expected name, kind and workload, got an empty file"]


@pytest.mark.parametrize(("text", "got"), [("- 1\n", "a list"), ("sweep\n", "'sweep'"), ("5\n", "5")])
def test_a_file_that_is_no_mapping(text: str, got: str) -> None:
    assert problems(text) == [f"sweep.yaml:1:1: expected a mapping, got {got}"]


def test_bombs_go_out() -> None:
    assert problems("[" * 100_000) == ["sweep.yaml:1:18: nested more than 16 levels deep"]
    assert problems("a: [" + "1," * 100_000 + "]") == ["sweep.yaml:1:40001: more than 20000 values in one file"]
    assert problems("#" * (MAX_BYTES + 1)) == ["sweep.yaml: larger than 512 KiB: not a sweep"]


def test_too_many_points() -> None:
    sizes = list(range(1, 1001))
    text = f"{HEAD}workload: {{model: alexnet, batch_size: {sizes}, threads: {sizes}}}\n"
    assert problems(text) == [
        "sweep.yaml:3:11: workload: makes 1000000 points, at most 100000 are allowed: split the sweep"
    ]


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    latin = tmp_path / "latin.yaml"
    latin.write_bytes(b"name: x\nkind: caf\xe9\n")
    for path, expected in (
        (tmp_path / "none.yaml", "none.yaml: cannot be read: No such file or directory"),
        (tmp_path, f"{tmp_path.name}: cannot be read: Is a directory"),
        (latin, "latin.yaml:2:10: expected text in UTF-8"),
    ):
        with pytest.raises(SweepError) as caught:
            load_sweep(path)
        assert caught.value.problems == (f"{path.parent}/{expected}",)


def test_reads_a_file_with_a_byte_order_mark_and_windows_line_ends(tmp_path: Path) -> None:
    path = tmp_path / "sweep.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + EXAMPLE.replace("\n", "\r\n").encode())
    assert sweep_id(load_sweep(path)) == sweep_id(parse(EXAMPLE))


def test_carbon_has_a_short_form_and_three_origins() -> None:
    plain = EXAMPLE.replace("carbon: {country: NLD}", "carbon: {}")
    written = {text: parse(plain.replace("carbon: {}", f"carbon: {text}")).carbon for text in (
        "NLD", "{country: NLD, pue: 1.2}", "{g_per_kwh: 268}", "{file: intensity.csv}", "{pue: 1.1}",
    )}  # fmt: skip
    assert [origin.model_dump(exclude_none=True) for origin in written.values() if origin] == [
        {"country": "NLD"},
        {"country": "NLD", "pue": 1.2},
        {"g_per_kwh": 268.0},
        {"file": "/lab/sweeps/intensity.csv"},
        {"pue": 1.1},
    ]


def test_the_origin_of_the_electricity_is_not_measured_anew() -> None:
    assert sweep_id(parse(EXAMPLE)) == sweep_id(parse(EXAMPLE.replace("{country: NLD}", "{g_per_kwh: 12, pue: 1.5}")))


def test_the_id_is_of_the_meaning_not_of_the_text() -> None:
    rewritten = """\
# The same, written otherwise.
carbon:
  country: "NLD"
exclude:
  - batch_size: [16]
    model: vit_b_16
workload:
  device: [auto]
  batch_size: [16, 0x1, 4]
  model: [vit_b_16, alexnet]
kind: inference
name: batching
measure: {profile: screening, window_s: 5}
repetitions: {target: 0.02}
"""
    assert canonical(parse(rewritten)) == canonical(parse(EXAMPLE))
    assert sweep_id(parse(rewritten)) == sweep_id(parse(EXAMPLE))
    assert len(sweep_id(parse(EXAMPLE))) == 12
    assert sweep_id(parse(EXAMPLE), 2) == sweep_id(parse(EXAMPLE)) + ".2"


@pytest.mark.parametrize(
    ("old", "new"),
    [("seed: 1", "seed: 2"), ("screening", "full"), ("4, ", "8, "), ("any", "lab1"), ("2%", "3%")],
)
def test_another_meaning_has_another_id(old: str, new: str) -> None:
    assert sweep_id(parse(EXAMPLE.replace(old, new))) != sweep_id(parse(EXAMPLE))


def test_a_sweep_survives_the_way_through_json() -> None:
    sweep = parse(EXAMPLE)
    assert type(sweep).model_validate(sweep.model_dump(mode="json", exclude_unset=True)) == sweep


@pytest.mark.parametrize(
    ("target", "queue"),
    [
        ("any", "farm.any"),
        ("hw:NVIDIA H200 (x2)", "farm.hw.NVIDIA-H200--x2-"),
        ("machine:gpu1.lab:0", "farm.machine.gpu1.lab-0"),
    ],
)
def test_queues(target: str, queue: str) -> None:
    assert queue_for(target) == queue


def test_the_json_schema_is_closed_and_describes_every_field() -> None:
    schema = json.loads(json.dumps(json_schema()))
    models = [part for part in schema["$defs"].values() if part["type"] == "object" and part["title"] != "Space"]
    assert {"InferenceSweep", "TrainingSweep", "LayersSweep", "Training", "Measure"} <= {m["title"] for m in models}
    for model in models:
        is_open = model["title"] in {"CommandOf", "CommandOfExclusion"}  # whose users name factors
        assert is_open or model["additionalProperties"] is False
        assert all(field["description"] for field in model["properties"].values())
        if model["title"].endswith("Sweep"):
            assert model["required"][:3] == ["name", "kind", "workload"]


def test_the_json_schema_takes_scalars_and_lists() -> None:
    workload = json_schema()["$defs"]["Inference"]["properties"]
    scalar, several = workload["model"]["anyOf"]
    torchvisions, own = scalar["anyOf"]
    assert torchvisions["enum"] == list(MODELS)
    assert own["pattern"] == USER_MODEL
    assert several["items"] == scalar
    assert several["uniqueItems"] is True


def test_importing_stays_light() -> None:
    code = (
        "import sys, farm.scheduling.plan, farm.spec; "
        "print([m for m in ('torch', 'numpy', 'pandas', 'scipy', 'celery', 'sqlalchemy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"


def lines_of(text: str) -> tuple[str, ...]:
    """What the loader says of a text; anything it raises but SweepError fails the test."""
    try:
        parse(text)
    except SweepError as error:
        return error.problems or ("",)
    return ()


def is_clean(line: str) -> bool:
    return line.startswith("sweep.yaml:") and line.isprintable()


yamlish = st.lists(
    st.sampled_from([*"\n\n :-?,[]{}#&*!|>'\"%@`~", "  ", "- ", ": ", "\t", "---\n", "...", "<<: ", "a", "1", "name"])
    | st.text(max_size=3),
    max_size=40,
).map("".join)


@settings(max_examples=400, deadline=None)
@given(yamlish)
def test_any_text_is_a_sweep_or_a_list_of_problems(text: str) -> None:
    assert all(map(is_clean, lines_of(text)))


names = st.sampled_from([name for model in json_schema()["$defs"].values() for name in model.get("properties", {})])
sections = st.sampled_from([*Sweep.model_fields, "x"])
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(exclude_categories=[]), max_size=8)
    | st.sampled_from(["alexnet", "any", "each-hardware", "2%", "10m", "quick", "~/x", "random", "cuda:1", "NLD", 1])
)
values: Any = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names | st.text(max_size=3), inner, max_size=4),
    max_leaves=8,
)


@settings(max_examples=400, deadline=None)
@given(st.dictionaries(sections, values, max_size=8))
def test_any_value_is_a_sweep_or_a_list_of_problems(value: dict[str, Any]) -> None:
    text = json.dumps({"name": "x", "kind": "inference", "workload": {"model": "alexnet"}, **value})
    assert all(map(is_clean, lines_of(text)))


def test_a_control_character_is_refused_where_it_stands() -> None:
    text = 'name: x\nkind: inference\nworkload:\n  model: "alex\\e[2Jnet"\n'
    assert "sweep.yaml:4:10: expected text without control characters, got 'alex\\x1b[2Jnet'" in lines_of(text)
