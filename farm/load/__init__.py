"""Requests that come by themselves: when they arrive, and when those that wait become a batch.

Workers serve them in real time, the analysis simulates how they would be served.
"""
