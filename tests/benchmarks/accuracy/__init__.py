"""Net energy against the truth of a simulated board: error and stated interval, in every regime that we know.

    python -m tests.benchmarks.accuracy        (make bench-accuracy)

- `boards.py`: boards that publish late, wander, stay high after work, stand in a warmer room.
- `cases.py`: sensors, loads, window lengths, and the regimes: the rows of the table.
- `virtual.py`: trials in virtual time; the supervisor's and the trial's own code, with clock, work and meters replaced.
- `methods.py`: what other methods say of a trial. `scores.py`: what many trials say of ours.
- `resonance.py`: batch periods against a sensor that sees a quarter of the time.
- `live.py`: trials and codecarbon in real time, to see that virtual time is faithful.
"""
