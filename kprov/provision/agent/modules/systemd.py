"""systemd: a unit is enabled or not, runs or not.

Starting waits until the unit is ready (Type=notify). A failure tells why: the unit's state and the last lines of its
journal.

Parameters:
    name: the unit.
    state: started, stopped; restarted and reloaded always act.
    enabled: whether it starts with the machine.
    masked: whether it can be started at all.
    daemon_reload: systemd reads its unit files anew.
    daemon_reexec: systemd itself is started anew.
    force: links of others stand in the way of `enabled` no longer.
    no_block: do not wait until it is done.
    scope: whose systemd is meant; only the system's.
    timeout: seconds to wait at most (kprov's own).

Returns:
    name: the unit.
    state: what was asked for.
    enabled: what was asked for.
    status: the unit's properties, as they were before something was done.
"""

from __future__ import annotations

import time
from typing import Any

from kprov.provision.agent import diffs, enabling
from kprov.provision.agent.call import Call
from kprov.provision.agent.failures import ModuleFailed
from kprov.provision.agent.parameters import Parameter

PARAMETERS = {
    "name": Parameter("str", aliases=("service", "unit")),
    "state": Parameter("str", choices=("started", "stopped", "restarted", "reloaded")),
    "enabled": Parameter("bool"),
    "masked": Parameter("bool"),
    "daemon_reload": Parameter("bool", default=False, aliases=("daemon-reload",)),
    "daemon_reexec": Parameter("bool", default=False, aliases=("daemon-reexec",)),
    "force": Parameter("bool", default=False),
    "no_block": Parameter("bool", default=False),
    "scope": Parameter("str", default="system", choices=("system",)),
    "timeout": Parameter("float", default=300),
}
REQUIRES_ONE_OF = [("name", "daemon_reload", "daemon_reexec")]

PROPERTIES = ",".join(
    (
        "Id",
        "LoadState",
        "ActiveState",
        "SubState",
        "UnitFileState",
        "Type",
        "Result",
        "ExecMainCode",
        "ExecMainStatus",
        "NeedDaemonReload",
        "CanReload",
        "MainPID",
        "NRestarts",
        "Job",
    )
)


def properties(call: Call, unit: str) -> dict[str, str]:
    """What systemd knows of a unit."""
    text = call.run(["systemctl", "show", unit, "--property=" + PROPERTIES]).stdout
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)


def why(call: Call, unit: str, since: float) -> str:
    """Why a unit does not run: systemd's result and the last words of its journal."""
    status = properties(call, unit)
    words = "%s is %s (%s), result %s" % (unit, status.get("ActiveState"), status.get("SubState"), status.get("Result"))
    if status.get("ExecMainStatus", "0") != "0":
        words += ", exit status %s" % status["ExecMainStatus"]
    journal = call.run(
        ["journalctl", "--unit", unit, "--lines", "20", "--no-pager", "--output", "cat", "--since", "@%d" % int(since)],
        succeed=False,
    )
    lines = journal.stdout.strip()
    return words + ("; its last journal lines:\n" + lines if lines else "; its journal is empty")


def _act(call: Call, verb: str, unit: str) -> None:
    command = ["systemctl", *(["--no-block"] if call["no_block"] else []), verb, unit]
    since = time.time() - 1
    try:
        completed = call.run(command, succeed=False, timeout=call["timeout"])
    except ModuleFailed as error:
        raise ModuleFailed(
            "%s was not done with '%s' after %g s: %s" % (unit, verb, call["timeout"], why(call, unit, since))
        ) from error
    if completed.rc != 0:
        detail = why(call, unit, since)
        raise ModuleFailed(
            "'systemctl %s %s' failed: %s\n%s" % (verb, unit, completed.stderr.strip(), detail), rc=completed.rc
        )


def _verb(state: str | None, active: str, job: str = "") -> str | None:
    """What must be done to reach a state."""
    runs = active in ("active", "reloading")
    if state == "started":
        return None if runs else "start"
    if state == "stopped":
        # One whose start waits for that of another unit, as while the machine boots, runs as soon as that one is there.
        return "stop" if runs or active in ("activating", "deactivating") or job not in ("", "0") else None
    if state == "restarted":
        return "restart"
    if state == "reloaded":
        return "reload" if runs else "start"
    return None


def _enable(call: Call, name: str, status: dict[str, str]) -> list[tuple[str, object, object]]:
    changes: list[tuple[str, object, object]] = []
    file_state = status.get("UnitFileState", "")
    masked = file_state.startswith("masked")
    if call["masked"] is not None and call["masked"] != masked:
        changes.append(("masked", masked, call["masked"]))
        if not call.check:
            call.run(["systemctl", "mask" if call["masked"] else "unmask", name])
    if call["enabled"] is not None:
        # static units and aliases have nothing to enable: systemd starts them when they are needed
        enabled = file_state in ("enabled", "static", "indirect", "alias", "generated", "transient")
        if call["enabled"] and enabling.was_early(status.get("Id")):
            status["UnitFileState"] = "disabled"
            changes.append(("enabled", "disabled", True))
        elif call["enabled"] != enabled and not (
            not call["enabled"] and file_state != "enabled-runtime" and not enabled
        ):
            changes.append(("enabled", file_state or "no unit file", call["enabled"]))
            if not call.check:
                if call["enabled"]:
                    enabling.enable(call, status.get("Id", name))
                else:
                    call.run(["systemctl", *(["--force"] if call["force"] else []), "disable", name])
    return changes


def run(call: Call) -> dict[str, Any]:
    """Compare, then change."""
    name = call["name"]
    if call["daemon_reexec"] and not call.check:
        call.run(["systemctl", "daemon-reexec"])
    status = properties(call, name) if name else {}
    if enabling.is_unknown(status.get("Id")):
        enabling.reload(call)
        status = properties(call, name)
    # systemd says NeedDaemonReload of a file that changed, not of a new one that takes an older one's place.
    stale = (
        not name
        or status.get("NeedDaemonReload") != "no"
        or status.get("LoadState") != "loaded"
        or _verb(call["state"], status.get("ActiveState", "inactive"), status.get("Job", "")) is not None
    )
    if call["daemon_reload"] and not call.check and stale:
        enabled = enabling.early(call, status.get("UnitFileState") == "disabled" and bool(call["enabled"]))
        enabling.reload(call)
        if name and not enabled:
            status = properties(call, name)
    if not name:
        return {"changed": False}
    changes: list[tuple[str, object, object]] = []
    missing = status.get("LoadState") in ("not-found", "bad-setting", "error")
    if missing and not call.check and (call["state"] not in (None, "stopped") or call["enabled"]):
        if status.get("LoadState") == "not-found":
            raise ModuleFailed(
                "there is no unit %s on this machine (is its file in place, and was systemd told: daemon_reload: true?)"
                % name
            )
        raise ModuleFailed(
            "unit %s cannot be loaded (%s): see 'systemctl status %s'" % (name, status["LoadState"], name)
        )
    if not missing or call.check:
        changes += _enable(call, name, status)
    verb = _verb(call["state"], status.get("ActiveState", "inactive"), status.get("Job", ""))
    if verb is not None and not (missing and verb == "stop"):
        changes.append(("state", status.get("ActiveState"), call["state"]))
        if not call.check:
            _act(call, verb, name)
    asked = {key: call[key] for key in ("state", "enabled") if call[key] is not None}
    return {
        "changed": bool(changes),
        "name": name,
        **asked,
        "status": status,
        "diff": diffs.values(changes, name) if call.diff else "",
    }
