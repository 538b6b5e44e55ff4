"""The number of requests in a measure window of a live trial."""

from math import ceil

from farm.load.policy import Policy

#: The number where a sweep names none: enough to claim a p99.
USUAL_REQUESTS = 512


def requests_in(window_s: float, rate_per_s: float, requests: int | None, policy: Policy) -> int:
    """Return the number asked for (None: the usual one), or more where it would not fill the window or a batch."""
    return policy.filled(max(requests or USUAL_REQUESTS, ceil(rate_per_s * window_s)))
