"""What a misspelt word was probably meant to be."""

from collections.abc import Mapping
from difflib import SequenceMatcher


def nearest(word: object, candidates: Mapping[str, str]) -> str | None:
    """Return the likeliest correction, or None; `candidates` maps misspelt words to corrections."""
    if not isinstance(word, str) or not 3 <= len(word) <= 100:
        return None
    wanted = word.casefold()

    def likeness(candidate: str) -> float:
        known = candidate.casefold()
        ratio = SequenceMatcher(None, wanted, known).ratio()
        return max(ratio, 0.75) if known.startswith(wanted) else ratio

    best = max(candidates, key=likeness, default=None)
    return None if best is None or likeness(best) < 0.75 else candidates[best]


def suggestion(word: object, candidates: Mapping[str, str]) -> str:
    """Return ` (did you mean 'x'?)`, or an empty text; `candidates` maps misspelt words to corrections."""
    found = nearest(word, candidates)
    return f" (did you mean {found!r}?)" if found else ""
