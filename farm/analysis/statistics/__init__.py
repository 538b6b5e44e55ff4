"""Tests, effect sizes and intervals over trials: what scipy, statsmodels and scikit-posthocs compute, as frozen values.

Statistics that none of them has are computed from their output, and name their source. Pure.
"""
