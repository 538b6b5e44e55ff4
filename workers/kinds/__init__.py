"""What can be measured: one folder a kind, which holds its workload and how that is led through its windows.

The seam is `workers.trial.workload`. Nothing imports a kind: it is found by the entry point group `wattfarm.workloads`.
"""
