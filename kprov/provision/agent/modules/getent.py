"""getent: entries of a database of the machine: passwd, group, hosts, services and others.

Parameters:
    database: which.
    key: the entry; none: all of them.
    service: the source that is asked, as in nsswitch.conf.
    split: what separates the fields.
    fail_key: a key that is not there is a failure; else it is null.

Returns:
    ansible_facts: getent_DATABASE, a mapping from key to the other fields.
"""

from __future__ import annotations

from typing import Any

from kprov.provision.agent.call import Call
from kprov.provision.agent.failures import ModuleFailed
from kprov.provision.agent.parameters import Parameter

PARAMETERS = {
    "database": Parameter("str", required=True),
    "key": Parameter("str"),
    "service": Parameter("str"),
    "split": Parameter("str"),
    "fail_key": Parameter("bool", default=True),
}

_COLONS = ("passwd", "shadow", "group", "gshadow")


def run(call: Call) -> dict[str, Any]:
    """Look it up."""
    database, key = call["database"], call["key"]
    service = ["--service", call["service"]] if call["service"] else []
    completed = call.run(["getent", *service, database, *([key] if key else [])], succeed=False)
    entries: dict[str, Any] = {}
    if completed.rc == 0:
        separator = call["split"] or (":" if database in _COLONS else None)
        for line in completed.stdout.splitlines():
            fields = line.split(separator)
            if not fields:
                continue
            if fields[0] in entries:  # several lines of one key, such as services
                known = entries[fields[0]]
                entries[fields[0]] = (
                    [*known, fields[1:]] if known and isinstance(known[0], list) else [known, fields[1:]]
                )
            else:
                entries[fields[0]] = fields[1:]
    elif completed.rc == 2 and key:
        if call["fail_key"]:
            raise ModuleFailed("%s has no entry '%s'" % (database, key))
        entries[key] = None
    elif completed.rc == 3:
        raise ModuleFailed("%s cannot be listed: name a 'key'" % database)
    else:
        raise ModuleFailed("getent %s: %s" % (database, completed.words() or "exit code %d" % completed.rc))
    return {"changed": False, "ansible_facts": {"getent_" + database: entries}}
