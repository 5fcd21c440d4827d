"""The keywords of plays: which kprov knows, and what to do instead of the others."""

from __future__ import annotations

from kprov.provision.engine import task_keywords

# What a play says for all its tasks, in the words that tasks use themselves.
FRAME = task_keywords.INHERITED - {"when", "vars", "name", "any_errors_fatal"}

PLAY = FRAME | {
    "any_errors_fatal",
    "connection",
    "force_handlers",
    "gather_facts",
    "gather_subset",
    "handlers",
    "hosts",
    "max_fail_percentage",
    "name",
    "order",
    "post_tasks",
    "pre_tasks",
    "remote_user",
    "roles",
    "serial",
    "strategy",
    "tasks",
    "vars",
    "vars_files",
    "vars_prompt",
}

REFUSED = {
    **task_keywords.REFUSED,
    "fact_path": "kprov has its own facts; read others with slurp or command",
    "gather_timeout": "write kprov_timeouts: {facts: ...} in the inventory",
    "port": "write it in the inventory (ansible_port)",
    "when": "a play has no conditions: write it at its tasks or roles",
    "validate_argspec": "roles check their own arguments (meta/argument_specs.yml)",
    "delegate_to": "write it at tasks or blocks",
}
for _own in ("remote_user", "hosts", "roles"):
    REFUSED.pop(_own, None)

# Hosts run on by themselves, and wait for each other where they must: what linear and free mean holds either way.
STRATEGIES = frozenset({"linear", "free", "host_pinned"})

ORDERS = frozenset({"inventory", "reverse_inventory", "sorted", "reverse_sorted", "shuffle"})
