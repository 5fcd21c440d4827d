"""timezone: the machine's time zone.

Parameters:
    name: the zone, such as Europe/Berlin.
    hwclock: whether the hardware's clock has UTC or local time.

Returns:
    name: the zone.
"""

from __future__ import annotations

import os
from typing import Any

from kprov.provision.agent import atomic, diffs, edits
from kprov.provision.agent.attributes import Wanted
from kprov.provision.agent.call import Call
from kprov.provision.agent.failures import ModuleFailed
from kprov.provision.agent.parameters import Parameter

PARAMETERS = {
    "name": Parameter("str"),
    "hwclock": Parameter("str", choices=("UTC", "local"), aliases=("rtc",)),
}
REQUIRES_ONE_OF = [("name", "hwclock")]

ZONES = "/usr/share/zoneinfo/"


def _zone(call: Call, name: str) -> list[tuple[str, object, object]]:
    """/etc/localtime and /etc/timezone, which is what every program reads."""
    known = ".." not in name.split("/") and os.path.isfile(call.system_path(ZONES + name))
    if not known and not call.check:
        raise ModuleFailed("this machine knows no time zone '%s' (is the package tzdata installed?)" % name)
    changes: list[tuple[str, object, object]] = []
    link, text = call.system_path("/etc/localtime"), call.system_path("/etc/timezone")
    target = os.readlink(link) if os.path.islink(link) else None
    now = target.partition("zoneinfo/")[2] if target is not None else None
    if now != name:
        changes.append(("time zone", now or "none", name))
        if not call.check:
            temporary = os.path.join(os.path.dirname(link), atomic.prefix() + "link")
            os.symlink(ZONES + name, temporary)
            os.rename(temporary, link)
    before = edits.read_text(text)
    if before is not None and before.strip() != name:
        changes.append(("/etc/timezone", before.strip(), name))
        if not call.check:
            atomic.write(text, (name + "\n").encode(), Wanted({}))
    return changes


def _clock(call: Call) -> list[tuple[str, object, object]]:
    path = call.system_path("/etc/adjtime")
    lines = (edits.read_text(path) or "0.0 0 0.0\n0\nUTC\n").splitlines()
    now = lines[2] if len(lines) > 2 else "UTC"
    wanted = "LOCAL" if call["hwclock"] == "local" else "UTC"
    if now == wanted:
        return []
    if not call.check:
        call.run(["timedatectl", "set-local-rtc", "1" if wanted == "LOCAL" else "0"])
    return [("hardware clock", now, wanted)]


def run(call: Call) -> dict[str, Any]:
    """Compare, then set."""
    changes = _zone(call, call["name"]) if call["name"] is not None else []
    changes += _clock(call) if call["hwclock"] is not None else []
    diff = diffs.values(changes, "time zone") if call.diff else ""
    return {"changed": bool(changes), "name": call["name"], "diff": diff}
