"""The controller of Wattfarm, and the types that controller and workers share."""

__version__ = "0.1.0"
