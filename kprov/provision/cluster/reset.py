"""Takes off machines what kprov put there, and nothing else: by what each machine itself has noted.

What was there before is noted on the machine by the role machine (baseline) and by the installation of packages
(their ledger). What is done goes by what is found, so it can be killed anywhere and run again: the notes go last.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kprov.provision.cluster.artifacts import PACKAGES_LEDGER
from kprov.provision.cluster.context import Context
from kprov.provision.cluster.phase import ClusterError, Phase
from kprov.provision.inventory import Host
from kprov.provision.verify.machines import BY_GROUP, DEBIANS_UNITS, EVERYWHERE

Task = tuple[str, dict[str, Any]]

NOTES = "/var/lib/kprov"
CNI_NAMESPACES = "cni-"  # as containerd calls the network namespaces of pods
CNI_CHAINS = "CNI-"  # as the CNI plugin portmap calls its chains
ROUTES = "149"  # the protocol of kprov-node's routes
OWN_UNITS = (
    "kprov-certificates.timer",
    "kprov-etcd-snapshot.timer",
    "kubelet",
    *(unit for unit in EVERYWHERE if unit not in (*DEBIANS_UNITS, "kubelet")),
    *(unit for units in BY_GROUP.values() for unit in units if unit != "etcd"),
)
DEBIAN_UNITS = ("keepalived", "haproxy", "etcd", "containerd")

PODS: Task = (
    "pod_leftovers",
    {
        "containers": "k8s.io",
        "folders": ["/var/lib/kubelet", "/run/containerd/io.containerd.grpc.v1.cri"],
        "cgroups": ["kubepods", "kubepods.slice"],
        "network_namespaces": CNI_NAMESPACES,
        "tables": ["ip kube-proxy", "ip kprov-network"],
        "route_protocol": ROUTES,
        "chains": CNI_CHAINS,
    },
)


def _stopped(units: Sequence[str]) -> list[Task]:
    return [
        ("systemd", {"name": unit, "state": "stopped", "enabled": False, "_title": f"{unit} runs no more"})
        for unit in units
    ]


def _in_order(context: Context, hosts: list[Host], title: str, tasks: dict[str, list[Task]]) -> list[Host]:
    """Do it on all machines at once. Returns those on which all went well; the others are left out from here on."""
    with context.engine.phase(title, hosts):
        answers = context.engine.module_all({host.name: tasks[host.name] for host in hosts if tasks[host.name]})
    failed = {name for name, results in answers.items() if any(result.failed for result in results)}
    return [host for host in hosts if host.name not in failed]


def _units_there(context: Context, hosts: list[Host]) -> dict[str, set[str]]:
    """By machine: the units of kprov's cluster that systemd knows."""
    names = [unit if "." in unit else f"{unit}.service" for unit in (*OWN_UNITS, *DEBIAN_UNITS)]
    argv = ["systemctl", "list-unit-files", "--no-legend", "--no-pager", *names]
    answers = context.engine.module_all(
        {host.name: ("command", {"argv": argv, "_check": False, "_quiet": True}) for host in hosts}
    )
    return {
        name: {
            line.split()[0].removesuffix(".service") for line in str(answer.get("stdout") or "").splitlines() if line
        }
        for name, answer in answers.items()
    }


def reset_machines(context: Context, hosts: list[Host]) -> None:
    """Bring machines back to what they were before kprov. SSH and the network of the machine are left alone.

    Raises:
        ClusterError: something stayed on a machine; what is in the way is told of, and the same command goes on.
    """
    there = _units_there(context, hosts)
    marked = context.engine.module_all({host.name: ("stat", {"path": NOTES, "_quiet": True}) for host in hosts})
    ours = [host for host in hosts if not marked[host.name].failed and marked[host.name]["stat"]["exists"]]
    clean = [host for host in hosts if not marked[host.name].failed and host not in ours]
    with context.engine.phase("What kprov has put there", hosts) as phase:
        for host in clean:  # its notes go last: where there are none, nothing is left
            phase.record(host, "Nothing", message="kprov has nothing on this machine")
    rest = ours
    own = {host.name: _stopped([unit for unit in OWN_UNITS if unit in there[host.name]]) for host in rest}
    rest = _in_order(context, rest, "Stop the daemons", own)
    rest = _in_order(context, rest, "Take pods away", {host.name: [PODS] for host in rest})
    debians = {host.name: _stopped([unit for unit in DEBIAN_UNITS if unit in there[host.name]]) for host in rest}
    rest = _in_order(context, rest, "Stop what the daemons stood on", debians)
    ledger = {"state": "absent", "purge": True, "ledger": PACKAGES_LEDGER, "_title": "Packages that kprov installed"}
    purges: list[Task] = [("deb", ledger)]
    rest = _in_order(context, rest, "Remove packages", {host.name: purges for host in rest})
    lines: list[Task] = [
        (
            "blockinfile",
            {
                "path": "/etc/hosts",
                "marker": "# {mark} kprov: machines of the cluster",
                "state": "absent",
                "_title": "The machines of the cluster, by name",
            },
        ),
        ("baseline", {"state": "restored", "dest": f"{NOTES}/baseline", "_title": "What was there before"}),
        ("systemd", {"daemon_reload": True}),
    ]
    rest = _in_order(context, rest, "Bring back what was there before", {host.name: lines for host in rest})
    last: list[Task] = [("file", {"path": NOTES, "state": "absent", "_title": "kprov's notes"})]
    rest = _in_order(context, rest, "Forget it", {host.name: last for host in rest})
    left = [host.name for host in hosts if host not in (*rest, *clean)]
    if left:
        raise ClusterError(
            f"something of kprov's stayed on {', '.join(left)}: see above why; the same command goes on from there"
        )


RESET: tuple[Phase, ...] = (Phase("Reset the machines", "all", procedure=reset_machines, whole=True),)
