"""Rules that views, charts, tests and claims share: when energies may rank, and stand out of their noise. Pure."""

from farm.analysis.intervals import Interval, Median, metered
from farm.model import Quality

#: An interval whose ends differ by a larger factor does not tell the size of a positive quantity.
TOO_WIDE = 100.0


def may_rank_energy(quality: Quality | None) -> bool:
    """Return True if energies of a quality may decide which of two is better, and how much it saves.

    Modelled joules follow from load and rated power, so a ranking of them is one of seconds and of the model's own
    error: there seconds decide. Imported joules may be of unknown quality, and rank.
    """
    return quality is not Quality.MODELLED


def stands_out(energy: Interval | Median | None) -> bool:
    """Return True if a net energy stands out of its noise: it is above 0, and so is its whole interval.

    A single trial has no interval, so that its meter's uncertainty decides.
    """
    if energy is None:
        return False
    if isinstance(energy, Median):
        return energy.value > 0 and (energy.low is None or energy.low > 0)
    low = energy.low if energy.low is not None else energy.mean - (energy.meter or 0.0)
    return energy.mean > 0 and low > 0


def says_little(value: Interval) -> bool:
    """Return True if the interval of a quantity that cannot be negative is too wide to tell its size.

    It reaches down to 0, or one of its ends is more than `TOO_WIDE` times the other.
    """
    if value.low is None or value.high is None or value.low == value.high:
        return False
    return value.low <= 0 or value.high / value.low > TOO_WIDE


def net_stands_out(net_j: float | None, net_u_j: float | None) -> bool:
    """Return True if the net energy of one trial stands out of its standard uncertainty."""
    return net_j is not None and stands_out(metered(net_j, net_u_j))


def overlap(a: Interval, b: Interval) -> bool | None:
    """Return True if two intervals have a value in common, so that their order may be chance; None: an end is unknown.

    It is for values that nothing pairs. Pairs and blocks tell more, and decide where there are some.
    """
    if a.low is None or a.high is None or b.low is None or b.high is None:
        return None
    return a.low <= b.high and b.low <= a.high
