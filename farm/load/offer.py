"""How many requests a measure window of a live trial offers."""

from math import ceil

from farm.load.policy import Policy

#: Where a sweep names no number: enough to claim a p99.
USUAL_REQUESTS = 512


def requests_in(window_s: float, rate_per_s: float, requests: int | None, policy: Policy) -> int:
    """As many as are asked for (None: the usual number), more where they do not fill the window; no batch is short."""
    return policy.filled(max(requests or USUAL_REQUESTS, ceil(rate_per_s * window_s)))
