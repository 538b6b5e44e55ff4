"""Which network and batch policy takes the least energy and still answers in time."""
