"""modprobe: a kernel module is loaded, or is not. One that is built into the kernel counts as loaded.

Parameters:
    name: the module.
    state: whether it must be loaded.
    params: its parameters, when it is loaded now.
    persistent: present: also loaded at every start; absent: no longer; disabled: that is left as it is.
    optional: a kernel without it is no failure (kprov's own).

Returns:
    name: the module.
    available: whether this kernel has it.
"""

from __future__ import annotations

import os
import platform
from typing import Any

from kprov.provision.agent import atomic, diffs
from kprov.provision.agent.attributes import Wanted
from kprov.provision.agent.call import Call
from kprov.provision.agent.edits import read_text
from kprov.provision.agent.failures import ModuleFailed
from kprov.provision.agent.parameters import Parameter

PARAMETERS = {
    "name": Parameter("str", required=True),
    "state": Parameter("str", default="present", choices=("present", "absent")),
    "params": Parameter("str", default=""),
    "persistent": Parameter("str", default="disabled", choices=("disabled", "present", "absent")),
    "optional": Parameter("bool", default=False),
}


def is_loaded(call: Call, name: str) -> bool:
    """Whether a module is loaded or built in."""
    plain = name.replace("-", "_")
    if os.path.isdir(call.system_path("/sys/module/" + plain)):
        return True
    try:
        with open(call.system_path("/lib/modules/%s/modules.builtin" % platform.release())) as stream:
            return any(os.path.basename(line.strip()).replace("-", "_") == plain + ".ko" for line in stream)
    except FileNotFoundError:
        return False


def run(call: Call) -> dict[str, Any]:
    """Compare, then load or unload."""
    name = call["name"]
    changes: list[tuple[str, object, object]] = []
    result: dict[str, Any] = {"name": name, "available": True}
    loaded = is_loaded(call, name)
    if call["state"] == "present" and not loaded:
        changes.append((name, "not loaded", "loaded"))
        if not call.check:
            try:
                completed = call.run(["modprobe", name, *call["params"].split()], succeed=False)
                failure = completed.words() if completed.rc != 0 else None
            except ModuleFailed as error:
                failure = error.message
            if failure is not None:
                if not call["optional"]:
                    raise ModuleFailed("module %s cannot be loaded: %s" % (name, failure))
                changes.clear()
                result.update(available=False, msg=failure)
    elif call["state"] == "absent" and os.path.isdir(call.system_path("/sys/module/" + name.replace("-", "_"))):
        changes.append((name, "loaded", "not loaded"))
        if not call.check:
            call.run(["modprobe", "-r", name])
    if call["persistent"] != "disabled":
        path = call.system_path("/etc/modules-load.d/%s.conf" % name)
        before, after = read_text(path), (name + "\n" if call["persistent"] == "present" else None)
        if before != after:
            changes.append((path, before, after))
            if not call.check and after is not None:
                atomic.write(path, after.encode(), Wanted({"mode": "0644"}))
            elif not call.check:
                os.unlink(path)
    result.update(changed=bool(changes), diff=diffs.values(changes, "kernel modules") if call.diff else "")
    return result
