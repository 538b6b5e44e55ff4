"""Response times under load, simulated over measured batches.

    batches (of a sweep) -> service -> assess (arrivals, policy, seed) -> figures -> response
                                                                                 `-> agreement with live requests

The simulation draws the time of each batch from the measured ones.
"""
