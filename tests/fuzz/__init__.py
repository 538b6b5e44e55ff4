"""A fuzzer of everything that reads what others wrote: files, messages, options, SQL, the words of trials.

`python -m tests.fuzz` (or `make fuzz`) feeds each target of `targets.TARGETS` with mutations of real inputs and with
inputs that hypothesis builds. An input may be accepted or refused in one clear line. Any other exception, more than 2 s
of CPU or 300 MB of growth is a failure: it is made smaller and kept in `cases/TARGET/`, which the fast tests replay.
"""
