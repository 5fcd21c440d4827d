"""service: a service of the machine is enabled or not, runs or not. It does what systemd does.

Parameters:
    name: the service.
    state: started, stopped; restarted and reloaded always act.
    enabled: whether it starts with the machine.
    masked: whether it can be started at all.
    daemon_reload: systemd reads its unit files anew.
    sleep: seconds between stop and start of a restart.
    use: the manager of services; only systemd.
    timeout: seconds to wait at most (kprov's own).

Returns:
    name: the service.
    state: what was asked for.
    enabled: what was asked for.
    status: the unit's properties, as they were before something was done.
"""

from __future__ import annotations

import time
from typing import Any

from kprov.provision.agent.call import Call
from kprov.provision.agent.modules import systemd
from kprov.provision.agent.parameters import Parameter

_ALIKE = ("name", "state", "enabled", "masked", "daemon_reload", "timeout")
PARAMETERS = {
    **{name: systemd.PARAMETERS[name] for name in _ALIKE},
    "name": Parameter("str", required=True),
    "sleep": Parameter("int"),
    "use": Parameter("str", default="auto", choices=("auto", "service", "systemd")),
}
REQUIRES_ONE_OF = [("state", "enabled", "masked", "daemon_reload")]

_SYSTEMDS_OWN = {"daemon_reexec": False, "force": False, "no_block": False, "scope": "system"}


def run(call: Call) -> dict[str, Any]:
    """As systemd does it."""
    call = call.with_arguments(**_SYSTEMDS_OWN)
    if call["sleep"] and call["state"] == "restarted" and not call.check:
        systemd.run(call.with_arguments(state="stopped"))
        time.sleep(call["sleep"])
    return systemd.run(call)
