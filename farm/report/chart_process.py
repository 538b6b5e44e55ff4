"""The process that draws charts: one that its library cannot bear ends this process, and not the report.

It reads requests from its standard input, one line of JSON each, and answers on its standard output: a line of JSON,
and the drawing where there is one. It ends with its input. It imports nothing else of the farm, so that it starts fast.
"""

import json
import os
import resource
import signal
import sys
from collections.abc import Mapping
from typing import IO, Any

#: Bytes that the library may allocate: one point takes 0.6e9 of them, and 30,000 points take 0.8e9.
MOST_MEMORY = 2 << 30
#: Pixels of a PNG for each pixel of the chart.
_PIXELS = 3


def main() -> None:
    """Answer requests until there are no more."""
    _limit(resource.RLIMIT_DATA, MOST_MEMORY)
    _limit(resource.RLIMIT_CORE, 0)
    with os.fdopen(os.dup(1), "wb") as answers:
        os.dup2(2, 1)  # what the library prints is no answer
        for line in sys.stdin.buffer:
            _answer(json.loads(line), answers)


def _limit(which: int, most: int) -> None:
    hard = resource.getrlimit(which)[1]
    allowed = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(which, (allowed, hard))


def _answer(request: Mapping[str, Any], answers: IO[bytes]) -> None:
    """Answer one request; SIGALRM ends the process where that takes too long."""
    signal.setitimer(signal.ITIMER_REAL, request["limit_s"])
    try:
        drawing, answer = _drawn(request["form"], request["spec"]), {}
    except Exception as error:  # the library has no class of its own, and one chart must not end the others
        drawing, answer = b"", {"problem": " ".join(str(error).split()) or type(error).__name__}
    signal.setitimer(signal.ITIMER_REAL, 0)
    answers.write(json.dumps(answer | {"length": len(drawing)}).encode() + b"\n" + drawing)
    answers.flush()


def _drawn(form: str, spec: dict[str, Any]) -> bytes:
    import vl_convert  # noqa: PLC0415 - the limits come first

    if form == "svg":
        svg: str = vl_convert.vegalite_to_svg(spec, allowed_base_urls=[])
        return svg.encode()
    png: bytes = vl_convert.vegalite_to_png(spec, scale=_PIXELS, allowed_base_urls=[])
    return png


if __name__ == "__main__":
    main()
