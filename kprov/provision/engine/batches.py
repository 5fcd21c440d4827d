"""How many hosts at a time: Ansible's `serial`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, TypeVar

T = TypeVar("T")

Serial = int | str | Sequence[int | str] | None
"""A number, a percentage of the hosts ("25%"), or a list of these; None: all at once."""

_STEP = re.compile(r"(\d+)|(\d+(?:\.\d+)?)%")


def parse(text: str) -> list[int | str]:
    """The batches that an option names: ``1,25%,100%``.

    Raises: ValueError saying what is wrong with it.
    """
    steps = [int(word) if word.isdigit() else word for word in (part.strip() for part in text.split(",")) if word]
    if not steps:
        raise ValueError("it is empty; write a number, a percentage, or several of them: 1,25%,100%")
    for step in steps:
        size(step, 100)
        if step == 0:
            raise ValueError("a batch of 0 hosts would never end; leave the option out for all hosts at once")
    return steps


def size(step: Any, count: int) -> int:
    """The size of one batch, 1 at least.

    Args:
        step: a number or a percentage; 0 stands for all, as in Ansible.
        count: how many hosts there are altogether: percentages are of these, not of those that are left.

    Raises: ValueError saying what is wrong with the step.
    """
    match = _STEP.fullmatch(str(step).strip())
    if isinstance(step, bool) or not match:
        raise ValueError(f"{step!r} is neither a number of hosts nor a percentage of them")
    if match[2] is not None:
        return max(1, int(count * min(float(match[2]), 100.0) / 100))
    return int(match[1]) or max(1, count)


def batches(serial: Serial, hosts: Sequence[T]) -> list[list[T]]:
    """The hosts, batch by batch.

    Args:
        serial: of a list, the last step goes on until no host is left.
        hosts: all of them, in order.

    Raises: ValueError saying what is wrong with `serial`.
    """
    if serial is None or serial == [] or serial == ():
        return [list(hosts)] if hosts else []
    steps = list(serial) if isinstance(serial, (list, tuple)) else [serial]
    found: list[list[T]] = []
    begin = 0
    while begin < len(hosts):
        step = size(steps[min(len(found), len(steps) - 1)], len(hosts))
        found.append(list(hosts[begin : begin + step]))
        begin += step
    return found


def most_failures(text: str | int | None, count: int) -> int | None:
    """How many hosts may fail: a number, or a percentage of the hosts (rounded down); None: any number.

    Raises: ValueError saying what is wrong with it.
    """
    if text is None:
        return None
    match = _STEP.fullmatch(str(text).strip())
    if not match:
        raise ValueError(f"{text!r} is neither a number of hosts nor a percentage of them")
    return int(count * min(float(match[2]), 100.0) / 100) if match[2] is not None else int(match[1])
