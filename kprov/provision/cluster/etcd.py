"""Forms the etcd cluster: one member begins it, each other joins a healthy one, as a learner first.

What is done goes by what is found: data on the machines' disks, and the members that the cluster itself lists. So the
procedure can be killed anywhere and run again.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass

from kprov.provision.cluster.context import Context
from kprov.provision.cluster.phase import ClusterError
from kprov.provision.engine import Engine
from kprov.provision.inventory import Host

ETCDCTL = (
    "etcdctl",
    "--endpoints=https://127.0.0.1:2379",
    "--cacert=/etc/kubernetes/pki/etcd/ca.crt",
    "--cert=/etc/kubernetes/pki/etcd/healthcheck-client.crt",
    "--key=/etc/kubernetes/pki/etcd/healthcheck-client.key",
    "--dial-timeout=2s",
    "--command-timeout=5s",
)
_DATA = "/var/lib/etcd/member-data/member/wal"
_INITIAL_CLUSTER = "/etc/etcd/initial-cluster.env"
_DEADLINE_SECONDS = 90.0


@dataclass(frozen=True, slots=True)
class Member:
    """A member as the cluster lists it; ``name`` is "" until it has run for the first time."""

    id: str
    name: str
    peer_url: str
    is_learner: bool


def peer_url(host: Host) -> str:
    """Where the other members reach a machine's etcd."""
    return f"https://{host.node_address}:2380"


def form_etcd(context: Context, hosts: list[Host]) -> None:
    """Make every machine of the group etcd a voting member of one healthy cluster.

    Raises:
        ClusterError: the cluster has data and no quorum, or a machine that may hold the data does not answer.
    """
    engine = context.engine
    title = "Form the etcd cluster"
    with engine.phase(title, hosts):
        found = engine.module_all({host.name: ("stat", {"path": _DATA}) for host in hosts})
        with_data = [host for host in hosts if found[host.name]["stat"]["exists"]]
        absent = [host.name for host in context.inventory.group("etcd") if host not in hosts]
        if not with_data and absent:
            raise ClusterError(
                f"no machine that answers has data of etcd, and {', '.join(absent)} does not answer: a new cluster may "
                "overwrite an old one. Bring it back, or take it out of the inventory"
            )
        if engine.check:
            return
        if not with_data:
            _begin(engine, hosts[0])
            with_data = [hosts[0]]
        _start(engine, with_data)
        voter = _wait_for_quorum(engine, with_data)
        _promote_learners(engine, voter)  # of a run that was killed: etcd has room for one learner at a time
        for host in [host for host in hosts if host not in with_data]:
            _join(engine, voter, host)


def _begin(engine: Engine, host: Host) -> None:
    _write_initial_cluster(engine, host, {host.name: peer_url(host)}, "new")


def _write_initial_cluster(engine: Engine, host: Host, members: dict[str, str], state: str) -> None:
    listed = ",".join(f"{name}={url}" for name, url in members.items())
    content = f"ETCD_INITIAL_CLUSTER={listed}\nETCD_INITIAL_CLUSTER_STATE={state}\n"
    engine.module(
        host, "copy", _title="Where it joins", content=content, dest=_INITIAL_CLUSTER, mode="0644"
    ).raise_if_failed()


def _start(engine: Engine, hosts: Sequence[Host]) -> None:
    task = ("systemd", {"name": "etcd", "state": "started", "enabled": True, "daemon_reload": True})
    for result in engine.module_all({host.name: task for host in hosts}).values():
        result.raise_if_failed()


def etcdctl(engine: Engine, host: Host, *arguments: str) -> tuple[bool, str]:
    """Run etcdctl on a member. Returns: whether it succeeded, and what it printed."""
    result = engine.module(host, "command", _check=False, argv=[*ETCDCTL, *arguments])
    return not result.failed, str(result.get("stdout") or "") + str(result.get("stderr") or "")


def members(engine: Engine, host: Host) -> list[Member]:
    """The members that the cluster lists, asked on ``host``.

    Raises:
        ClusterError: the cluster does not answer.
    """
    fine, output = etcdctl(engine, host, "member", "list", "--write-out=json", "--hex")
    if not fine:
        raise ClusterError(f"{host.name}: etcd does not list its members: {output.strip()}")
    listed = []
    for entry in json.loads(output.splitlines()[0])["members"]:
        number = entry["ID"]
        listed.append(
            Member(
                id=number if isinstance(number, str) else f"{number:x}",
                name=entry.get("name", ""),
                peer_url=entry["peerURLs"][0],
                is_learner=bool(entry.get("isLearner")),
            )
        )
    return listed


