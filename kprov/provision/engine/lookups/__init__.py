"""Ansible's lookups: values from the controller's files, environment and variables, and the lists of `with_X`.

Source of each: the lookup plugin of the same name in ansible-core.
"""

from __future__ import annotations

from typing import Any

from kprov.provision.engine.lookups.context import Lookup, LookupContext, LookupProblem
from kprov.provision.engine.lookups.hosts import HOSTS
from kprov.provision.engine.lookups.lists import LISTS
from kprov.provision.engine.lookups.outside import OUTSIDE
from kprov.provision.engine.lookups.passwords import password
from kprov.provision.engine.lookups.tables import TABLES

LOOKUPS: dict[str, Lookup] = {**HOSTS, **LISTS, **OUTSIDE, **TABLES, "password": password}

_COLLECTIONS = ("ansible.builtin.", "community.general.")


def own_name(name: str) -> str:
    """A lookup's name without its collection."""
    for prefix in _COLLECTIONS:
        name = name.removeprefix(prefix)
    return name


def look_up(name: str, terms: list[Any], options: dict[str, Any], context: LookupContext) -> list[Any]:
    """The values that a lookup gives.

    Raises:
        LookupProblem: there is no such lookup, or it has no value.
    """
    bare = own_name(name)
    if bare not in LOOKUPS:
        raise LookupProblem(f"kprov has no lookup '{name}'; it has {', '.join(sorted(LOOKUPS))}")
    return LOOKUPS[bare](terms, options, context)


def looped(name: str, terms: Any, context: LookupContext) -> list[Any]:
    """The items of `with_NAME`.

    Raises:
        LookupProblem: as for `look_up`.
    """
    listed = list(terms) if isinstance(terms, (list, tuple)) else [terms]
    return look_up(name, listed, {}, context)


__all__ = ["LOOKUPS", "LookupContext", "LookupProblem", "look_up", "looped", "own_name"]
