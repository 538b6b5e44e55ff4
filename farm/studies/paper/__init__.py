"""Several sweeps as the results section of a paper: read from the store, put into words, laid out."""
