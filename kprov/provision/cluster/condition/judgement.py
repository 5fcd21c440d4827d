"""What is wrong with a cluster, how bad it is, and which command mends it; and what its next loss would cost."""

from __future__ import annotations

from collections.abc import Iterator

from kprov.provision.cluster.condition.cluster import ClusterState
from kprov.provision.cluster.condition.finding import Finding, Severity
from kprov.provision.cluster.condition.machine import MachineState
from kprov.provision.cluster.condition.sick_machines import of_machines, silent_machines
from kprov.provision.inventory.timeouts import in_words

SNAPSHOT_DAYS = 2
_LISTED = 10


def judge(state: ClusterState, inventory_path: str) -> list[Finding]:
    """Everything that is wrong, the worst first; what explains others comes before them."""
    if is_bare(state):
        return [_bare(inventory_path), *silent_machines(state, inventory_path)]
    found = [
        *_etcd(state, inventory_path),
        *_api(state, inventory_path),
        *of_machines(state, inventory_path),
        *_leaders(state),
        *_nodes(state, inventory_path),
        *_certificates(state, inventory_path),
        *_releases(state, inventory_path),
        *_drift(state, inventory_path),
    ]
    order = list(Severity)
    return sorted(found, key=lambda finding: order.index(finding.severity))


def is_bare(state: ClusterState) -> bool:
    """Whether the machines that answer have nothing of kprov on them, and nothing of a cluster runs there.

    A containerd, a haproxy may have been there before.
    """
    answering = [machine for machine in state.machines if machine.answers]
    ours = ("etcd", "kube", "kprov")
    return bool(answering) and not any(
        machine.release or any(unit.runs and unit.name.startswith(ours) for unit in machine.units)
        for machine in answering
    )


def _bare(inventory: str) -> Finding:
    return Finding(
        severity=Severity.BROKEN,
        where="cluster",
        what="there is none on these machines yet",
        why="no machine that answers has a release of kprov's daemons, and none of them runs",
        mend=f"kprov up -i {inventory}",
    )


def _etcd(state: ClusterState, inventory: str) -> Iterator[Finding]:
    etcd = state.etcd
    if etcd.restore_cut_off:
        yield Finding(
            severity=Severity.BROKEN,
            where=", ".join(etcd.restore_cut_off),
            what="a restore of etcd was cut off",
            why="some members may have the old data, some the new",
            mend="kprov etcd restore SNAPSHOT: the same command again",
        )
    if not etcd.has_quorum:
        yield Finding(
            severity=Severity.BROKEN,
            where="etcd",
            what=f"no quorum: {etcd.healthy} of {etcd.voters} members take part, {etcd.quorum} are needed",
            why="the API takes no writes",
            mend=etcd.way_out,
        )
    stopped = {each.name for each in state.machines if each.answers and not each.runs("etcd")}
    for member in etcd.members:
        if member.state == "silent" and member.host in stopped:
            continue  # that it does not run is told of its unit
        if member.state == "stranger":
            yield Finding(
                severity=Severity.DEGRADED,
                where=member.host,
                what="is a member of etcd, and the inventory does not name it",
                why="it counts for the quorum though nobody looks after it",
                mend=f"add it to the group etcd, or take it out: etcdctl member remove {member.id}",
            )
        elif not member.is_healthy and member.state != "unreachable":
            yield Finding(
                severity=Severity.DEGRADED,
                where=member.host,
                what=f"its etcd does not take part: {member.state}",
                why=member.reason,
                mend=f"kprov up -i {inventory}"
                if member.state in ("no data", "learner", "removed")
                else f"journalctl -u etcd on it; then kprov up -i {inventory}",
            )
        for alarm in member.alarms:
            yield Finding(
                severity=Severity.BROKEN,
                where=member.host,
                what=f"etcd's alarm {alarm}",
                why="NOSPACE: the database is full, and nothing can be written" if alarm == "NOSPACE" else "",
                mend="kprov etcd compact; kprov etcd defrag; then etcdctl alarm disarm",
            )
    clocked = [each for each in state.machines if each.snapshot_timer_age is not None and each.answers]
    since = [min(each.uptime, each.snapshot_timer_age or 0) for each in clocked]
    ages = [each.snapshot_age for each in clocked if each.snapshot_age is not None]
    if clocked and (not ages or min(ages) > SNAPSHOT_DAYS * 86400) and min(since) > 86400:
        yield Finding(
            severity=Severity.NOTE,
            where="etcd",
            what="there is no recent snapshot" + (f": the last is {min(ages) // 86400} days old" if ages else ""),
            mend="kprov etcd backup; and see journalctl -u kprov-etcd-snapshot",
        )


def _api(state: ClusterState, inventory: str) -> Iterator[Finding]:
    ready = state.ready_api_servers
    if not ready:
        why = state.trouble or "; ".join(f"{name}: {problem}" for name, problem in state.api.items())
        yield Finding(
            severity=Severity.BROKEN,
            where="API",
            what="no API server is ready",
            why=why,
            mend=f"kprov up -i {inventory}",
        )
        return
    silent = {machine.name for machine in state.machines if not machine.answers}
    for name, problem in state.api.items():
        if problem and name not in silent:
            yield Finding(
                severity=Severity.DEGRADED,
                where=name,
                what="its API server is not ready",
                why=problem,
                mend=f"journalctl -u kube-apiserver on it; then kprov up -i {inventory}",
            )


