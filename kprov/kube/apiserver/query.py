"""Numbers in queries."""

from __future__ import annotations

from kprov.kube.api import errors

_LARGEST = (1 << 63) - 1


def number(text: str) -> int:
    """A signed 64-bit number, as upstream reads one; 0 for nothing. Raises ApiError (400) for anything else."""
    digits = text[1:] if text[:1] in ("+", "-") else text
    if not text:
        return 0
    if not (digits.isascii() and digits.isdigit()):
        raise errors.bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax')
    if len(digits) > 30 or not -_LARGEST - 1 <= int(text) <= _LARGEST:
        raise errors.bad_request(f'strconv.ParseInt: parsing "{text}": value out of range')
    return int(text)
