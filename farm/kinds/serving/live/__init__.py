"""Requests that trials served in real time: figures, results and charts."""
