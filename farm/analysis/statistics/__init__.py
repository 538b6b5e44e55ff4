"""Tests, effect sizes and intervals over trials: what scipy, statsmodels and scikit-posthocs compute, as frozen values.

Nothing that they offer is written anew; what none of them has is computed from their output, with its source. Pure.
"""
