"""A report on several sweeps, which can stand as the results section of a paper."""
