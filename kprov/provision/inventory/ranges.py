"""Host ranges as Ansible writes them: ``cp[1:3]``, ``cp[01:10:2]``, ``rack[a:c]-[1:2]``, and ports: ``cp1:2222``."""

from __future__ import annotations

import re
import string
from itertools import product

_RANGE = re.compile(r"\[([^\]\[]*)\]")
# A typo in a bound must not fill the memory.
_LIMIT = 10_000
_LONGEST = 10_000

_IN_BRACKETS = re.compile(r"\[(.+)\]:([0-9]+)")
_WITH_PORT = re.compile(r"((?:[^:\[\]]|\[[^\]]*\])+):([0-9]+)")
_LABEL = r"\w[\w-]*(?<![_-])"
_NAME = re.compile(rf"{_LABEL}(\.{_LABEL})*")


def expand_hosts(pattern: str) -> tuple[list[str], int | None]:
    """The hosts that an inventory's line names, and the port that it gives them.

    Raises ValueError saying what is wrong with a range or a port.
    Source: Ansible's inventory guide: ``name:port``, ``[address]:port``.
    """
    for form in (_IN_BRACKETS, _WITH_PORT):
        found = form.fullmatch(pattern)
        if found and (form is _IN_BRACKETS or _NAME.fullmatch(_RANGE.sub("0", found[1]))):
            digits = found[2]
            if len(digits) > 5 or not 0 < int(digits) < 65536:
                raise ValueError(f"{digits[:20]} is no port")
            return expand(found[1]), int(digits)
    return expand(pattern), None


def expand(pattern: str) -> list[str]:
    """The names that ``pattern`` stands for, in order.

    Returns ``[pattern]`` when it has no range. Raises ValueError saying what is wrong with a range.
    Source: Ansible's inventory guide, "Adding ranges of hosts": both ends are included, leading zeros are kept.
    """
    if len(pattern) > _LONGEST:
        raise ValueError(f"it is longer than {_LONGEST} letters")
    parts = _RANGE.split(pattern)
    if any("[" in part or "]" in part for part in parts[0::2]):
        raise ValueError("a [ or ] stands alone")
    total = 1
    choices = []
    for index, part in enumerate(parts):
        choices.append([part] if index % 2 == 0 else _expand_one(part))
        total *= len(choices[-1])
        if total > _LIMIT:
            raise ValueError(f"it stands for more than {_LIMIT} hosts")
    return ["".join(name) for name in product(*choices)]


def _expand_one(text: str) -> list[str]:
    """The values of one range, given without its brackets."""
    bounds = text.split(":")
    if len(bounds) not in (2, 3):
        raise ValueError(f"[{text}] is not of the form [first:last] or [first:last:step]")
    first, last = bounds[0] or "0", bounds[1]
    if any(len(bound) > 18 for bound in bounds):
        raise ValueError(f"[{text[:40]}] has a bound that is too large")
    step_text = bounds[2] if len(bounds) == 3 else "1"
    if not _is_number(step_text) or int(step_text) < 1:
        raise ValueError(f"the step in [{text}] is not a positive number")
    step = int(step_text)
    if _is_number(first) and _is_number(last):
        if int(first) > int(last):
            raise ValueError(f"[{text}] begins after its end")
        if (int(last) - int(first)) // step >= _LIMIT:
            raise ValueError(f"[{text}] stands for more than {_LIMIT} hosts")
        width = len(first) if first.startswith("0") and len(first) > 1 else 0
        if width and len(first) != len(last):
            raise ValueError(f"[{text}] begins with {len(first)} digits and ends with {len(last)}")
        return [str(number).zfill(width) for number in range(int(first), int(last) + 1, step)]
    letters = string.ascii_letters  # a to z, then A to Z, as in Ansible
    if len(first) == len(last) == 1 and first in letters and last in letters:
        if letters.index(first) > letters.index(last):
            raise ValueError(f"[{text}] begins after its end")
        return list(letters[letters.index(first) : letters.index(last) + 1 : step])
    raise ValueError(f"[{text}] is neither a range of numbers nor one of single letters")


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()
