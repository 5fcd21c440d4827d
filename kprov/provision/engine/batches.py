"""How many hosts at a time: Ansible's `serial`."""

from __future__ import annotations


def batch_size(serial: int | str | None, count: int) -> int:
    """The size of a batch.

    Args:
        serial: a number, a percentage ("30%"), or None for all at once.
        count: how many hosts there are.

    Returns:
        One at least.
    """
    if serial is None or count == 0:
        return max(1, count)
    if isinstance(serial, str) and serial.endswith("%"):
        return max(1, int(count * float(serial[:-1]) / 100))
    return max(1, int(serial))
