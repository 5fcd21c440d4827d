"""getent: an entry of passwd, group or hosts. Parameters: database, key, fail_key.

Returns ansible_facts.getent_DATABASE.
"""

from __future__ import annotations

from typing import Any

from kprov.provision.agent.call import Call
from kprov.provision.agent.failures import ModuleFailed
from kprov.provision.agent.parameters import Parameter

PARAMETERS = {
    "database": Parameter("str", required=True),
    "key": Parameter("str"),
    "split": Parameter("str"),
    "fail_key": Parameter("bool", default=True),
}


def run(call: Call) -> dict[str, Any]:
    """Look it up."""
    command = ["getent", call["database"]] + ([call["key"]] if call["key"] else [])
    completed = call.run(command, succeed=False)
    entries: dict[str, Any] = {}
    for line in completed.stdout.splitlines():
        parts = line.split(call["split"] or (":" if call["database"] in ("passwd", "group", "shadow") else None))
        if parts:
            entries[parts[0]] = parts[1:]
    if completed.rc == 2 and call["key"]:
        if call["fail_key"]:
            raise ModuleFailed("%s has no entry '%s'" % (call["database"], call["key"]))
        entries[call["key"]] = None
    elif completed.rc != 0:
        raise ModuleFailed("getent %s: %s" % (call["database"], completed.words() or "exit code %d" % completed.rc))
    return {"changed": False, "ansible_facts": {"getent_" + call["database"]: entries}}
