"""Host ranges as Ansible writes them: ``cp[1:3]``, ``cp[01:10:2]``, ``rack[a:c]-[1:2]``."""

from __future__ import annotations

import re
from itertools import product

_RANGE = re.compile(r"\[([^\]\[]*)\]")
# A typo in a bound must not fill the memory.
_LIMIT = 10_000


def expand(pattern: str) -> list[str]:
    """The names that ``pattern`` stands for, in order.

    Returns ``[pattern]`` when it has no range. Raises ValueError saying what is wrong with a range.
    Source: Ansible's inventory guide, "Adding ranges of hosts": both ends are included, leading zeros are kept.
    """
    parts = _RANGE.split(pattern)
    if any("[" in part or "]" in part for part in parts[0::2]):
        raise ValueError("a [ or ] stands alone")
    choices = [[part] if index % 2 == 0 else _expand_one(part) for index, part in enumerate(parts)]
    total = 1
    for choice in choices:
        total *= len(choice)
    if total > _LIMIT:
        raise ValueError(f"it stands for {total} hosts, more than {_LIMIT}")
    return ["".join(name) for name in product(*choices)]


def _expand_one(text: str) -> list[str]:
    """The values of one range, given without its brackets."""
    bounds = text.split(":")
    if len(bounds) not in (2, 3):
        raise ValueError(f"[{text}] is not of the form [first:last] or [first:last:step]")
    first, last = bounds[0] or "0", bounds[1]
    step_text = bounds[2] if len(bounds) == 3 else "1"
    if not step_text.isdigit() or int(step_text) < 1:
        raise ValueError(f"the step in [{text}] is not a positive number")
    step = int(step_text)
    if first.isdigit() and last.isdigit():
        if int(first) > int(last):
            raise ValueError(f"[{text}] begins after its end")
        if (int(last) - int(first)) // step >= _LIMIT:
            raise ValueError(f"[{text}] stands for more than {_LIMIT} hosts")
        width = len(first) if first.startswith("0") and len(first) > 1 else 0
        if width and len(first) != len(last):
            raise ValueError(f"[{text}] begins with {len(first)} digits and ends with {len(last)}")
        return [str(number).zfill(width) for number in range(int(first), int(last) + 1, step)]
    if len(first) == len(last) == 1 and first.isalpha() and last.isalpha() and first.isascii() and last.isascii():
        if first > last:
            raise ValueError(f"[{text}] begins after its end")
        return [chr(code) for code in range(ord(first), ord(last) + 1, step)]
    raise ValueError(f"[{text}] is neither a range of numbers nor one of single letters")