def _wait_for_quorum(engine: Engine, hosts: Sequence[Host]) -> Host:
    """Wait until a member is healthy. Returns: it. A learner, which a killed run may have left first, never is."""
    deadline = time.monotonic() + _DEADLINE_SECONDS
    while True:
        for host in hosts:
            fine, output = etcdctl(engine, host, "endpoint", "health")
            if fine:
                return host
            if "no such file" in output:
                raise ClusterError(f"{host.name}: etcd can't be asked: {output.strip()}")
        if time.monotonic() > deadline:
            raise ClusterError(
                f"etcd on {', '.join(host.name for host in hosts)} has data and no quorum after "
                f"{_DEADLINE_SECONDS:.0f} s. Bring the other members back. Last answer: {output.strip()[-300:]}"
            )
        time.sleep(0.3)


def _join(engine: Engine, through: Host, host: Host) -> None:
    listed = members(engine, through)
    mine = next((member for member in listed if member.peer_url == peer_url(host)), None)
    if mine and mine.name:
        _forget_lost_disk(engine, through, host, mine, listed)
        mine = None
    if mine is None:
        _all_healthy(engine, through, host)
        arguments = ["member", "add", host.name, "--learner", f"--peer-urls={peer_url(host)}"]
        fine, output = etcdctl(engine, through, *arguments)
        deadline = time.monotonic() + _DEADLINE_SECONDS
        while not fine:
            # right after an election the leader has not heard of everyone yet, and says so
            if "unhealthy cluster" not in output and "re-configuration failed" not in output:
                raise ClusterError(f"{host.name}: etcd refuses the new member: {output.strip()}")
            if time.monotonic() > deadline:
                raise ClusterError(f"{host.name}: etcd stays unhealthy, no member is added: {output.strip()}")
            time.sleep(0.3)
            fine, output = etcdctl(engine, through, *arguments)
        listed = members(engine, through)
    names = {member.name or host.name: member.peer_url for member in listed}
    _write_initial_cluster(engine, host, names, "existing")
    _start(engine, [host])
    _promote_learners(engine, through)


def _all_healthy(engine: Engine, through: Host, host: Host) -> None:
    fine, output = etcdctl(engine, through, "endpoint", "health", "--cluster")
    if not fine:
        raise ClusterError(
            f"{host.name} can't join: a member of etcd is not healthy, and one more could cost the quorum. "
            f"Mend it first: {output.strip()[-300:]}"
        )


def _forget_lost_disk(engine: Engine, through: Host, host: Host, mine: Member, listed: list[Member]) -> None:
    """A member whose disk is empty is not itself any more: it would vote twice. It leaves, and joins anew."""
    others = [member for member in listed if member.id != mine.id and not member.is_learner]
    healthy = sum(
        etcdctl(engine, through, f"--endpoints={member.peer_url.replace(':2380', ':2379')}", "endpoint", "health")[0]
        for member in others
    )
    if healthy <= len(others) // 2:
        raise ClusterError(
            f"{host.name}: its etcd data are gone, and only {healthy} of the other {len(others)} members are healthy: "
            "taking it out would cost the quorum. Bring another member back first"
        )
    fine, output = etcdctl(engine, through, "member", "remove", mine.id)
    if not fine:
        raise ClusterError(f"{host.name}: etcd does not let go of the member whose data are gone: {output.strip()}")


def _promote_learners(engine: Engine, through: Host) -> None:
    deadline = time.monotonic() + _DEADLINE_SECONDS
    for learner in [member for member in members(engine, through) if member.is_learner and member.name]:
        while True:
            fine, output = etcdctl(engine, through, "member", "promote", learner.id)
            if fine or "already" in output or "not a learner" in output:
                break
            if time.monotonic() > deadline:
                raise ClusterError(
                    f"etcd's learner {learner.name or learner.peer_url} does not catch up: {output.strip()}"
                )
            time.sleep(0.2)
