"""Which value of a variable holds: the layers of a host from the weakest to the strongest.

The order is Ansible's (its user guide, "Understanding variable precedence"): the inventory's ``all`` < its groups
(parents before children, then by ``ansible_group_priority``, then by name) < ``group_vars/all`` beside the inventory
< that beside the playbook < ``group_vars/*`` beside the inventory < those beside the playbook < the host <
``host_vars/*`` < extra vars. Role defaults are weaker than all of these; the engine knows them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kprov.provision.inventory.document import Located
from kprov.provision.inventory.groups import ALL, Group, Tree
from kprov.provision.inventory.model import Layer
from kprov.provision.inventory.problems import Location

EXTRA_VARS = Location("--extra-vars")


def layers_of(
    tree: Tree, host: str, extra_vars: Mapping[str, Any], aliases: Mapping[str, str]
) -> dict[str, list[Layer]]:
    """For each variable of ``host``, the layers that set it, weakest first.

    Args: ``aliases``: other names of a variable -> the name under which it is kept.
    """
    found: dict[str, list[Layer]] = {}

    def put(kind: str, group: str | None, variables: Mapping[str, Located]) -> None:
        for name, (value, location, secret) in variables.items():
            found.setdefault(aliases.get(name, name), []).append(Layer(kind, group, value, location, secret))

    for group, place in _in_order(tree.groups_of(host)):
        put("all" if group.name == ALL else "group", group.name, place)
    for group_name, variables in tree.host_variables.get(host, ()):
        put("host", group_name, variables)
    put("extra vars", None, {name: Located(value, EXTRA_VARS) for name, value in extra_vars.items()})
    found.pop("ansible_group_priority", None)
    return found


def _in_order(groups: list[Group]) -> list[tuple[Group, Mapping[str, Located]]]:
    everything = [group for group in groups if group.name == ALL]
    others = [group for group in groups if group.name != ALL]
    return [
        *((group, group.variables) for group in groups),
        *((group, group.file_variables) for group in everything),
        *((group, group.playbook_variables) for group in everything),
        *((group, group.file_variables) for group in others),
        *((group, group.playbook_variables) for group in others),
    ]
