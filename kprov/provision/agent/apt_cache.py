"""apt's lists of packages: how old they are, and fetching them anew."""

from __future__ import annotations

import os
import time
from typing import Any

from kprov.provision.agent import processes
from kprov.provision.agent.call import Call
from kprov.provision.agent.failures import ModuleFailed

_STAMPS = ("/var/lib/apt/periodic/update-success-stamp", "/var/lib/apt/lists")

ENVIRONMENT = {"DEBIAN_FRONTEND": "noninteractive", "DEBCONF_NOWARNINGS": "yes", "APT_LISTCHANGES_FRONTEND": "none"}


def updated_at(call: Call) -> int:
    """When the lists were last fetched, in seconds since 1970; 0: never."""
    for path in _STAMPS:
        try:
            return int(os.stat(call.system_path(path)).st_mtime)
        except OSError:
            continue
    return 0


def run_apt(call: Call, arguments: list[str], *, lock_timeout: int = 60, protected: bool = True) -> processes.Completed:
    """Run apt-get; it waits for others that hold dpkg's lock, and is let finish when the connection ends."""
    command = ["apt-get", "-o", "DPkg::Lock::Timeout=%d" % lock_timeout, *arguments]
    return call.run(command, succeed=False, environment={**ENVIRONMENT, **call.environment}, protected=protected)


def update(call: Call, retries: int = 5, longest_delay: float = 12) -> None:
    """Fetch the lists anew; a mirror that does not answer is tried again.

    Raises:
        ModuleFailed: it could not be done.
    """
    completed = None
    for attempt in range(retries + 1):
        if attempt:
            time.sleep(min(2 ** (attempt - 1), longest_delay))
        completed = run_apt(call, ["-q", "-o", "APT::Update::Error-Mode=any", "update"])
        if completed.rc == 0:
            return
    assert completed is not None
    raise ModuleFailed("apt's lists could not be fetched: %s" % completed.words(), rc=completed.rc)


def result(call: Call, updated: bool) -> dict[str, Any]:
    """What modules give back of it."""
    return {"cache_updated": updated, "cache_update_time": updated_at(call)}
