"""Quantities: ``100m`` of CPU, ``1Gi`` of memory, exact and without floating point.

The grammar and the canonical form are those of upstream's resource.Quantity.
"""

from __future__ import annotations

import re
from fractions import Fraction
from functools import lru_cache

Exact = int | Fraction

_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
_GRAMMAR = re.compile(r"([+-]?)(\d*)(?:\.(\d*))?([numkMGTPE]?|[KMGTPE]i|[eE][+-]?\d+)", re.ASCII)
_NANO = 10**9


class QuantityError(ValueError):
    """The text is not a quantity."""


@lru_cache(maxsize=4096)
def _parse(text: str) -> tuple[Exact, str]:
    """The exact value and the format that it was written in."""
    match = _GRAMMAR.fullmatch(text)
    if not match or not (match[2] or match[3]):
        raise QuantityError(f"{text!r} is not a quantity: write a number such as 100m, 1.5 or 2Gi")
    sign, whole, fraction, suffix = match[1], match[2], match[3] or "", match[4]
    number = Fraction(int((whole or "0") + fraction), 10 ** len(fraction))
    if suffix in _BINARY:
        style = "BinarySI"
        number *= 1 << _BINARY[suffix]
    elif suffix in _DECIMAL:
        style = "DecimalSI"
        number *= Fraction(10) ** _DECIMAL[suffix]
    else:
        style = "DecimalExponent"
        exponent = int(suffix[1:])
        if abs(exponent) > 400:
            raise QuantityError(f"{text!r} is not a quantity: its exponent is out of range")
        number *= Fraction(10) ** exponent
    # finer than nano is rounded up, as upstream stores nothing finer
    number = Fraction(-(-number * _NANO // 1), _NANO)
    if sign == "-":
        number = -number
    return (int(number) if number.denominator == 1 else number), style


def parse(quantity: str | int | float) -> Exact:
    """The exact value of a quantity.

    Args:
        quantity: a quantity's text, or the bare number that YAML makes of ``cpu: 2``.

    Raises:
        QuantityError: it is not a quantity.
    """
    return _parse(str(quantity))[0]


def format_of(quantity: str | int | float) -> str:
    """The format that a quantity is written in: DecimalSI, BinarySI or DecimalExponent."""
    return _parse(str(quantity))[1]


@lru_cache(maxsize=4096)
def _scaled(text: str, scale: int) -> int:
    number = _parse(text)[0] * scale
    return int(-(-number // 1)) if number >= 0 else int(number // 1)  # away from zero


def milli(quantity: str | int | float) -> int:
    """The value in thousandths, rounded up: how CPU is counted."""
    return _scaled(str(quantity), 1000)


def value(quantity: str | int | float) -> int:
    """The value rounded up to a whole number: how bytes and everything but CPU are counted."""
    return _scaled(str(quantity), 1)


def format_quantity(number: Exact, style: str = "DecimalSI") -> str:
    """The canonical text of a value: no fraction, no needless precision, the largest suffix that stays exact.

    Args:
        number: the exact value.
        style: DecimalSI, BinarySI or DecimalExponent; BinarySI falls back to DecimalSI below 1024 and for fractions.
    """
    exact = Fraction(number)
    if style == "BinarySI" and abs(exact) >= 1024 and exact.denominator == 1:
        whole = int(exact)
        suffix = ""
        for name, power in _BINARY.items():
            if whole % (1 << power):
                break
            suffix = name
        return f"{whole >> _BINARY[suffix] if suffix else whole}{suffix}"
    nanos = int(-(-exact * _NANO // 1))
    if nanos == 0:
        return "0"
    exponent = -9
    while nanos % 1000 == 0 and exponent < 18:
        nanos //= 1000
        exponent += 3
    if style == "DecimalExponent":
        return f"{nanos}e{exponent}" if exponent else str(nanos)
    suffix = next(name for name, power in _DECIMAL.items() if power == exponent)
    return f"{nanos}{suffix}"


def canonical(quantity: str | int | float) -> str:
    """A quantity's text as upstream writes it back: ``1000m`` becomes ``1``, ``1024Mi`` becomes ``1Gi``."""
    return _canonical(str(quantity))


@lru_cache(maxsize=4096)
def _canonical(text: str) -> str:
    return format_quantity(*_parse(text))
