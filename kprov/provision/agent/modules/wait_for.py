"""wait_for: waits until something is so, with a deadline.

Parameters:
    host: whose port.
    port: something accepts connections there (search_regex: and what it says matches).
    path: it is there (search_regex: and its content matches); a socket: it accepts connections.
    search_regex: a regular expression, over several lines.
    state: started or present: it is so; stopped or absent: it is not; drained: no connection to the port is open.
    timeout: seconds until that is a failure; with neither port nor path, how long is waited.
    connect_timeout: seconds for one try.
    delay: seconds before the first look.
    sleep: seconds between two looks.
    active_connection_states: with drained, which connections count.
    exclude_hosts: with drained, whose connections do not count.
    msg: said when time is up.

Returns:
    elapsed: seconds that were waited.
    match_groups: the groups of search_regex.
    match_groupdict: the named groups of search_regex.
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
from kprov.provision.agent.edits import pattern
from kprov.provision.agent.failures import ConnectionEnded, ModuleFailed
from kprov.provision.agent.parameters import Parameter

STATES = {
    "ESTABLISHED": "01",
    "SYN_SENT": "02",
    "SYN_RECV": "03",
    "FIN_WAIT1": "04",
    "FIN_WAIT2": "05",
    "TIME_WAIT": "06",
}

PARAMETERS = {
    "host": Parameter("str", default="127.0.0.1"),
    "port": Parameter("int"),
    "path": Parameter("path"),
    "search_regex": Parameter("str"),
    "state": Parameter("str", default="started", choices=("absent", "drained", "present", "started", "stopped")),
    "timeout": Parameter("float", default=300),
    "connect_timeout": Parameter("float", default=5),
    "delay": Parameter("float", default=0),
    "sleep": Parameter("float", default=1),
    "active_connection_states": Parameter("list", default=list(STATES), choices=tuple(STATES)),
    "exclude_hosts": Parameter("list", elements="str"),
    "msg": Parameter("str"),
}
MUTUALLY_EXCLUSIVE = [("port", "path")]
REQUIRED_IF = [("state", "drained", ("port",))]

# No answer is read further than this in search of a match.
LARGEST_ANSWER = 1 << 20


class Look:
    """What one look saw: why it is not so yet, or the match that says that it is."""

    def __init__(self, problem: str | None, match: re.Match[str] | None = None) -> None:
        self.problem = problem
        self.match = match


def _connects(call: Call, family: int, address: Any, what: str) -> Look:
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.settimeout(call["connect_timeout"])
        try:
            probe.connect(address)
        except OSError as error:
            return Look("%s: %s" % (what, error.strerror or "no answer"))
        if not call["search_regex"]:
            return Look(None)
        return _says(call, probe, what)


def _says(call: Call, probe: socket.socket, what: str) -> Look:
    wanted, said = pattern(call["search_regex"], "search_regex", re.MULTILINE), b""
    deadline = time.monotonic() + call["connect_timeout"]
    while len(said) < LARGEST_ANSWER and time.monotonic() < deadline:
        try:
            chunk = probe.recv(4096)
        except OSError:
            break
        if not chunk:
            break
        said += chunk
        match = wanted.search(said.decode(errors="replace"))
        if match is not None:
            return Look(None, match)
    return Look("%s says nothing that matches %s" % (what, call["search_regex"]))


def _port(call: Call) -> Look:
    what = "%s:%d" % (call["host"], call["port"])
    try:
        family, _, _, _, address = socket.getaddrinfo(call["host"], call["port"], type=socket.SOCK_STREAM)[0]
    except socket.gaierror as error:
        return Look("%s: %s" % (call["host"], error.strerror))
    return _connects(call, family, address, what)


def _path(call: Call) -> Look:
    path = call["path"]
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return Look("%s does not exist" % path)
    if stat.S_ISSOCK(mode):
        return _connects(call, socket.AF_UNIX, path, path)
    if not call["search_regex"]:
        return Look(None)
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            match = pattern(call["search_regex"], "search_regex", re.MULTILINE).search(stream.read())
    except OSError as error:
        return Look("%s: %s" % (path, error.strerror))
    return Look(None if match else "%s has nothing that matches %s" % (path, call["search_regex"]), match)


def _connections(call: Call) -> int:
    """How many connections to the port are open."""
    wanted = {STATES[name] for name in call["active_connection_states"]}
    excluded = {info[4][0] for host in call["exclude_hosts"] or [] for info in socket.getaddrinfo(host, None)}
    count = 0
    for name in ("tcp", "tcp6"):
        try:
            with open(call.system_path("/proc/net/" + name)) as stream:
                rows = [line.split() for line in stream.readlines()[1:]]
        except FileNotFoundError:
            continue
        for row in rows:
            port, other = int(row[1].rpartition(":")[2], 16), row[2].rpartition(":")[0]
            if port == call["port"] and row[3] in wanted and _address(other) not in excluded:
                count += 1
    return count


def _address(text: str) -> str:
    """An address of /proc/net: words of four bytes, each in the machine's order."""
    data = b"".join(bytes.fromhex(text[i : i + 8])[::-1] for i in range(0, len(text), 8))
    if len(data) == 16 and data[:12] == b"\0" * 10 + b"\xff\xff":
        data = data[12:]
    return socket.inet_ntop(socket.AF_INET if len(data) == 4 else socket.AF_INET6, data)


def _look(call: Call) -> Look:
    if call["state"] == "drained":
        count = _connections(call)
        return Look("%d connections to port %d are open" % (count, call["port"]) if count else None)
    if call["port"] is not None:
        return _port(call)
    return _path(call)


def _pause(seconds: float) -> None:
    """Sleep, but not longer than the connection lives."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        if processes.ending():
            raise ConnectionEnded()
        time.sleep(min(left, 0.2))


def run(call: Call) -> dict[str, Any]:
    """Look until it is so."""
    if call.check:
        return {"changed": False, "skipped": True, "msg": "nothing is waited for in check mode"}
    started = time.monotonic()
    result: dict[str, Any] = {"changed": False, "state": call["state"], "port": call["port"]}
    if call["port"] is None and call["path"] is None:
        _pause(call["timeout"])
        return {**result, "elapsed": int(time.monotonic() - started)}
    _pause(call["delay"])
    so = call["state"] in ("started", "present", "drained")
    while True:
        look = _look(call)
        elapsed = int(time.monotonic() - started)
        if (look.problem is None) == so:
            match = look.match
            result.update(elapsed=elapsed, search_regex=call["search_regex"])
            if call["path"] is not None:
                result["path"] = call["path"]
            return {
                **result,
                "match_groups": list(match.groups()) if match else [],
                "match_groupdict": match.groupdict() if match else {},
            }
        if time.monotonic() - started >= call["timeout"]:
            detail = look.problem if so else "it is still there"
            raise ModuleFailed(
                "%s after %g s: %s" % (call["msg"] or "not as wished", call["timeout"], detail), elapsed=elapsed
            )
        _pause(min(call["sleep"], 0.2 if elapsed < 2 else call["sleep"]))
