"""Describe why data from outside is invalid, in one line that repeats nothing of the data."""

from pydantic import ValidationError


def describe(error: ValidationError) -> str:
    """Name the first problem and its field. An unknown field is not named: its name is data too."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    if first["type"] == "extra_forbidden":
        return "an unknown field"
    field = next((part for part in reversed(first["loc"]) if isinstance(part, str)), None)
    return f"{field}: {first['msg']}" if field else first["msg"]
