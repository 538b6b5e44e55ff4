"""Tests, effect sizes and intervals over trials: what scipy, statsmodels and scikit-posthocs compute, as frozen values.

What none of them has, or has only for much more memory, is computed here, and names its source. Pure.
"""
