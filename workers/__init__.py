"""The machines that measure: one worker a machine, one trial at a time."""
