"""The two studies that this farm repeats: what they claim, and the rules that judge it. Pure.

`finding` has the rules; `batching` and `serving` the claims of one study, `searches` and `training` those of the other.
"""
