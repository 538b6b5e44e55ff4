"""What a worker tells of itself beside its heartbeats: what its trial does now, and what is in the way of measuring."""

from pydantic import AwareDatetime, ConfigDict, Field

from farm.model.bounds import LARGEST, Known, Notes, ShortLine
from farm.model.words import Domain, Frozen, Quality, WindowKind


class LiveTrial(Frozen):
    """What the running trial does at one moment, for people who watch; no result is computed from it."""

    model_config = ConfigDict(extra="ignore")  # a worker may be newer than the program that reads it

    phase: WindowKind  #: the window that is open, or was open last
    index: int = Field(default=0, ge=0, le=LARGEST)  #: counts the windows of this kind
    of: int | None = Field(default=None, ge=0, le=LARGEST)  #: the number of windows of this kind in the trial
    since: AwareDatetime  #: when the phase began
    domain: Domain  #: the domain of the trial's device, as far as that is known
    power_w: Known = None  #: its newest power
    quality: Quality | None = None  #: of that power
    units_per_s: Known = None  #: in the last window that did work, or in the warm-up
    unit: ShortLine | None = None
    doubt: ShortLine | None = None  #: the last reason to doubt the trial


class Live(Frozen):
    """What a worker tells with a heartbeat."""

    model_config = ConfigDict(extra="ignore")

    trial: LiveTrial | None = None  #: None: no trial runs
    notes: Notes = ()  #: what will disturb or delay the next trials
    unfit: ShortLine | None = None  #: why the machine can run no trial now; it takes no job
