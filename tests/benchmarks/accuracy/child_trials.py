"""Runs trials as a worker does, one after another, on whatever GPU is here; started by `live.py`.

python -m tests.benchmarks.accuracy.child_trials TRIALS WINDOW_S PROBE      (a `Probe` as JSON)

Where `FARM_PROBE` lets it, it finds out by itself how regularly the counter publishes. The rest is taken from PROBE: a
busy machine disturbs the load that shows the sensor's averaging window.
"""

import sys

from farm.model import Claim, JobSpec, MeasureSettings, Probe
from farm.settings import load_settings
from tests.benchmarks.accuracy.cases import EXACT, Regime
from workers.agent import fingerprint
from workers.supervisor.stop import Stop
from workers.supervisor.supervisor import Supervisor

#: Batches of the load: matrix products on the CPU, whose use is the simulated board's load.
BATCHES = {"period_s": 0.23, "busy_share": 0.8, "device": "cpu"}


def hurried(window_s: float) -> MeasureSettings:
    """The windows of the table, with shorter stretches around them: real time is dear."""
    shorter = {"idle_s": 2.0, "cool_down_max_s": 3.0, "warmup_max_s": 4.0}
    return Regime("live", EXACT, window_s).settings.model_copy(update=shorter)


def merged(known: Probe, found: Probe | None) -> Probe:
    """What is known of the meters, but the counter's rhythm as found."""
    if found is None:
        return known
    rhythm = {name: value for name, value in found if name.startswith("counter_update_")}
    return known.model_copy(update=rhythm)


def main() -> None:
    """One report a line."""
    trials, window_s, probe = int(sys.argv[1]), float(sys.argv[2]), Probe.model_validate_json(sys.argv[3])
    farm_settings = load_settings()
    with Supervisor(farm_settings, fingerprint.machine(farm_settings)) as supervisor:
        supervisor.probe = merged(probe, supervisor.probe)
        for index in range(trials):
            spec = JobSpec(
                job=f"live-{index}", sweep="live", kind="burn", point=BATCHES, repetition=index, target="any",
                measure=hurried(window_s), seed=index, time_limit_s=120,
            )  # fmt: skip
            report = supervisor.run(Claim(spec=spec, attempt=1), Stop())
            print(report.model_copy(update={"traces": ()}).model_dump_json(), flush=True)


if __name__ == "__main__":
    main()
