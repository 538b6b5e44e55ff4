"""Run one trial: spawn, follow, compute the report, with idles where they are due. A failure is a result too.

The supervisor never imports torch and never spins: it blocks on the trial's socket and on the stop request, while the
sampler's thread reads the meters at one steady rate from the first idle to the last.
"""

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from farm.energy.modelled import MODEL_U_SHARE
from farm.energy.validity import STILL_S, Glance, used_by_others
from farm.model import Claim, Domain, FailureKind, Flag, JobSpec, Machine, Point, Probe, TrialReport, WindowKind
from farm.model.energies import COVERAGE_FACTOR
from farm.model.text import log_lines
from farm.settings import Settings
from workers.meters import Meter, open_meters
from workers.meters.codecarbon import Codecarbon, Rating
from workers.meters.external import Wall
from workers.supervisor.carbon import add_carbon
from workers.supervisor.conversation import TrialEvents, follow
from workers.supervisor.edges import Edges
from workers.supervisor.idles import Idles
from workers.supervisor.output import Output
from workers.supervisor.registration import probe_of
from workers.supervisor.report import Observed, add_probe, assemble, suit_meters, ticks_within_s
from workers.supervisor.rest import rest_of, temperature_c
from workers.supervisor.sampler import Sampler
from workers.supervisor.stop import Stop
from workers.supervisor.view import View
from workers.supervisor.watch import Watch
from workers.supervisor.zygote import TrialProcess, Zygote
from workers.trial import protocol

#: The pause between the end of a trial and the idle after it.
SETTLE_S = 0.25
#: A counter that did not tick at the last edge is read again after this time, which shows whether it stands still.
STANDSTILL_S = 1.2 * STILL_S
#: After these failures a job may be attempted again; after others its checkpoint is of no use, or is itself the reason.
RESUMED_AFTER = frozenset({FailureKind.CRASHED, FailureKind.INTERRUPTED, FailureKind.LOST, FailureKind.CANCELLED})
#: Other programs that use so many cores while the worker starts are noted; loading torch from a disk uses some, too.
NOTED_CORES = 0.2


class Supervisor:
    """Runs trials on this machine, one at a time, from the thread that entered it."""

    def __init__(self, settings: Settings, machine: Machine) -> None:
        self._settings = settings
        self._machine = machine
        self.probe: Probe | None = None  #: the probe of this machine's meters, once entered
        self.notes: Sequence[str] = ()  #: what a user should know before the first trial
        self.view = View()  #: what the running trial does
        self._zygote = Zygote()
        self._meters: Sequence[Meter] | None = None  #: None: enter them before the next trial
        self._meter_notes: Sequence[str] = ()
        self._entered_meters = ExitStack()
        self._gpu = "cuda:0"  #: the GPU that is metered
        self._idles = Idles()
        self._paused: dict[str, bool] = {}  #: by point, as JSON: whether its first trial paused at random

    def __enter__(self) -> Self:
        with ExitStack() as stack, closing(Watch(self._gpu, self._settings.simulator)) as watch:
            stack.push(self)
            watch.look()
            self._zygote.launch()  # it imports torch while this process enters the meters
            self.probe = probe_of(self._machine, self._settings, self._zygote)
            self._enter_meters(self._gpu)
            self._zygote.start()
            watch.look()
            self.notes = tuple(_doubts(self.rating, watch.glances))
            stack.pop_all()
        return self

    def __exit__(self, *exc: object) -> None:
        self._entered_meters.close()
        self._zygote.close()

    @property
    def rating(self) -> Rating | None:
        """The rated power from which the CPU's joules are modelled; None if they are measured."""
        return next((meter.rating for meter in self._meters or () if isinstance(meter, Codecarbon)), None)

    @property
    def gpus(self) -> int:
        """The number of GPUs that trials see."""
        return self._zygote.gpus

    def _enter_meters(self, gpu: str) -> Sequence[Meter]:
        """Return the meters of this machine and that GPU; enter them again for another GPU and after losing one."""
        if self._meters is None or gpu != self._gpu:
            self._entered_meters.close()
            settings = self._settings.model_copy(update={"gpu": gpu})
            self._meters, self._meter_notes = open_meters(settings, self._entered_meters)
            self._gpu, self._idles = gpu, Idles()
        return self._meters

    def recover(self) -> None:
        """End what the last trial left and have a helper for the next; raises MachineUnfit where that is impossible."""
        self._zygote.prepare()

    def run(self, claim: Claim, stop: Stop) -> TrialReport:
        """Make one attempt at a job; there is a report whatever happens to the trial.

        Raises MachineUnfit where no trial can be started.
        """
        begun_s = time.monotonic()
        measure = suit_meters(claim.spec.measure, self.probe)
        claim = claim.model_copy(update={"spec": claim.spec.model_copy(update={"measure": measure})})
        seen = self._observe(claim.spec, stop)
        moved = self._idles.learn(claim.spec, seen.windows, seen.traces, is_disturbed=bool(seen.disturbances))
        seen = replace(seen, notes=(*seen.notes, *moved))
        report = assemble(
            claim,
            seen,
            self._idles.baselines,
            self._machine.id,
            datetime.now(UTC),
            time.monotonic() - begun_s,
            self._settings.simulated,
        )
        self.notes = tuple(_doubts(self.rating, ()))  # whether others use the machine, flags tell from now on
        if report.failure is None:
            self._paused.setdefault(_as_key(claim.spec.point), Flag.ALIAS_RISK in seen.events.flags)
        return add_carbon(report, self._settings.carbon, claim.intensity_file)

    def _observe(self, spec: JobSpec, stop: Stop) -> Observed:
        """Run the trial, with idles before and after it where they are due, while the sampler reads the meters."""
        started, gpu = datetime.now(UTC), _gpu(spec)
        meters, rating, known = self._enter_meters(gpu), self.rating, self._idles
        with (
            Output() as output,
            closing(Watch(gpu, self._settings.simulator)) as watch,
            Sampler(meters, spec.measure.poll_period_s, ticks_within_s(self.probe)) as sampler,
            self.view.of_trial(sampler, watch, _domain(spec, meters)),
        ):
            edges = Edges(sampler, watch, spec.measure, stop, known.leakage_w_per_c, known.tail_s, self.view)
            edges.read_now()
            control = self._idles.control_reason(spec.measure.control_every, temperature_c(sampler.traces()))
            is_paired = self._idles.is_new or spec.measure.control_every == 1
            idles = edges.idle(WindowKind.IDLE_BEFORE, self._idles.rest) if control else []
            events = TrialEvents(failure=stop.failure)
            if stop.failure is None:
                events = self._lead(spec, self._zygote.spawn(output), edges, stop)
            if events.failure is None:
                if is_paired and not stop.wait(max(SETTLE_S, spec.measure.guard_s)):
                    before = next((w for w in idles if w.kind is WindowKind.IDLE_BEFORE), None)
                    idles += edges.idle(WindowKind.IDLE_AFTER, rest_of(sampler.traces(), before) or self._idles.rest)
                if sampler.has_missed_tick and not stop.wait(STANDSTILL_S):
                    edges.read_now()  # a counter that stopped in the last window has stood still for long enough now
                _await_late(meters, sampler, stop)
            if sampler.lost:
                self._meters = None
            output.finish()
            return Observed(
                started_at_utc=started,
                control=control,
                idles=idles,
                events=events,
                traces=[add_probe(trace, self.probe) for trace in sampler.traces()],
                probe=self.probe,
                glances=watch.glances,
                notes=(*self._meter_notes, *edges.notes, *output.notes, *_notes_of(meters, sampler)),
                rating=str(rating) if rating else None,
                log_tail=log_lines(output.text),
            )

    def _lead(self, spec: JobSpec, trial: TrialProcess, edges: Edges, stop: Stop) -> TrialEvents:
        """Follow a trial, and remove its checkpoint unless another attempt may need it."""
        checkpoint = self._checkpoint(spec)
        start = protocol.Start(
            spec=spec,
            meter_period_s=_meter_period_s(self.probe),
            sensor_period_s=self.probe.sensor_update_period_s if self.probe else None,
            sensor_window_s=self.probe.averaging_window_s if self.probe else None,
            jitter=self._paused.get(_as_key(spec.point)),
            checkpoint=str(checkpoint) if checkpoint else None,
            allow_commands=self._settings.allowed_commands,
            import_from=str(self._settings.import_from) if self._settings.import_from else None,
        )
        events = follow(trial, start, edges, stop, self.view)
        if checkpoint is not None and (events.failure is None or events.failure.kind not in RESUMED_AFTER):
            checkpoint.unlink(missing_ok=True)
        return events

    def _checkpoint(self, spec: JobSpec) -> Path | None:
        """Return the file of a resumable job, for the next attempt at it on this machine."""
        return self._settings.home / "checkpoints" / f"{spec.job}.pt" if spec.resumable else None


