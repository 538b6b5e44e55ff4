"""Net energy against the truth of a simulated board: error by method, and coverage of the stated interval.

    python -m tests.benchmarks.accuracy        (make bench-accuracy)

- `cases.py`: sensors, loads and window lengths.
- `virtual.py`: one trial in virtual time; the trial's own code, with the clock, the work and the meters replaced.
- `methods.py`: what each method says of it. Score: what many trials say.
- `live.py`: trials and codecarbon in real time, to see that virtual time is faithful.
"""
