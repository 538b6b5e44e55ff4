"""Do our intervals hold the truth? Synthetic sweeps whose truth is known, through the functions that results call."""
