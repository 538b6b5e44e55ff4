"""Recommendation of the network and batch policy with the least energy that answers in time."""
