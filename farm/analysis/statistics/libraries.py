"""The libraries of the extra `analysis`, which are slow to import and may not be installed."""

from importlib import import_module
from typing import Any

from farm.model.errors import InputError


def library(module: str) -> Any:
    """Import a module of these libraries; raises InputError if the extra is not installed."""
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        raise InputError(f"statistics need {error.name}: pip install 'wattfarm[analysis]'") from None
