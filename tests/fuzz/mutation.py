"""Strange versions of real inputs: the same random numbers give the same version."""

import json
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

#: Numbers at and beyond the limits of integers, floats, databases and parsers.
NUMBERS: tuple[bytes, ...] = (
    *(
        b"0",
        b"-0",
        b"-1",
        b"1",
        b"1e308",
        b"1e309",
        b"-1e400",
        b"1e-400",
        b"nan",
        b"NaN",
        b"Infinity",
        b"-inf",
        b".inf",
    ),
    *(b"2147483648", b"9223372036854775808", b"-9223372036854775809", b"1" + b"0" * 40, b"9" * 4400, b"0" * 5000),
    *(
        b"0x" + b"f" * 500,
        b"0o17",
        b"1_000",
        b"1.7976931348623159e308",
        b"5e-324",
        b"0.1" + b"1" * 400,
        b"1e" + b"9" * 30,
    ),
)
#: Texts that terminals, parsers, databases, spreadsheets or browsers read as orders, or cannot read.
TEXTS: tuple[bytes, ...] = (
    *(
        b"",
        b" ",
        b"\x00",
        b"\x1b[2J",
        b"\x1b]0;x\x07",
        b"\r",
        b"\x7f",
        b"\xc2\x85",
        b"\xc2\x9b31m",
        b"\xff\xfe",
        b"\xc3",
    ),
    *(
        b"\xed\xa0\x80",
        b"\xef\xbb\xbf",
        "\u202eabc\u2066".encode(),
        "\u2028".encode(),
        "\U0010ffff".encode(),
        "é𝟘".encode(),
    ),
    *(
        b"'",
        b'"',
        b"`",
        b";",
        b"--",
        b"\\",
        b"\\u0000",
        b"\\ud800",
        b"%s%n",
        b"{}",
        b"{0.__class__}",
        b"=1+1",
        b"@SUM(1)",
    ),
    *(
        b"<script>alert(1)</script>",
        b"../../etc/passwd",
        b"/dev/zero",
        b"~nobody/x",
        b"a" * 300,
        b"x" * 20_000,
        b"null",
    ),
    *(
        b"true",
        b"[]",
        b"{}",
        b"[[[]]]",
        b"&a",
        b"*a",
        b"!!python/object:os.system",
        b"<<: *a",
        b"? ",
        b"|\n",
        b"---\n",
        b"...",
    ),
)
#: Brackets that a recursive parser follows into the depth.
DEEP: tuple[bytes, ...] = (
    b"[" * 3000,
    b"{" * 3000,
    b'{"a":' * 3000,
    b"[" * 3000 + b"]" * 3000,
    b"(" * 3000,
    b"- " * 500,
)
_MOST_BYTES = 300_000
#: Values in place of others in JSON; `_RAW` stands for a number that Python would not write.
_RAW = "raw number"
_VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2, 0.5, 1e308, float("nan"), float("inf"), float("-inf"), _RAW, 2**31, 2**63, 2**64),
    *(10**40, -(2**63) - 1, "", "x", "\x00", "\x1b[2J", "a\nb", "\ud800", "\u202e", "1", "nan", "cuda:999", "x" * 5000),
    *([], {}, [[]], [0] * 1000, {"a": {"b": []}}, "2026-11-30T00:00:00Z", "0001-01-01T00:00:00+14:00", "<b>", "=1+1"),
)


def mutated(random: Random, corpus: Sequence[bytes], words: Sequence[bytes] = ()) -> bytes:
    """Return one of the inputs of a corpus with one to five changes; `words`: of the input's language."""
    data = random.choice(corpus)
    for _ in range(random.choice((1, 1, 1, 1, 2, 2, 5))):
        is_json = data[:1] in {b"{", b"["} and random.random() < 0.75
        change = _change_json if is_json else random.choice(_CHANGES)
        data = change(random, data, (*words, *TEXTS, *NUMBERS) if random.random() < 0.7 or not words else words)
    if random.random() < 0.02:
        data = _insert(random, data, DEEP)
    if random.random() < 0.01:
        data = data * random.choice((10, 100, 1000))
    return data[:_MOST_BYTES]


def _change_json(random: Random, data: bytes, words: Sequence[bytes]) -> bytes:
    """Change a value inside a line of JSON: replace it, leave it out, or give it a name that nobody knows."""
    lines = data.split(b"\n")
    place = random.randrange(len(lines))
    try:
        value = json.loads(lines[place])
    except (ValueError, RecursionError):
        return _replace_token(random, data, words)
    number = random.choice([word for word in NUMBERS if word[-1:].isdigit()])
    text = json.dumps(_changed(random, value), ensure_ascii=random.random() < 0.9)
    lines[place] = text.encode(errors="surrogatepass").replace(f'"{_RAW}"'.encode(), number)
    return b"\n".join(lines)


def _changed(random: Random, value: Any) -> Any:
    if not isinstance(value, dict | list) or not value or random.random() < 0.05:
        return random.choice(_VALUES)
    key = random.choice(list(value)) if isinstance(value, dict) else random.randrange(len(value))
    what = random.random()
    if what < 0.1:
        del value[key]
    elif what < 0.15 and isinstance(value, dict):
        value[str(random.choice(_VALUES))[:50]] = random.choice(_VALUES)
    else:
        value[key] = _changed(random, value[key])
    return value


def _insert(random: Random, data: bytes, words: Sequence[bytes]) -> bytes:
    place = random.randint(0, len(data))
    return data[:place] + random.choice(words) + data[place:]


def _replace_token(random: Random, data: bytes, words: Sequence[bytes]) -> bytes:
    """Replace a word or a number: what stands between two signs."""
    if not data:
        return random.choice(words)
    begin = end = random.randrange(len(data))
    while begin > 0 and data[begin - 1 : begin].isalnum():
        begin -= 1
    while end < len(data) and data[end : end + 1].isalnum():
        end += 1
    return data[:begin] + random.choice(words) + data[end:]


def _delete(random: Random, data: bytes, words: Sequence[bytes]) -> bytes:
    begin = random.randint(0, len(data))
    return data[:begin] + data[begin + random.choice((1, 2, 8, 64)) :]


def _flip(random: Random, data: bytes, words: Sequence[bytes]) -> bytes:
    if not data:
        return data
    place = random.randrange(len(data))
    return data[:place] + bytes([data[place] ^ (1 << random.randrange(8))]) + data[place + 1 :]


def _cut(random: Random, data: bytes, words: Sequence[bytes]) -> bytes:
    return data[: random.randint(0, len(data))]


def _repeat(random: Random, data: bytes, words: Sequence[bytes]) -> bytes:
    begin = random.randint(0, len(data))
    part = data[begin : begin + random.choice((1, 4, 16, 64))]
    return data[:begin] + part * random.choice((2, 3, 10, 200)) + data[begin:]


def _move_line(random: Random, data: bytes, words: Sequence[bytes]) -> bytes:
    """Copy, drop or move a line, or change its indent."""
    lines = data.split(b"\n")
    line = lines.pop(random.randrange(len(lines)))
    indent = random.choice((b"", b" ", b"  ", b"\t"))
    for _ in range(random.choice((0, 1, 1, 2))):
        lines.insert(random.randint(0, len(lines)), indent + line)
    return b"\n".join(lines)


_CHANGES: tuple[Callable[[Random, bytes, Sequence[bytes]], bytes], ...] = (
    *(_replace_token, _replace_token, _replace_token, _insert, _insert),
    *(_delete, _flip, _cut, _repeat, _move_line, _move_line),
)
