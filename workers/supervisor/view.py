"""What the running trial does now, for people who watch. Nothing that is measured depends on it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from farm.energy.samples import WORK
from farm.energy.validity import contaminations
from farm.model import Domain, LiveTrial, Window, WindowKind
from workers.supervisor.sampler import Sampler
from workers.supervisor.watch import Watch
from workers.trial import protocol

#: The windows whose units show how fast the trial is.
_TIMED = (WindowKind.WARMUP, *WORK)


class View:
    """The state of the running trial: the supervisor's thread replaces it, the thread of the heartbeats reads it."""

    def __init__(self) -> None:
        self.on_change: Callable[[], None] = lambda: None  #: called when a phase begins, and when the trial is over
        self._trial: LiveTrial | None = None
        self._meters: Sampler | None = None
        self._watch: Watch | None = None

    @contextmanager
    def of_trial(self, meters: Sampler, watch: Watch, domain: Domain) -> Iterator[None]:
        """Show a trial; `domain`: that of its device, as far as it is known before the trial runs."""
        self._meters, self._watch = meters, watch
        self._trial = LiveTrial(phase=WindowKind.SETUP, since=datetime.now(UTC), domain=domain)
        try:
            yield
        finally:
            self._trial = self._meters = self._watch = None
            self.on_change()

    def now(self) -> LiveTrial | None:
        """Return what the trial does, with its newest power; None where no trial runs."""
        trial, meters = self._trial, self._meters
        found = meters.power(trial.domain) if trial and meters else None
        return trial.model_copy(update={"power_w": found[0], "quality": found[1]}) if trial and found else trial

    def begin(self, phase: WindowKind, index: int = 0, of: int | None = None) -> None:
        """Begin a phase; its meters have just been read."""
        self._update(phase=phase, index=index, of=of, since=datetime.now(UTC))
        self.on_change()

    def end(self, window: Window) -> None:
        """End a phase: its rate is known now, and whether others used the machine."""
        if window.kind in _TIMED and window.units and window.duration_s:
            self._update(units_per_s=window.units / window.duration_s)
        if self._watch and (doubts := contaminations([window], self._watch.glances)):
            self._update(doubt=doubts[0])

    def see(self, event: protocol.Event) -> None:
        """Follow an event of the trial."""
        match event:
            case protocol.Edge(opens=opens, index=index, of=of) if opens:
                self.begin(opens, index, of)
            case protocol.Closed(window=window):
                self.end(window)
            case protocol.Facts(device=device, unit=unit):
                self._update(domain=Domain.of_device(device), unit=unit)
            case protocol.Doubt(flag=flag, note=note) if flag and not flag.is_note:
                self._update(doubt=note)

    def _update(self, **changes: object) -> None:
        if self._trial:
            self._trial = self._trial.model_copy(update=changes)
