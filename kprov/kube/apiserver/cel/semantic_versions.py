"""CEL's functions for semantic versions: ``semver('1.2.3').isLessThan(semver('1.3.0-rc.1'))``."""

from __future__ import annotations

import re
from typing import Any

from kprov.kube.apiserver.cel.overloads import Own, Rows, content, holds

SEMVER = "semver"

_NUMBER = r"(?:0|[1-9][0-9]*)"
_WORD = rf"(?:{_NUMBER}|[0-9]*[A-Za-z-][0-9A-Za-z-]*)"
_GRAMMAR = re.compile(
    rf"({_NUMBER})\.({_NUMBER})\.({_NUMBER})(?:-({_WORD}(?:\.{_WORD})*))?(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?"
)
_LOOSE = re.compile(r"v?([0-9]+(?:\.[0-9]+){0,2})((?:[-+].*)?)", re.DOTALL)
_LONGEST = 256


def _read(text: str, normalize: bool = False) -> re.Match[str]:
    if normalize and (loose := _LOOSE.fullmatch(text)):  # "v1.02" is 1.2.0
        numbers = [str(int(each)) for each in loose[1].split(".")]
        text = ".".join([*numbers, "0", "0"][:3]) + loose[2]
    found = _GRAMMAR.fullmatch(text) if len(text) <= _LONGEST else None
    if found is None:
        raise ValueError(f'semver parse error during conversion from string: "{text[:_LONGEST]}"')
    return found


def _semver(text: str, normalize: bool = False) -> Own:
    return {SEMVER: _read(text, normalize)[0]}


def _part(value: Own, index: int) -> int:
    return int(_read(content(value, SEMVER))[index])


def rank(value: Own) -> tuple[Any, ...]:
    """What versions are ordered by: what comes before a release sorts before it, numbers before words."""
    major, minor, patch, before = _read(content(value, SEMVER)).groups()
    words = [(0, int(each), "") if each.isdigit() else (1, 0, each) for each in before.split(".")] if before else []
    return int(major), int(minor), int(patch), not before, words


def rows(kind: Any, own: Any) -> Rows:
    """The functions, but for those that quantities have as well (see functions.py).

    Args:
        kind: CEL's types.
        own: the type of Kubernetes' own values.
    """
    text, number, flag = kind.STRING, kind.INT, kind.BOOL
    return [
        ("isSemver", [(flag, [text], False, lambda given: holds(_read, given)),
                      (flag, [text, flag], False, lambda given, normalize: holds(_read, given, normalize))]),
        ("semver", [(own, [text], False, _semver), (own, [text, flag], False, _semver)]),
        ("major", [(number, [own], True, lambda value: _part(value, 1))]),
        ("minor", [(number, [own], True, lambda value: _part(value, 2))]),
        ("patch", [(number, [own], True, lambda value: _part(value, 3))]),
    ]  # fmt: skip
