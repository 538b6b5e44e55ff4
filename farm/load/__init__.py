"""Load: arrivals of requests, and policies that form batches of them.

Workers serve requests in real time; the analysis simulates how a policy would serve them.
"""
