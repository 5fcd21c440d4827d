"""pod_leftovers: what pods leave in a machine's kernel is taken away: containers, mounts, networks (kprov's own).

Only what belongs to the container runtime's namespace of Kubernetes, to the folders, tables and routes that are named.

Parameters:
    containers: the namespace of containerd whose containers and images go; it is asked where it runs.
    folders: whatever is mounted below them is unmounted.
    cgroups: control groups that go, by their names below the root of each hierarchy.
    network_namespaces: those whose name begins with this go, with the links in them.
    tables: tables of nftables that go, as "FAMILY NAME".
    route_protocol: the routes of this protocol go.
    chains: chains of iptables' table nat whose names begin with this go, and the rules that lead there.

Returns:
    removed: what was taken away.
"""

from __future__ import annotations

import glob
import os
from typing import Any

from kprov.provision.agent import diffs
from kprov.provision.agent.call import Call
from kprov.provision.agent.failures import ModuleFailed
from kprov.provision.agent.parameters import Parameter

PARAMETERS = {
    "containers": Parameter("str"),
    "folders": Parameter("list", default=[], elements="str"),
    "cgroups": Parameter("list", default=[], elements="str"),
    "network_namespaces": Parameter("str"),
    "tables": Parameter("list", default=[], elements="str"),
    "route_protocol": Parameter("str"),
    "chains": Parameter("str"),
}


def _words(call: Call, *line: str) -> list[str]:
    """What a program prints, by words; nothing where it is missing or fails."""
    try:
        completed = call.run(list(line), succeed=False)
    except (OSError, ModuleFailed):
        return []
    return completed.stdout.split() if completed.rc == 0 else []


def _lines(call: Call, *line: str) -> list[str]:
    try:
        completed = call.run(list(line), succeed=False)
    except (OSError, ModuleFailed):
        return []
    return completed.stdout.splitlines() if completed.rc == 0 else []


def _containers(call: Call) -> list[str]:
    if not call["containers"]:
        return []
    ctr = ["ctr", "--namespace", call["containers"]]
    removed = []
    for kind, ends in (
        ("tasks", [["tasks", "kill", "--signal", "SIGKILL", "--all"], ["tasks", "rm", "--force"]]),
        ("containers", [["containers", "rm"]]),
        ("images", [["images", "rm", "--sync"]]),
    ):
        for name in _words(call, *ctr, kind, "ls", "--quiet"):
            removed.append("%s %s" % (kind[:-1], name))
            if not call.check:
                for end in ends:
                    call.run([*ctr, *end, name], succeed=False)
    if removed and not call.check:
        left = _words(call, *ctr, "tasks", "ls", "--quiet") + _words(call, *ctr, "containers", "ls", "--quiet")
        if left:
            raise ModuleFailed("containers can't be ended: %s; see: ctr -n %s tasks ls" % (left, call["containers"]))
    return removed


def _mounts(call: Call) -> list[str]:
    def mounted() -> list[str]:
        with open("/proc/self/mountinfo") as stream:
            places = [line.split()[4].replace("\\040", " ") for line in stream]
        return [place for place in places if any(place.startswith(folder + "/") for folder in call["folders"])]

    found = mounted()
    if not call.check:
        for place in reversed(found):
            call.run(["umount", "--lazy", place], succeed=False)
        left = mounted()
        if left:
            raise ModuleFailed("%s can't be unmounted: see: fuser -vm %s" % (left[0], left[0]))
    return ["mount %s" % place for place in found]


def _namespaces(call: Call) -> list[str]:
    prefix = call["network_namespaces"]
    names = sorted(os.path.basename(path) for path in glob.glob("/run/netns/%s*" % prefix)) if prefix else []
    if not call.check:
        for name in names:
            call.run(["ip", "netns", "delete", name])
        # The first namespace made a mount of the folder; nobody takes that back.
        if prefix and os.path.ismount("/run/netns") and not os.listdir("/run/netns"):
            call.run(["umount", "/run/netns"])
    return ["network namespace %s" % name for name in names]


def _tables(call: Call) -> list[str]:
    present = {line.partition(" ")[2] for line in _lines(call, "nft", "list", "tables")} if call["tables"] else set()
    found = [name for name in call["tables"] if name in present]
    if not call.check:
        for name in found:
            call.run(["nft", "delete", "table", *name.split()])
    return ["table %s" % name for name in found]


def _routes(call: Call) -> list[str]:
    protocol = call["route_protocol"]
    found = _lines(call, "ip", "-4", "route", "show", "proto", protocol) if protocol else []
    if found and not call.check:
        call.run(["ip", "-4", "route", "flush", "proto", protocol])
    return ["route %s" % line.replace("blackhole ", "").split()[0] for line in found]


def _chains(call: Call) -> list[str]:
    prefix = call["chains"]
    rules = [line for line in _lines(call, "iptables-save", "-t", "nat") if line.startswith(("-A ", ":"))]
    ours = [line.split()[0][1:] for line in rules if prefix and line.startswith(":" + prefix)]
    if ours and not call.check:
        for rule in rules:
            words = rule.split()
            if words[0] == "-A" and not words[1].startswith(prefix) and any(word in ours for word in words):
                call.run(["sh", "-c", "iptables -w -t nat -D %s" % rule[3:]])  # quoted as iptables-save has it
        for verb in ("-F", "-X"):
            for name in ours:
                call.run(["iptables", "-w", "-t", "nat", verb, name])
    return ["chain %s" % name for name in ours]


def _cgroups(call: Call) -> list[str]:
    removed = []
    for name in call["cgroups"]:
        for top in [*glob.glob("/sys/fs/cgroup/%s" % name), *glob.glob("/sys/fs/cgroup/*/%s" % name)]:
            if not os.path.isdir(top) or os.path.islink(os.path.dirname(top)):
                continue
            removed.append("cgroup %s" % top)
            if call.check:
                continue
            for folder, _, _ in os.walk(top, topdown=False):
                try:
                    os.rmdir(folder)
                except OSError as error:
                    raise ModuleFailed("%s: %s: processes of pods are still there" % (folder, error.strerror)) from None
    return removed


def run(call: Call) -> dict[str, Any]:
    """Take away what is there: containers first, since they hold the rest."""
    removed = [
        *_containers(call),
        *_namespaces(call),
        *_mounts(call),
        *_chains(call),
        *_tables(call),
        *_routes(call),
        *_cgroups(call),
    ]
    diff = diffs.values([(name, "there", "absent") for name in removed], "pods") if call.diff else ""
    return {"changed": bool(removed), "removed": removed, "diff": diff}
