"""What a task that is delegated sees of the host that it is done on: `ansible_delegated_vars`.

Source: ansible-core 2.19, VariableManager.get_delegated_vars_and_hostname.
"""

from __future__ import annotations

from kprov.provision.engine.scope import Scope


def seen_there(scope: Scope, host: str) -> Scope:
    """What a task sees once it is known on which host it is done.

    Args:
        scope: what it sees otherwise.
        host: the other host; one that the inventory does not name has no variables.
    """
    every = scope["hostvars"]
    there: dict[str, Scope] = {}
    if host in every:
        there[host] = every[host].with_layer({"inventory_hostname": scope["inventory_hostname"]}, False)
    return scope.with_layer({"ansible_delegated_vars": there}, False)
