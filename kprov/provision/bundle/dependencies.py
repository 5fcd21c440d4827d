"""Debian's dependency fields: which packages of a set a package needs from that set."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Set

_NAME = re.compile(r"^\s*([a-z0-9][a-z0-9+.-]*)")


def _names(field: str) -> list[str]:
    return [found[1] for part in re.split(r"[,|]", field) if (found := _NAME.match(part))]


def provided_by(fields: Mapping[str, Mapping[str, str]]) -> dict[str, set[str]]:
    """Every name, real or virtual -> the packages that are it.

    Args:
        fields: control fields by package name.
    """
    found: dict[str, set[str]] = {}
    for name, row in fields.items():
        for each in [name, *_names(row.get("Provides", ""))]:
            found.setdefault(each, set()).add(name)
    return found


def needs(row: Mapping[str, str], providers: Mapping[str, set[str]], base: Set[str]) -> tuple[str, ...]:
    """The packages that must be there for this one to be configured, as apt would choose among alternatives.

    Args:
        row: the package's control fields.
        providers: what ``provided_by`` says of the whole set.
        base: names that every machine has, with what they provide: an alternative among them settles its group.
    """
    found: set[str] = set()
    for field in ("Pre-Depends", "Depends"):
        for group in filter(str.strip, row.get(field, "").split(",")):
            names = _names(group)
            if any(name in base for name in names):
                continue
            chosen: Iterable[str] = next((providers[name] for name in names if name in providers), ())
            found.update(chosen)
    return tuple(sorted(found - {row["Package"]}))