def _doubts(rating: Rating | None, glances: Sequence[Glance]) -> Iterator[str]:
    """Yield what a user should know before the first trial."""
    if rating is not None:
        yield f"no CPU energy meter: CPU joules are modelled from load, ± {COVERAGE_FACTOR * MODEL_U_SHARE:.0%}"
    cores = used_by_others(*glances) if len(glances) == 2 else 0.0
    if cores > NOTED_CORES:
        yield f"other programs use {cores:.0%} of a core: trials will be flagged"


def _meter_period_s(probe: Probe | None) -> float | None:
    """Return the update period of the GPU's meter that gives the joules: the counter, unless it was found wrong."""
    if probe is None:
        return None
    counter_s = None if probe.counter_trusted is False else probe.counter_update_period_s
    return counter_s or probe.sensor_update_period_s


def _await_late(meters: Sequence[Meter], sampler: Sampler, stop: Stop) -> None:
    """Wait for wall meters, whose readings of the last window's end arrive later, over a network."""
    delay_s = max((meter.delay_s for meter in meters if isinstance(meter, Wall)), default=0.0)
    if delay_s:
        stop.wait(delay_s)
        sampler.read_now()


def _notes_of(meters: Sequence[Meter], sampler: Sampler) -> Iterator[str]:
    """Yield what wall meters noted, and which meters were lost."""
    for meter in meters:
        if isinstance(meter, Wall):
            yield from meter.notes
    yield from (f"lost in this trial: meter {line}" for line in sampler.lost)


def _as_key(point: Point) -> str:
    return json.dumps(point, sort_keys=True)


def _gpu(spec: JobSpec) -> str:
    """Return the GPU that the trial runs on, as CUDA calls it: the first one by default."""
    device, _, number = str(spec.point.get("device")).partition(":")
    return f"cuda:{int(number)}" if device == "cuda" and number.isdecimal() else "cuda:0"


def _domain(spec: JobSpec, meters: Sequence[Meter]) -> Domain:
    """Return the domain of the device that a trial asks for: that of a metered GPU, unless it asks for the CPU."""
    is_metered = any(Domain.GPU in meter.domains for meter in meters)
    return Domain.GPU if is_metered and spec.point.get("device") != "cpu" else Domain.CPU
