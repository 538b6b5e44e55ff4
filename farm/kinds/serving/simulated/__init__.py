"""Response times under load, simulated over measured batches.

    batches (a sweep that timed them) -> service -> assess (arrivals, policy, seed) -> figures -> response
                                                                                   `-> agreement, beside live ones

The simulation draws the time of each batch from those that were measured.
"""
