"""The two studies that this farm repeats: what they claim, and the rules that judge it. Pure.

`batching` and `serving` hold the claims of one study, `searches` and `training` those of the other.
"""
