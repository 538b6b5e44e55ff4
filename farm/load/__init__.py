"""Load: when requests arrive, and when requests that wait become a batch.

Workers serve them in real time, the analysis simulates how they would be served.
"""
