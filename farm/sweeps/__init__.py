"""Ready-made sweeps, as data: `farm.kinds.ready_made` lists and copies them."""
