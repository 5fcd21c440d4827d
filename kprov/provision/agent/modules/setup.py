"""setup: the machine's facts, under Ansible's names (and kprov_* for what Ansible has no name for)."""

from __future__ import annotations

from typing import Any

from kprov.provision.agent import facts
from kprov.provision.agent.call import Call
from kprov.provision.agent.parameters import Parameter

PARAMETERS = {
    "gather_subset": Parameter("list"),
    "filter": Parameter("list"),
    "gather_timeout": Parameter("int"),
}


def run(call: Call) -> dict[str, Any]:
    """Gather."""
    return {"changed": False, "ansible_facts": facts.gather()}
