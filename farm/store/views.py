"""The columns of the database's views and their meaning, for users who write queries.

The migration makes the views; a test checks that they have exactly these columns on SQLite and PostgreSQL.
"""

from collections.abc import Mapping

_IDENTITY = {
    "sweep": "id of the sweep",
    "sweep_name": "name of the sweep",
    "kind": "inference, training, tuning, layers, ...",
    "job": "id of the job: a point, a target, a repetition",
    "trial": "id of the trial: JOB.ATTEMPT",
    "attempt": "number of the attempt, from 1",
    "machine": "name of the machine; null where none took the job",
    "hardware_class": "machines of one class are interchangeable",
    "environment": "id of the software, in table environment",
    "repetition": "number of the repetition, from 0",
    "factors": "the point, as JSON",
}
_STAMPS = {
    "simulated": "true for a simulated machine: no real joules",
    "imported": "true where it was measured elsewhere: farm import",
}
_CARBON = {
    "carbon_g_per_kwh": "carbon intensity of the trial's electricity, in CO2e; null where it is unknown",
    "carbon_pue": "power usage effectiveness, by which grams are multiplied",
    "carbon_source": "table and year, file, or given outright",
}
_JOULES = {
    "domain": "gpu, cpu, dram, wall",
    "quality": "counter, sampled, modelled; null where no joules are known",
}
_FIGURES = {
    "units_per_s": "units of work in a second",
    "gross_j_per_unit": "gross joules of a unit",
    "net_j_per_unit": "net joules of a unit",
    "carbon_g_per_unit": "gCO2e of a unit's gross joules; null where the carbon intensity is unknown",
}
#: The columns of each view, in order, with their meaning; SI units are in the names, and null is unknown.
VIEWS: Mapping[str, Mapping[str, str]] = {
    "v_trial": {
        **_IDENTITY,
        "target": "any, hw:CLASS, machine:NAME, ...",
        "block": "number of the block, which has every point once",
        "state": "state of the job: done, failed, queued again, ...",
        "failure": "null where the trial measured; oom, timeout, crashed, ...",
        "failure_message": "one line",
        "stopped": "why a training ended early: early, pruned, diverged",
        "started_at_utc": "null where imported",
        "finished_at_utc": "",
        "duration_s": "length of the whole trial",
        "overhead_s": "time outside all windows",
        **_CARBON,
        "facts": "facts of the workload, as JSON: device, unit, ...",
        "flags": "flags of the whole trial, joined by semicolons",
        **_STAMPS,
        "valid": "true where there is no flag but notes",
    },
    "v_measurement": {
        **_IDENTITY,
        "window": "idle_before, setup, context_idle, warmup, measure, ...",
        "window_index": "number of the window among those of its kind",
        "begin_at_ns": "monotonic; null where imported",
        "end_at_ns": "",
        "started_at_utc": "",
        "duration_s": "",
        "units": "units of work in the window: images, steps, ...",
        "domain": _JOULES["domain"],
        "quality": "counter, sampled, modelled; null without a meter",
        "source": "name of the meter",
        "gross_j": "all joules of the window",
        "baseline_w": "power that net subtracts",
        "net_j": "gross joules less the baseline's",
        "net_j_low": "lower end of the 95 % interval of net_j",
        "net_j_high": "upper end of that interval",
        "mean_w": "",
        "temperature_c": "",
        "flags": "flags of measurement and trial, joined by semicolons",
        **_STAMPS,
        "gross_u_j": "standard uncertainty of gross_j",
        "baseline_bare_w": "idle power of the machine without a trial",
        "baseline_context_w": "idle power of the loaded model",
        "clock_hz": "",
        "machine_id": "hash of name and hardware",
        "failure": "how the trial failed: then these joules are of a part of its work",
    },
    "v_sample": {
        **_IDENTITY,
        "target": "any, hw:CLASS, machine:NAME, ...",
        "block": "number of the block, which has every point once",
        "device": "cpu, cuda:N; null where imported",
        "domain": _JOULES["domain"],
        "part": "window index of a part (kind layers); null: the whole trial",
        "own_device": "true where the device that did the work draws its power in this domain",
        "unit": "unit of work: image, ...",
        "units": "units of work in all windows of measure or training",
        "duration_s": "length of those windows",
        "gross_j": "gross joules of those windows",
        "gross_u_j": "standard uncertainty of gross_j",
        "gross_shared_u_j": "the part of gross_u_j that all trials of the machine share",
        "net_j": "net joules of those windows",
        "net_u_j": "standard uncertainty of net_j",
        "net_shared_u_j": "the part of net_u_j that all trials of the machine share",
        "idle_w": "power of the loaded model while it waits",
        "quality": f"the worst quality of those windows: {_JOULES['quality']}",
        "flags": "flags of those windows and the trial, joined by semicolons",
        **_CARBON,
        **_STAMPS,
        "valid": "true where there is no flag but notes",
        **_FIGURES,
    },
    "v_point": {
        "sweep": "id of the sweep",
        "sweep_name": "name of the sweep",
        "kind": "inference, training, ...",
        "factors": "the point, as JSON",
        "machine": "name of the machine",
        "hardware_class": "",
        "domain": _JOULES["domain"],
        "own_device": "true where the device that did the work draws its power in this domain",
        "quality": _JOULES["quality"],
        **_STAMPS,
        "unit": "unit of work: image, ...",
        "trials": "number of trials that count",
        "left_out": "number of trials that a flag leaves out",
        "doubtful": "true where every trial is flagged: then all count, and no comparison is valid",
        **{name: f"mean: {what}" for name, what in _FIGURES.items()},
        "gross_j_per_unit_median": "",
        "net_j_per_unit_median": "",
    },
}
#: The content of each view, in one line.
ROWS = {
    "v_trial": "one row for each trial, failed ones too",
    "v_measurement": "one row for each window x domain, as in farm export",
    "v_sample": "one row for each trial x metered domain (x part): the sum of its windows of work",
    "v_point": "one row for each sweep x point x machine x domain: means and medians over trials",
}