def _leaders(state: ClusterState) -> Iterator[Finding]:
    for component, leader in state.leaders.items():
        if not leader and state.ready_api_servers:
            yield Finding(
                severity=Severity.BROKEN,
                where=component,
                what=f"no {component} leads",
                why="new pods are not placed" if component == "scheduler" else "nothing that a controller does is done",
                mend=f"journalctl -u kube-{component.replace(' ', '-')} on the control-plane machines",
            )


def _nodes(state: ClusterState, inventory: str) -> Iterator[Finding]:
    silent = {machine.name for machine in state.machines if not machine.answers}
    for node in state.nodes or ():
        if not node.in_inventory:
            yield Finding(
                severity=Severity.NOTE,
                where=node.name,
                what="is a node, and the inventory does not name it",
                mend=f"add it to {inventory}, or kubectl delete node {node.name}",
            )
        elif not node.is_ready and node.name not in silent:
            yield Finding(
                severity=Severity.DEGRADED,
                where=node.name,
                what="its node is not ready",
                why=node.reason,
                mend=f"journalctl -u kubelet on it; then kprov up -i {inventory} --limit {node.name}",
            )
        elif node.is_ready and node.reason:
            yield Finding(
                severity=Severity.DEGRADED,
                where=node.name,
                what=f"its node is under {node.reason}",
                mend="make room on it",
            )
        if node.is_cordoned:
            yield Finding(
                severity=Severity.NOTE,
                where=node.name,
                what="takes no new pods" + (f": {node.cordoned_for}" if node.cordoned_for else ": it is cordoned"),
                mend=f"kprov node uncordon {node.name}",
            )


def _certificates(state: ClusterState, inventory: str) -> Iterator[Finding]:
    by_host: dict[str, list[str]] = {}
    ended = set()
    for row in state.certificates:
        if row.state == "unreachable":
            continue
        if row.days_left is None or row.state == "expired":
            by_host.setdefault(row.host, []).append(f"{row.name} is {row.state}")
            ended.add(row.host)
        elif row.days_left < state.warning_days:
            by_host.setdefault(row.host, []).append(f"{row.name} ends in {row.days_left} days")
    for host, words in by_host.items():
        yield Finding(
            severity=Severity.BROKEN if host in ended else Severity.DEGRADED,
            where=host,
            what=f"certificates end: {', '.join(words)}",
            mend=f"kprov certs renew -i {inventory}",
        )


def _releases(state: ClusterState, inventory: str) -> Iterator[Finding]:
    releases: dict[str, list[str]] = {}
    for machine in state.machines:
        if machine.answers:
            releases.setdefault(machine.release or "none", []).append(machine.name)
    if len(releases) > 1:
        yield Finding(
            severity=Severity.NOTE,
            where="machines",
            what="they run different releases: "
            + "; ".join(f"{key} on {', '.join(names)}" for key, names in releases.items()),
            mend=f"kprov up -i {inventory}",
        )


def _drift(state: ClusterState, inventory: str) -> Iterator[Finding]:
    compared = state.comparison
    if compared is None or not compared.found:
        return
    listed = [f"{host}: {role}: {task}" for host, role, task in compared.found]
    more = [f"and {len(listed) - _LISTED} more"] if len(listed) > _LISTED else []
    yield Finding(
        severity=Severity.NOTE,
        where=", ".join(compared.hosts),
        what=f"{len(listed)} {'thing is' if len(listed) == 1 else 'things are'} not as the inventory has it, "
        f"by {compared.command} of {in_words(round(compared.seconds))} ago",
        why="\n".join([*listed[:_LISTED], *more]),
        mend=f"kprov plan -i {inventory} shows the differences; kprov up -i {inventory} puts them right",
    )


def cost_of_loss(state: ClusterState, machine: MachineState) -> list[str]:
    """What ends when a machine is lost now; nothing when all goes on without it."""
    costs = []
    etcd = state.etcd
    votes = any(m.host == machine.name and m.is_healthy and m.state in ("leader", "follower") for m in etcd.members)
    if votes and etcd.has_quorum and etcd.healthy - 1 < etcd.quorum:
        costs.append("etcd's quorum: no writes any more")
    if state.ready_api_servers == [machine.name]:
        costs.append("the last API server")
    for unit, name in (("kube-scheduler", "scheduler"), ("kube-controller-manager", "controller manager")):
        if [each.name for each in state.machines if each.runs(unit)] == [machine.name]:
            costs.append(f"the last {name}")
    workers = [n.name for n in state.nodes or () if n.is_ready and not n.is_cordoned and _takes_pods(state, n.name)]
    if workers == [machine.name]:
        costs.append("the last node that takes pods")
    return costs


def _takes_pods(state: ClusterState, name: str) -> bool:
    return any(machine.name == name and "node" in machine.groups for machine in state.machines)


def is_highly_available(state: ClusterState) -> bool:
    """Whether any one machine may be lost now, and the cluster goes on."""
    return (
        state.etcd.has_quorum
        and bool(state.ready_api_servers)
        and not any(cost_of_loss(state, machine) for machine in state.machines if machine.answers)
    )
