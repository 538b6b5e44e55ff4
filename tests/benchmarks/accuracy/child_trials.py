"""Runs trials as a worker does, one after another, on whatever GPU is here; started by `live.py`.

python -m tests.benchmarks.accuracy.child_trials TRIALS WINDOW_S [PROBE]      (a `Probe` as JSON)
"""

import sys

from farm.model import Claim, JobSpec, MeasureSettings, Probe
from farm.settings import load_settings
from tests.benchmarks.accuracy.cases import settings_for
from workers import fingerprint
from workers.stop import Stop
from workers.supervisor import Supervisor

#: Batches of the load: matrix products on the CPU, whose use is the simulated board's load.
BATCHES = {"period_s": 0.23, "duty": 0.8, "device": "cpu"}


def hurried(window_s: float) -> MeasureSettings:
    """The windows of the table, with shorter stretches around them: real time is dear."""
    shorter = {"idle_s": 2.0, "cool_down_max_s": 3.0, "warmup_max_s": 4.0}
    return settings_for(window_s).model_copy(update=shorter)


def main() -> None:
    """One report a line."""
    trials, window_s, *said = int(sys.argv[1]), float(sys.argv[2]), *sys.argv[3:]
    farm_settings = load_settings()
    with Supervisor(farm_settings, fingerprint.machine(farm_settings)) as supervisor:
        if said:
            supervisor.probe = Probe.model_validate_json(said[0])
        for index in range(trials):
            spec = JobSpec(
                job=f"live-{index}", sweep="live", kind="burn", point=BATCHES, repetition=index, target="any",
                measure=hurried(window_s), seed=index, time_limit_s=120,
            )  # fmt: skip
            report = supervisor.run(Claim(spec=spec, attempt=1), Stop())
            print(report.model_copy(update={"traces": ()}).model_dump_json(), flush=True)


if __name__ == "__main__":
    main()
