"""Response times under load: requests arrive, wait, and are served in batches by one network on one device.

    arrivals -> policy -> simulation -> figures
                   ^
    measured service times and joules (service)

Nothing here is measured under load: the simulation draws the time of each batch from those that were measured.
"""

from farm.analysis.serving.figures import STATISTICS, Figures, assess
from farm.analysis.serving.service import Batch, Service, services
from farm.analysis.serving.simulation import Course, simulate
from farm.serving.arrivals import Arrivals, Constant, Poisson, Recorded
from farm.serving.policy import Policy

__all__ = [
    "STATISTICS",
    "Arrivals",
    "Batch",
    "Constant",
    "Course",
    "Figures",
    "Poisson",
    "Policy",
    "Recorded",
    "Service",
    "assess",
    "services",
    "simulate",
]
