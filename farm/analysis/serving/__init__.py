"""Response times under load: requests arrive, wait, and are served in batches by one network on one device.

    arrivals -> policy -> simulation -> figures <- live
                   ^                                ^
    measured service times and joules (service)     requests that a trial served in real time

The simulation draws the time of each batch from those that were measured, and is no measurement under load; live
figures are.
"""

from farm.analysis.serving.figures import Figures, assess
from farm.analysis.serving.live import Live
from farm.analysis.serving.service import Batch, Service, services
from farm.analysis.serving.simulation import Course, simulate
from farm.analysis.serving.times import STATISTICS
from farm.serving.arrivals import Arrivals, Constant, Poisson, Recorded
from farm.serving.policy import Policy

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
