"""Requests that trials served in real time: their figures, results and charts."""
