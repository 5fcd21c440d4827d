"""setup: the machine's facts, under Ansible's names (and kprov_* for what Ansible has no name for).

Parameters:
    filter: only facts whose names match one of these, as a shell would; `ansible_` may be left out.
    gather_subset: which are wished for; all are gathered, they cost next to nothing.
    gather_timeout: not needed; taken so that tasks written for Ansible run.

Returns:
    ansible_facts: the facts.
"""

from __future__ import annotations

import fnmatch
from typing import Any

from kprov.provision.agent import facts
from kprov.provision.agent.call import Call
from kprov.provision.agent.parameters import Parameter

PARAMETERS = {
    "gather_subset": Parameter("list", default=["all"], elements="str"),
    "filter": Parameter("list", default=[], elements="str"),
    "gather_timeout": Parameter("int", default=10),
}


def run(call: Call) -> dict[str, Any]:
    """Gather."""
    found = facts.gather()
    patterns = [p for each in call["filter"] for p in (each, "ansible_" + each)]
    if patterns and "*" not in patterns:
        found = {name: value for name, value in found.items() if any(fnmatch.fnmatch(name, p) for p in patterns)}
    return {"changed": False, "ansible_facts": found}
