"""The error of modelled joules: a model of load and rated power is shared by all trials of a machine."""

from math import sqrt

#: Against meters at the plug, codecarbon's estimates were off by up to this share (Fischer: Ground-Truthing AI Energy
#: Consumption: Validating CodeCarbon Against External Measurements, arXiv 2509.22092, 2025; hundreds of trainings and
#: inferences).
LARGEST_ERROR_SHARE = 0.4
#: Relative standard uncertainty of a modelled energy, gross and net: no more than these limits is known (GUM 4.3.7).
#: It is a shared component: the rated power and the shape of the model are the same in every trial of a machine, so
#: that repetitions do not reduce it. Where the rated power is a guess too, the error may be larger.
MODEL_U_SHARE = LARGEST_ERROR_SHARE / sqrt(3)
