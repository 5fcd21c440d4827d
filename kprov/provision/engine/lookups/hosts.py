"""Lookups in the inventory, and in the groups that tasks have made."""

from __future__ import annotations

from typing import Any

from kprov.provision.engine.lookups.context import Lookup, LookupContext, texts
from kprov.provision.inventory import patterns


def inventory_hostnames(terms: list[Any], options: dict[str, Any], context: LookupContext) -> list[Any]:
    """The hosts that patterns stand for, as a play's `hosts` would have them; none where a pattern names nothing."""
    groups = context.scope["groups"]
    names = list(dict.fromkeys(host for members in groups.values() for host in members))
    try:
        chosen = patterns.match(",".join(texts(terms)), names, groups)
    except ValueError:
        return []
    return [name for name in names if name in chosen]


HOSTS: dict[str, Lookup] = {"inventory_hostnames": inventory_hostnames}
