"""The columns of the database's views, their meaning and their types, for users who write queries.

The migration makes the views; a test checks that they have exactly these columns on SQLite and PostgreSQL.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ViewColumn:
    """A column of a view."""

    meaning: str
    type: type = str  #: str, int, float or bool; on SQLite a bool is 0 or 1, and JSON is text


def _int(meaning: str) -> ViewColumn:
    return ViewColumn(meaning, int)


def _float(meaning: str) -> ViewColumn:
    return ViewColumn(meaning, float)


def _bool(meaning: str) -> ViewColumn:
    return ViewColumn(meaning, bool)


def _text(meaning: str) -> ViewColumn:
    return ViewColumn(meaning)


#: The factors that are columns of every view, null where a kind lacks them; `factors` has all of them.
FACTORS: Mapping[str, ViewColumn] = {
    "model": _text("network"),
    "batch_size": _int("images in a batch"),
    "precision": _text("number format of the computation"),
    "dataset": _text("data set of a training"),
    "optimizer": _text("optimizer of a training"),
    "lr": _float("learning rate of a training"),
    "epochs": _int("epochs of a training, as planned"),
    "policy": _text("batch policy of a live trial"),
    "rate_per_s": _float("requests a second of a live trial, as planned"),
}
_POINT = {
    "sweep": _text("id of the sweep"),
    "sweep_name": _text("name of the sweep"),
    "kind": _text("inference, training, tuning, layers, ..."),
    "factors": _text("the point, as JSON: factors ->> 'threads' reads a factor"),
    **FACTORS,
    "device": _text("device that did the work: cpu, cuda:N; the factor where no trial says it"),
    "machine": _text("name of the machine; null where none took the job"),
    "hardware_class": _text("machines of one class are interchangeable"),
}
#: The columns of every view; v_point has the first ones, up to the hardware class.
IDENTITY: Mapping[str, ViewColumn] = {
    **_POINT,
    "environment": _text("id of the software, in table environment"),
    "job": _text("id of the job: a point, a target, a repetition"),
    "trial": _text("id of the trial: JOB.ATTEMPT"),
    "attempt": _int("number of the attempt, from 1"),
    "repetition": _int("number of the repetition, from 0"),
}
_STAMPS = {
    "simulated": _bool("true for a simulated machine: no real joules"),
    "imported": _bool("true where it was measured elsewhere: farm import"),
}
_TRIAL_FLAGS = {
    "flags": _text("flags of the whole trial, joined by semicolons"),
    **_STAMPS,
    "valid": _bool("true where there is no flag but notes"),
}
_CARBON = {
    "carbon_g_per_kwh": _float("CO2e intensity that the machine states, else the sweep; null where it is unknown"),
    "carbon_pue": _float("power usage effectiveness, by which grams are multiplied; 1 where nobody states it"),
    "carbon_source": _text("table and year, file, or given outright"),
}
_PLAN = {
    "target": _text("any, hw:CLASS, machine:NAME, ..."),
    "block": _int("number of the block, which has every point once"),
}
_DOMAIN = _text("gpu, cpu, dram, wall")
_OWN_DEVICE = _bool("true where the device that did the work draws its power in this domain")
_QUALITY = "counter, sampled, modelled; null where no joules are known"
_UNIT = _text("unit of work: image, ...")
_LAST_EPOCH = {
    "accuracy": _float("validation accuracy after the last epoch of a training, as a share"),
    "train_loss": _float("training loss of the last epoch"),
    "validation_loss": _float("validation loss after the last epoch"),
}
_BATCH_TIMES = {
    "batches": _int("batches that were timed one by one"),
    "p50_s": _float("50th percentile of the batches' durations: a value that occurred"),
    "p95_s": _float("95th percentile"),
    "p99_s": _float("99th percentile; 459 batches are needed to claim it"),
}
_FIGURES = {
    "units_per_s": "units of work in a second",
    "gross_j_per_unit": "gross joules of a unit",
    "net_j_per_unit": "net joules of a unit",
    "carbon_g_per_unit": "gCO2e of a unit's gross joules; null where the carbon intensity is unknown",
}
_OWN_INTERVAL = "95 % interval by Student's t over the trials that count"


def _spread(name: str) -> Mapping[str, ViewColumn]:
    return {
        f"{name}_sd": _float("standard deviation over the trials that count; null for one"),
        f"{name}_low": _float(f"lower end of the {_OWN_INTERVAL}"),
        f"{name}_high": _float("upper end; farm results adds what trials share and what other points tell"),
        f"{name}_median": _float("median over the trials that count"),
    }


#: The columns of each view, in order; SI units are in the names, and null is unknown.
VIEWS: Mapping[str, Mapping[str, ViewColumn]] = {
    "v_trial": {
        **IDENTITY,
        **_PLAN,
        "state": _text("state of the job: done, failed, queued again, ..."),
        "failure": _text("null where the trial measured; oom, timeout, crashed, ..."),
        "failure_message": _text("one line"),
        "stopped": _text("why a training ended early: early, pruned, diverged"),
        "started_at_utc": _text("null where imported"),
        "finished_at_utc": _text("null where imported"),
        "duration_s": _float("length of the whole trial"),
        "overhead_s": _float("time outside all windows"),
        **_LAST_EPOCH,
        **_CARBON,
        "facts": _text("facts of the workload, as JSON: device, unit, ..."),
        **_TRIAL_FLAGS,
    },
    "v_measurement": {
        **IDENTITY,
        "window": _text("idle_before, setup, context_idle, warmup, measure, ..."),
        "window_index": _int("number of the window among those of its kind"),
        "begin_at_ns": _int("monotonic; null where imported"),
        "end_at_ns": _int("monotonic; null where imported"),
        "started_at_utc": _text("null where imported"),
        "duration_s": _float("length of the window"),
        "units": _int("units of work in the window: images, steps, ..."),
        "domain": _DOMAIN,
        "quality": _text("counter, sampled, modelled; null without a meter"),
        "source": _text("name of the meter"),
        "gross_j": _float("all joules of the window"),
        "baseline_w": _float("power that net subtracts"),
        "net_j": _float("gross joules less the baseline's"),
        "net_j_low": _float("lower end of the 95 % interval of net_j"),
        "net_j_high": _float("upper end of that interval"),
        "mean_w": _float("mean power"),
        "temperature_c": _float("temperature of the device"),
        "flags": _text("flags of measurement and trial, joined by semicolons"),
        **_STAMPS,
        "gross_u_j": _float("standard uncertainty of gross_j"),
        "baseline_bare_w": _float("idle power of the machine without a trial"),
        "baseline_context_w": _float("idle power of the loaded model"),
        "clock_hz": _float("clock of the device"),
        "machine_id": _text("hash of name and hardware"),
        "failure": _text("how the trial failed: then these joules are of a part of its work"),
        "budget": _text("standard uncertainties in J, as JSON: gross and net, by component"),
        **_CARBON,
        "carbon_g": _float("gCO2e of gross_j; null where the carbon intensity is unknown"),
    },
    "v_sample": {
        **IDENTITY,
        **_PLAN,
        "domain": _DOMAIN,
        "part": _int("window index of a part (kind layers); null: the whole trial"),
        "own_device": _OWN_DEVICE,
        "unit": _UNIT,
        "units": _int("units of work in all windows of measure or training"),
        "duration_s": _float("length of those windows"),
        "gross_j": _float("gross joules of those windows"),
        "gross_u_j": _float("standard uncertainty of gross_j"),
        "gross_shared_u_j": _float("the part of gross_u_j that all trials of the machine share"),
        "net_j": _float("net joules of those windows"),
        "net_u_j": _float("standard uncertainty of net_j"),
        "net_shared_u_j": _float("the part of net_u_j that all trials of the machine share"),
        "idle_w": _float("power of the loaded model while it waits"),
        "quality": _text(f"the worst quality of those windows: {_QUALITY}"),
        "flags": _text("flags of those windows and the trial, joined by semicolons"),
        **_BATCH_TIMES,
        **_LAST_EPOCH,
        **_CARBON,
        **_STAMPS,
        "valid": _bool("true where there is no flag but notes"),
        **{name: _float(meaning) for name, meaning in _FIGURES.items()},
    },
    "v_point": {
        **_POINT,
        "domain": _DOMAIN,
        "own_device": _OWN_DEVICE,
        "quality": _text(_QUALITY),
        **_STAMPS,
        "unit": _UNIT,
        "trials": _int("number of trials that count"),
        "left_out": _int("number of trials that a flag leaves out"),
        "doubtful": _bool("true where every trial is flagged: then all count, and no comparison is valid"),
        **{name: _float(f"mean: {meaning}") for name, meaning in _FIGURES.items()},
        **_spread("gross_j_per_unit"),
        **_spread("net_j_per_unit"),
    },
    "v_epoch": {
        **IDENTITY,
        "epoch": _int("number of the epoch, from 1"),
        "train_loss": _float("mean over the training images; null where it is not finite"),
        "validation_loss": _float("loss on the validation images"),
        "accuracy": _float("validation accuracy after the epoch, as a share"),
        "train_s": _float("time of training, without validation"),
        "window_index": _int("number of its training window; null: it ran in an earlier attempt"),
        "window_epochs": _int("epochs in that window: each has an equal share of its joules"),
        "domain": _text("domain of the device that did the work; null, like the joules, for a failed trial"),
        "quality": _text(_QUALITY),
        "gross_j": _float("gross joules of training in the epoch"),
        "net_j": _float("net joules of training in the epoch"),
        **_TRIAL_FLAGS,
    },
    "v_latency": {
        **IDENTITY,
        **_BATCH_TIMES,
        "mean_s": _float("mean duration of a batch"),
        **_TRIAL_FLAGS,
    },
    "v_request": {
        **IDENTITY,
        "window_index": _int("number of the measure window"),
        "requests": _int("requests that the times rest on: without the first 5 % of an endless process"),
        "capacity_per_s": _float("requests served in a busy second"),
        "mean_batch": _float("requests in a batch"),
        "response_mean_s": _float("mean response time, from the planned arrival to the end"),
        "response_p50_s": _float("50th percentile of the response times"),
        "response_p95_s": _float("95th percentile"),
        "response_p99_s": _float("99th percentile; 459 requests are needed to claim it"),
        "response_max_s": _float("longest response time"),
        **_TRIAL_FLAGS,
    },
}
#: The content of each view, in one line.
ROWS = {
    "v_trial": "one row for each trial, failed ones too",
    "v_measurement": "one row for each window x domain, as in farm export",
    "v_sample": "one row for each trial x metered domain (x part): the sum of its windows of work",
    "v_point": "one row for each sweep x point x machine x domain: means and spread over trials",
    "v_epoch": "one row for each epoch of a training",
    "v_latency": "one row for each trial whose batches were timed",
    "v_request": "one row for each measure window of a live trial",
}
