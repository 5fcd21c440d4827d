"""Restarts the daemons whose certificate or release was replaced, machine by machine, so that the cluster goes on.

What is stale is asked of the machines, never remembered: a run may be killed between replacing a file and restarting
what reads it, and the next one must find that.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import nullcontext

from kprov.provision.cluster.artifacts import CURRENT, daemons_of
from kprov.provision.cluster.canary import api_servers_answer, etcd_answers, kubelets_answer
from kprov.provision.cluster.context import Context
from kprov.provision.cluster.phase import ClusterError, Procedure
from kprov.provision.cluster.storage.standing import look_at_etcd
from kprov.provision.cluster.virtual_address import handed_over
from kprov.provision.inventory import Host
from kprov.provision.pki.authority_files import authority_files_of
from kprov.provision.pki.catalogue import certificates_of

# Prints the units whose process is older than the place of one of their files. The change time counts, since it is
# the machine's own and a rename sets it; of a link it is the link's, not that of what it leads to.
_SCRIPT = """
import json, os, subprocess, sys, time
read = json.loads(sys.argv[1])
boot = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
for unit, files in read.items():
    shown = subprocess.run(["systemctl", "show", "--property=MainPID", "--value", unit], stdout=subprocess.PIPE)
    try:
        with open("/proc/%d/stat" % (int(shown.stdout) or -1)) as stream:
            ticks = int(stream.read().rpartition(")")[2].split()[19])
    except (OSError, ValueError):
        continue  # it does not run: it starts with what is new
    started = boot + ticks / os.sysconf("SC_CLK_TCK")
    if any(os.path.lexists(path) and os.lstat(path).st_ctime > started for path in files):
        print(unit)
"""


# What must hold on a machine before anything else is restarted: that a unit is active is not enough.
_GATES: dict[str, Procedure] = {
    "etcd": etcd_answers,
    "kube-apiserver": api_servers_answer,
    "kubelet": kubelets_answer,
}


_PROGRAMS = {
    "containerd": "/usr/bin/containerd",
    "etcd": "/usr/bin/etcd",
    "haproxy": "/usr/sbin/haproxy",
}

ByUnit = Mapping[str, Sequence[str]]
"""By unit: files."""


def files_read_once(context: Context, host: Host) -> dict[str, list[str]]:
    """By unit: what it reads only when it starts, and kprov replaces: certificates, authorities, its release."""
    read = {unit: [CURRENT] for unit in sorted(daemons_of(host))}
    # Installing a package starts and restarts nothing: what runs its program does so when its turn comes.
    read |= {unit: [program] for unit, program in _PROGRAMS.items() if unit != "etcd" or "etcd" in host.groups}
    everyone = list(context.inventory.hosts.values())
    for spec in certificates_of(host, context.inventory.cluster, everyone):
        for unit in spec.services:
            read.setdefault(unit, []).append(spec.path)
    for file in authority_files_of(host):
        for unit in read.keys() & set(file.services):
            read[unit].append(file.path)
    return read


def stale_units(context: Context, hosts: list[Host], also: ByUnit | None = None) -> dict[str, list[str]]:
    """By machine: the units that run with what has been replaced.

    Args: ``also``: further files that units read when they start.
    """
    calls = {}
    for host in hosts:
        read = files_read_once(context, host)
        for unit in read.keys() & (also or {}).keys():
            read[unit] += (also or {})[unit]
        argv = ["python3", "-I", "-c", _SCRIPT, json.dumps(read)]
        calls[host.name] = ("command", {"argv": argv, "_check": False})
    found = context.engine.module_all(calls)
    stale = {name: set(str(answer.get("stdout") or "").split()) for name, answer in found.items()}
    if context.engine.check:  # nothing was replaced; what would be is known from the phases before
        for name in stale:
            stale[name] |= context.stale_services.get(name, set())
    return {name: sorted(units) for name, units in stale.items()}


def restart_stale_services(context: Context, hosts: list[Host], also: ByUnit | None = None) -> None:
    """Restart what still runs with the old one: one machine at a time, each unit ready before the next goes.

    etcd comes last, when everything else is at rest again, and of it the leader: one election is enough.

    Raises:
        ClusterError: a unit does not come back; the machines after it keep what they run, so the cluster goes on.
    """
    with context.engine.phase("Restart daemons with new certificates or releases", hosts):
        stale = stale_units(context, hosts, also)
        turns = [(host, [unit for unit in stale.get(host.name, []) if unit != "etcd"]) for host in hosts]
        turns += [
            (host, ["etcd"]) for host in _leader_last(context, [h for h in hosts if "etcd" in stale.get(h.name, [])])
        ]
        for index, (host, units) in enumerate(turns):
            for unit in units:
                with handed_over(context, host) if unit == "kube-apiserver" else nullcontext():
                    result = context.engine.module(
                        host, "systemd", _title=f"Restart {unit}", name=unit, state="restarted"
                    )
                if result.failed:
                    kept = dict.fromkeys(other.name for other, left in turns[index + 1 :] if left)
                    raise ClusterError(
                        f"{host.name}: {unit} does not come back with its new release or certificate: {result.message}"
                        + (f"\nNot restarted, they run with the old: {', '.join(kept)}" if kept else "")
                    )
                if unit in _GATES and not context.engine.check:
                    _GATES[unit](context, [host])


def _leader_last(context: Context, hosts: list[Host]) -> list[Host]:
    if len(hosts) < 2:
        return hosts
    leader = look_at_etcd(context.engine, context.inventory.group("etcd")).leader
    return sorted(hosts, key=lambda host: leader is not None and host.name == leader.host)
