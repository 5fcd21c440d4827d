"""dpkg_selections: what dpkg is to do with a package: keep it as it is (hold), and the like.

Parameters:
    name: the package.
    selection: what is to be done with it.

Returns:
    before: what was to be done with it.
    after: what is.
"""

from __future__ import annotations

from typing import Any

from kprov.provision.agent import diffs
from kprov.provision.agent.call import Call
from kprov.provision.agent.failures import ModuleFailed
from kprov.provision.agent.parameters import Parameter

PARAMETERS = {
    "name": Parameter("str", required=True),
    "selection": Parameter("str", required=True, choices=("deinstall", "hold", "install", "purge")),
}


def run(call: Call) -> dict[str, Any]:
    """Compare, then set."""
    name, wanted = call["name"], call["selection"]
    fields = call.run(["dpkg", "--get-selections", name], succeed=False).stdout.split()
    before = fields[1] if len(fields) > 1 else "not present"
    if before == "not present" and not call.check and not fields:
        known = call.run(["apt-cache", "show", name], succeed=False)
        if known.rc != 0:
            raise ModuleFailed("there is no package '%s'" % name)
    changed = before != wanted
    if changed and not call.check:
        call.run(["dpkg", "--set-selections"], stdin=("%s %s\n" % (name, wanted)).encode())
    diff = diffs.values([(name, before, wanted)], "selections") if changed and call.diff else ""
    return {"changed": changed, "before": before, "after": wanted, "diff": diff}
