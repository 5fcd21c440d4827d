"""sysvinit: a service with a script in /etc/init.d is enabled or not, runs or not.

Parameters:
    name: the service, or the path of its script.
    state: started, stopped; restarted and reloaded always act.
    enabled: whether it starts with the machine.
    runlevels: only in these runlevels.
    sleep: seconds after each half of a restart.
    pattern: it runs when the list of processes has this text, for scripts without a status.
    arguments: further words for the script.
    daemonize: nothing that the script leaves running can hold up the task.

Returns:
    name: the service.
    status: what was done for `enabled` and for `state`: changed, rc, stdout, stderr.
"""

from __future__ import annotations

import glob
import os
import shlex
import time
from typing import Any

from kprov.provision.agent import diffs, processes
from kprov.provision.agent.call import Call
from kprov.provision.agent.failures import ModuleFailed
from kprov.provision.agent.parameters import Parameter

PARAMETERS = {
    "name": Parameter("str", required=True, aliases=("service",)),
    "state": Parameter("str", choices=("started", "stopped", "restarted", "reloaded")),
    "enabled": Parameter("bool"),
    "runlevels": Parameter("list", elements="str"),
    "sleep": Parameter("int", default=1),
    "pattern": Parameter("str"),
    "arguments": Parameter("str", aliases=("args",)),
    "daemonize": Parameter("bool", default=False),
}
REQUIRES_ONE_OF = [("state", "enabled")]

# What scripts' `status` says, as ansible-core reads it: first of what stopped, then of what runs.
_STOPPED = ("stop", "is dead ", "dead but ", "could not access pid file", "inactive")
_RUNNING = ("run", "start", "active")

# What the states want done.
_VERBS = {"started": ["start"], "stopped": ["stop"], "reloaded": ["reload"], "restarted": ["stop", "start"]}


def _is_enabled(call: Call, level: str = "?") -> bool:
    return bool(glob.glob(call.system_path("/etc/rc%s.d/S??%s" % (level, os.path.basename(call["name"])))))


def _is_running(call: Call, script: str) -> bool:
    """Whether it runs: its script says so, by words where they are clear, else by its exit code."""
    if call["pattern"]:
        return call["pattern"] in call.run(["ps", "auxww"]).stdout
    status = call.run([script, "status"], succeed=False)
    words = status.stdout.lower().replace(os.path.basename(call["name"]).lower(), "")
    if status.stdout.count("\n") <= 1:
        if any(word in words for word in _STOPPED):
            return False
        if any(word in words for word in _RUNNING) and "not " not in words:
            return True
    return status.rc == 0


def _enable(call: Call) -> processes.Completed:
    name, levels = os.path.basename(call["name"]), call["runlevels"] or []
    verb = "disable" if not call["enabled"] else "enable" if levels else "defaults"
    commands = [["update-rc.d", name, verb, *levels]]
    if verb == "defaults":  # links that `disable` made stay as they are unless they are told otherwise
        commands.append(["update-rc.d", name, "enable"])
    for command in commands:
        completed = call.run(command)
        if "illegal runlevel specified" in completed.stderr:
            raise ModuleFailed("Illegal runlevel specified for enable operation on service %s" % name)
    return completed


def _act(call: Call, script: str) -> processes.Completed:
    verbs = _VERBS[call["state"]]
    for verb in verbs:
        command = [script, verb, *shlex.split(call["arguments"] or "")]
        if call["daemonize"]:
            command = ["setsid", "--wait", "sh", "-c", 'exec "$@" >/dev/null 2>&1', "sh", *command]
        completed = call.run(command, succeed=False)
        if completed.rc != 0:
            raise ModuleFailed(
                "Failed to %s service: %s: %s" % (verb, call["name"], completed.words()),
                rc=completed.rc, stdout=completed.stdout, stderr=completed.stderr,
            )  # fmt: skip
        if len(verbs) > 1 and call["sleep"]:
            time.sleep(call["sleep"])
    return completed


def _told(completed: processes.Completed | None, changed: bool) -> dict[str, Any]:
    if completed is None:
        return {"changed": changed, "rc": None, "stdout": None, "stderr": None}
    return {"changed": changed, "rc": completed.rc, "stdout": completed.stdout, "stderr": completed.stderr}


def run(call: Call) -> dict[str, Any]:
    """Compare, then act."""
    name, state = call["name"], call["state"]
    place = name if name.startswith("/") else "/etc/init.d/" + name
    script = place if name.startswith("/") else call.system_path(place)
    if not os.path.exists(script):
        raise ModuleFailed("Could not find the requested service %s: there is no script %s" % (name, place))
    changes: list[tuple[str, object, object]] = []
    status: dict[str, Any] = {}
    if call["enabled"] is not None:
        found = [_is_enabled(call, level) for level in call["runlevels"] or ["?"]]
        differs = any(each != call["enabled"] for each in found)
        if differs:
            changes.append(("enabled", not call["enabled"], call["enabled"]))
        status["enabled"] = _told(_enable(call) if differs and not call.check else None, differs)
    if state is not None:
        running = _is_running(call, script)
        differs = state in ("restarted", "reloaded") or running != (state == "started")
        if differs:
            changes.append(("state", "started" if running else "stopped", state))
        status[state] = _told(_act(call, script) if differs and not call.check else None, differs)
    return {
        "changed": bool(changes),
        "name": name,
        "status": status,
        "diff": diffs.values(changes, name) if call.diff else "",
    }
