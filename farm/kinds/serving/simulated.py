"""Response times under load: requests arrive, wait, and are served in batches by one network on one device.

    arrivals -> policy -> simulation -> figures <- live
                   ^                                ^
    measured service times and joules (service)     requests that a trial served in real time

The simulation draws the time of each batch from those that were measured, and is no measurement under load; live
figures are.
"""

from farm.kinds.serving.figures import Figures, assess
from farm.kinds.serving.live import Live
from farm.kinds.serving.service import Batch, Service, services
from farm.kinds.serving.times import STATISTICS
from farm.load.arrivals import Arrivals, Constant, Poisson, Recorded
from farm.load.policy import Policy
from farm.load.simulation import Course, simulate

__all__ = [
    "STATISTICS",
    "Arrivals",
    "Batch",
    "Constant",
    "Course",
    "Figures",
    "Live",
    "Poisson",
    "Policy",
    "Recorded",
    "Service",
    "assess",
    "services",
    "simulate",
]
