"""Why something that came from outside is refused: in one line, without a word of what it holds."""

from pydantic import ValidationError


def reason(error: ValidationError) -> str:
    """What is wrong first, and where; the name of a field that should not be there is content too."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    if first["type"] == "extra_forbidden":
        return "an unknown field"
    field = next((part for part in reversed(first["loc"]) if isinstance(part, str)), None)
    return f"{field}: {first['msg']}" if field else first["msg"]
