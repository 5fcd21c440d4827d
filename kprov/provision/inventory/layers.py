"""Which value of a variable holds: the layers of a host from the weakest to the strongest.

The order: inventory ``all`` < groups (parents before children, then by ``ansible_group_priority``, then by name)
< host < extra vars. Role defaults are weaker than all of these; the engine knows them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kprov.provision.inventory.document import Located
from kprov.provision.inventory.groups import ALL, Group, Tree
from kprov.provision.inventory.host_variables import ALIASES
from kprov.provision.inventory.model import Layer
from kprov.provision.inventory.problems import Location

EXTRA_VARS = Location("--extra-vars")


def groups_of(tree: Tree, host: str) -> list[Group]:
    """The groups that ``host`` is in, directly or through a child, from the weakest to the strongest."""
    found = [group for group in tree.groups.values() if group.name == ALL or host in tree.members(group.name)]
    return sorted(found, key=lambda group: (group.depth, _priority(group), group.name))


def _priority(group: Group) -> int:
    written = {**group.variables, **group.file_variables}
    value = written.get("ansible_group_priority", Located(1, group.location)).value
    return value if isinstance(value, int) else 1


def layers_of(tree: Tree, host: str, extra_vars: Mapping[str, Any]) -> dict[str, list[Layer]]:
    """For each variable of ``host``, the layers that set it, weakest first."""
    found: dict[str, list[Layer]] = {}

    def put(kind: str, group: str | None, variables: Mapping[str, Located]) -> None:
        for name, (value, location) in variables.items():
            found.setdefault(ALIASES.get(name, name), []).append(Layer(kind, group, value, location))

    for group in groups_of(tree, host):
        kind = "all" if group.name == ALL else "group"
        put(kind, group.name, group.variables)
        put(kind, group.name, group.file_variables)
    for group_name, variables in tree.host_variables.get(host, ()):
        put("host", group_name, variables)
    put("extra vars", None, {name: Located(value, EXTRA_VARS) for name, value in extra_vars.items()})
    found.pop("ansible_group_priority", None)
    return found
