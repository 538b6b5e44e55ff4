"""The kinds of measurement: one folder for each kind, with its workload and the course of its windows.

The seam is `workers.trial.workload`. Nothing imports a kind: it is found by the entry point group `wattfarm.workloads`.
"""
