"""Prometheus metrics of the farm, read from the store when somebody asks."""
