"""wait_for: waits until something is so, with a deadline.

Parameters:
    port (with host): something accepts connections there. path: it exists (search_regex: and a line of it
        matches); a socket: it accepts.
    state: started or present (the default), stopped or absent: the opposite. timeout: seconds; sleep: between
        looks; msg: said when time is up.
"""

from __future__ import annotations

import os
import re
import socket
import stat
import time
from typing import Any

from kprov.provision.agent import processes
from kprov.provision.agent.call import Call
from kprov.provision.agent.failures import ConnectionEnded, ModuleFailed
from kprov.provision.agent.parameters import Parameter

PARAMETERS = {
    "host": Parameter("str", default="127.0.0.1"),
    "port": Parameter("int"),
    "path": Parameter("path"),
    "search_regex": Parameter("str"),
    "state": Parameter("str", default="started", choices=("started", "present", "stopped", "absent")),
    "timeout": Parameter("float", default=300),
    "connect_timeout": Parameter("float", default=5),
    "delay": Parameter("float", default=0),
    "sleep": Parameter("float", default=0.2),
    "msg": Parameter("str"),
}
REQUIRES_ONE_OF = [("port", "path")]


def _connects(family: int, address: Any, timeout: float) -> str | None:
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.settimeout(timeout)
        try:
            probe.connect(address)
        except OSError as error:
            return error.strerror or "no answer"
    return None


def missing(call: Call) -> str | None:
    """What is not yet so, None when all is."""
    if call["port"] is not None:
        try:
            family, _, _, _, address = socket.getaddrinfo(call["host"], call["port"], type=socket.SOCK_STREAM)[0]
        except socket.gaierror as error:
            return "%s: %s" % (call["host"], error.strerror)
        problem = _connects(family, address, call["connect_timeout"])
        return None if problem is None else "%s:%d: %s" % (call["host"], call["port"], problem)
    path = call["path"]
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return "%s does not exist" % path
    if stat.S_ISSOCK(mode):
        problem = _connects(socket.AF_UNIX, path, call["connect_timeout"])
        return None if problem is None else "%s: %s" % (path, problem)
    if call["search_regex"]:
        with open(path, errors="replace") as stream:
            if re.search(call["search_regex"], stream.read(), re.MULTILINE) is None:
                return "%s has no line that matches %s" % (path, call["search_regex"])
    return None


def run(call: Call) -> dict[str, Any]:
    """Look until it is so."""
    if call.check:
        return {"changed": False, "skipped": True, "msg": "nothing is waited for in check mode"}
    started = time.monotonic()
    wanted = call["state"] in ("started", "present")
    if call["delay"]:
        time.sleep(call["delay"])
    while True:
        problem = missing(call)
        elapsed = time.monotonic() - started
        if (problem is None) == wanted:
            return {"changed": False, "elapsed": round(elapsed, 2)}
        if elapsed > call["timeout"]:
            detail = problem if wanted else "it is still there"
            raise ModuleFailed(
                "%s after %g s: %s" % (call["msg"] or "not as wished", call["timeout"], detail),
                elapsed=round(elapsed, 2),
            )
        if processes.ending():
            raise ConnectionEnded()
        time.sleep(call["sleep"])
