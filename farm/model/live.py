"""What a worker tells of itself beside its heartbeats: what its trial does now, and what is in the way of measuring."""

from pydantic import AwareDatetime, ConfigDict

from farm.model.words import Domain, Frozen, Quality, WindowKind


class LiveTrial(Frozen):
    """What the running trial does at one moment, for people who watch; no result is computed from it."""

    model_config = ConfigDict(extra="ignore")  # a worker may be newer than the program that reads it

    phase: WindowKind  #: the window that is open, or was open last
    index: int = 0  #: counts the windows of this kind
    of: int | None = None  #: the number of windows of this kind that the trial will have
    since: AwareDatetime  #: when the phase began
    domain: Domain  #: the domain of the trial's device, as far as that is known
    power_w: float | None = None  #: its newest power
    quality: Quality | None = None  #: of that power
    units_per_s: float | None = None  #: in the last window that did work, or in the warm-up
    unit: str | None = None
    doubt: str | None = None  #: the last reason to doubt the trial


class Live(Frozen):
    """What a worker tells with a heartbeat."""

    model_config = ConfigDict(extra="ignore")

    trial: LiveTrial | None = None  #: None: no trial runs
    notes: tuple[str, ...] = ()  #: what will disturb or delay the next trials
    unfit: str | None = None  #: why the machine can run no trial now; it takes no job
