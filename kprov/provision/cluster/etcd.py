"""Forms the etcd cluster: one member begins it, each other joins a healthy one, as a learner first.

What is done goes by what is found: data on the machines' disks, and the members that the cluster itself lists. So the
procedure can be killed anywhere and run again.
"""

from __future__ import annotations

from collections.abc import Sequence

from kprov.provision.cluster.context import Context
from kprov.provision.cluster.etcd_members import Door, Member, etcdctl, first_healthy, learners, members, peer_url
from kprov.provision.cluster.lost_members import forget_lost, lost_members
from kprov.provision.cluster.phase import ClusterError
from kprov.provision.engine import Engine
from kprov.provision.engine.phase_recorder import PhaseRecorder
from kprov.provision.engine.waiting import Wait
from kprov.provision.inventory import Host

DATA = "/var/lib/etcd/member-data/member/wal"
_INITIAL_CLUSTER = "/etc/etcd/initial-cluster.env"
NOT_FINISHED = "/var/lib/kprov/etcd-restore"
"""Is on a machine while etcd is restored there: who finds it knows that a restore was cut off."""
_PUT_ASIDE = """
if [ -d /var/lib/etcd/member-data ]; then
    rm -rf /var/lib/etcd/member-data.lost && mv /var/lib/etcd/member-data /var/lib/etcd/member-data.lost
fi
"""
_WHERE_IT_JOINS = "Where it joins"
_RUNS = ("systemd", {"name": "etcd", "state": "started", "enabled": True, "daemon_reload": True})


def form_etcd(context: Context, hosts: list[Host]) -> None:
    """Make every machine of the group etcd a voting member of one healthy cluster.

    Raises:
        ClusterError: the cluster has data and no quorum, or a machine that may hold the data does not answer.
    """
    engine = context.engine
    with engine.phase("Form the etcd cluster", hosts) as phase:
        lost = _put_aside_lost(context, hosts)
        found = engine.module_all({host.name: ("stat", {"path": DATA}) for host in hosts})
        hosts = [host for host in hosts if not found[host.name].failed]  # the others were lost just now
        with_data = [host for host in hosts if found[host.name]["stat"]["exists"]]
        absent = [host for host in context.inventory.group("etcd") if host not in hosts]
        if not hosts:
            return
        if engine.check:
            _foretell(engine, phase, with_data, [host for host in hosts if host not in with_data])
            return
        if not with_data and absent:
            door = _door_to_others(context, hosts[0], absent)
        else:
            if not with_data:
                _begin(engine, hosts[0])
                with_data = [hosts[0]]
            healthy = first_healthy(engine, with_data)
            if healthy is not None:
                removed = _put_aside_removed(engine, healthy, with_data)
                with_data = [host for host in with_data if host not in removed]
            _start(engine, with_data)
            door = healthy or _wait_for_quorum(engine, with_data)
        _promote(engine, door)  # of a run that was killed: etcd has room for one learner at a time
        for host in [host for host in hosts if host not in with_data]:
            _join(engine, door, host)
            if host in lost:
                forget_lost(context.inventory.cluster.state_directory, [host.name])


def _put_aside_lost(context: Context, hosts: Sequence[Host]) -> list[Host]:
    """Data of a cluster that is no more are never started again: they make room for those of the one that is.

    Returns: the machines that had such data.

    Raises:
        ClusterError: a restore was cut off: some members have the old data, some the new.
    """
    engine = context.engine
    cut_off = engine.module_all({host.name: ("stat", {"path": NOT_FINISHED}) for host in hosts})
    names = [name for name, result in cut_off.items() if not result.failed and result["stat"]["exists"]]
    if names:
        raise ClusterError(
            f"a restore of etcd was cut off on {', '.join(names)}: run the same `kprov etcd restore` again first"
        )
    known = lost_members(context.inventory.cluster.state_directory)
    lost = [host for host in hosts if host.name in known]
    if not engine.check:
        _put_aside(engine, lost, "Put data of the lost cluster aside")
    return lost


def _put_aside(engine: Engine, hosts: Sequence[Host], title: str) -> None:
    """Stop etcd, and make room for other data."""
    stop = ("systemd", {"name": "etcd", "state": "stopped"})
    steps = [stop, ("command", {"argv": ["sh", "-c", _PUT_ASIDE], "_title": title})]
    for results in engine.module_all({host.name: steps for host in hosts}).values():
        results[-1].raise_if_failed()  # where etcd was never installed there is nothing to stop


def _removed(engine: Engine, door: Door, with_data: Sequence[Host]) -> list[Host]:
    """The machines whose data are of a member that the cluster does not list any more: somebody took it out by hand.

    Raises:
        ClusterError: it can't be told which of them are the cluster.
    """
    listed = {member.peer_url for member in members(engine, door)}
    removed = [host for host in with_data if peer_url(host) not in listed]
    if not removed:
        return []
    names = ", ".join(host.name for host in removed)
    others = [host.name for host in removed if etcdctl(engine, Door(host), "endpoint", "health")[0]]
    if others or 2 * len(removed) >= len(with_data):
        raise ClusterError(
            f"there are two clusters of etcd: {names} {'has' if len(removed) == 1 else 'have'} data, and the members "
            f"that {door.host.name} lists do not name {'it' if len(removed) == 1 else 'them'}. Nothing was changed. "
            "Look which of them has your data (kprov etcd status), and restore a snapshot of it: kprov etcd restore"
        )
    return removed


def _put_aside_removed(engine: Engine, door: Door, with_data: Sequence[Host]) -> list[Host]:
    """A member that was taken out never takes part again: its data make room, and its machine joins anew.

    Returns: the machines that join anew.
    """
    removed = _removed(engine, door, with_data)
    _put_aside(engine, removed, "Put the data of a member that was taken out of etcd aside")
    return removed


def _foretell(engine: Engine, phase: PhaseRecorder, with_data: list[Host], new: list[Host]) -> None:
    """What would be done, as far as it can be known: a member that does not run can't be asked about the others."""
    engine.module_all({host.name: _RUNS for host in with_data})
    door = first_healthy(engine, with_data)
    if door is not None:
        for learner in learners(engine, door):
            phase.record(door.host, f"Learner {learner.name} becomes a voter", changed=True)
        for removed in _removed(engine, door, with_data):
            phase.record(removed, _WHERE_IT_JOINS, changed=True, message="anew: its member was taken out of etcd")
    for index, host in enumerate(new):
        begins = index == 0 and not with_data
        message = "the first member of a new cluster" if begins else "a member of the cluster"
        phase.record(host, _WHERE_IT_JOINS, changed=True, message=message)


def _door_to_others(context: Context, host: Host, absent: Sequence[Host]) -> Door:
    """The cluster that the group's other machines form, asked from a machine that has yet to join it.

    Raises:
        ClusterError: none of them answers as a member: there may be a cluster that nobody sees, and a second one of the
            machines that are here would be wrong for good.
    """
    answers = []
    for other in absent:
        door = Door(host, f"https://{other.node_address}:2379")
        fine, output = etcdctl(context.engine, door, "endpoint", "health")
        if fine:
            return Door(host, ",".join(f"https://{each.node_address}:2379" for each in absent))
        answers.append(f"{other.name}: {output.strip()[-200:] or 'no answer'}")
    names = ", ".join(other.name for other in absent)
    why = "is left out by --limit" if context.limit is not None else "does not answer"
    raise ClusterError(
        f"no machine of this run has data of etcd, {names} {why}, and no etcd that is healthy answers there: a new "
        f"cluster may overwrite an old one, and must begin with all of its machines. "
        f"Bring {names} back, or run it without --limit. Last answers: {'; '.join(answers)}"
    )


def _begin(engine: Engine, host: Host) -> None:
    _write_initial_cluster(engine, host, {host.name: peer_url(host)}, "new")


def _write_initial_cluster(engine: Engine, host: Host, peers: dict[str, str], state: str) -> None:
    listed = ",".join(f"{name}={url}" for name, url in peers.items())
    content = f"ETCD_INITIAL_CLUSTER={listed}\nETCD_INITIAL_CLUSTER_STATE={state}\n"
    engine.module(
        host, "copy", _title=_WHERE_IT_JOINS, content=content, dest=_INITIAL_CLUSTER, mode="0644"
    ).raise_if_failed()


def _start(engine: Engine, hosts: Sequence[Host]) -> None:
    for result in engine.module_all({host.name: _RUNS for host in hosts}).values():
        result.raise_if_failed()


def _wait_for_quorum(engine: Engine, hosts: Sequence[Host]) -> Door:
    """Wait until a member is healthy. Returns: it. A learner, which a killed run may have left first, never is."""
    names = ", ".join(host.name for host in hosts)
    wait = _waits(engine, f"a quorum of etcd, which {names} {'has' if len(hosts) == 1 else 'have'} data of")
    while True:
        for host in hosts:
            fine, output = etcdctl(engine, Door(host), "endpoint", "health")
            if fine:
                return Door(host)
            if "no such file" in output:
                raise ClusterError(f"{host.name}: etcd can't be asked: {output.strip()}")
        wait.longer(f"bring the other members back. Last answer: {output.strip()[-300:]}")


def _waits(engine: Engine, what: str) -> Wait:
    return Wait(what, "quorum", engine.timeouts, engine.waiting, ClusterError)


def _join(engine: Engine, through: Door, host: Host) -> None:
    listed = members(engine, through)
    mine = next((member for member in listed if member.peer_url == peer_url(host)), None)
    if mine and mine.name:
        if engine.module(host, "stat", path=DATA)["stat"]["exists"]:
            raise ClusterError(f"{host.name}: data of etcd have come up meanwhile. Run the same command again")
        _forget_lost_disk(engine, through, host, mine, listed)
        mine = None
    if mine is None:
        _all_healthy(engine, through, host)
        arguments = ["member", "add", host.name, "--learner", f"--peer-urls={peer_url(host)}"]
        fine, output = etcdctl(engine, through, *arguments)
        wait = _waits(engine, f"etcd to take {host.name} as a member")
        while not fine:
            # right after an election the leader has not heard of everyone yet, and says so
            if "unhealthy cluster" not in output and "re-configuration failed" not in output:
                raise ClusterError(f"{host.name}: etcd refuses the new member: {output.strip()}")
            wait.longer(output.strip())
            fine, output = etcdctl(engine, through, *arguments)
        listed = members(engine, through)
    names = {member.name or host.name: member.peer_url for member in listed}
    _write_initial_cluster(engine, host, names, "existing")
    _start(engine, [host])
    _promote(engine, through)


def _all_healthy(engine: Engine, through: Door, host: Host) -> None:
    fine, output = etcdctl(engine, through, "endpoint", "health", "--cluster")
    if not fine:
        raise ClusterError(
            f"{host.name} can't join: a member of etcd is not healthy, and one more could cost the quorum. "
            f"Mend it first: {output.strip()[-300:]}"
        )


def _forget_lost_disk(engine: Engine, through: Door, host: Host, mine: Member, listed: list[Member]) -> None:
    """A member whose disk is empty is not itself any more: it would vote twice. It leaves, and joins anew."""
    others = [member for member in listed if member.id != mine.id and not member.is_learner]
    doors = [Door(through.host, member.peer_url.replace(":2380", ":2379")) for member in others]
    healthy = sum(etcdctl(engine, door, "endpoint", "health")[0] for door in doors)
    if healthy <= len(others) // 2:
        raise ClusterError(
            f"{host.name}: its etcd data are gone, and only {healthy} of the other {len(others)} members are healthy: "
            "taking it out would cost the quorum. Bring another member back first"
        )
    fine, output = etcdctl(engine, through, "member", "remove", mine.id)
    if not fine:
        raise ClusterError(f"{host.name}: etcd does not let go of the member whose data are gone: {output.strip()}")


def _promote(engine: Engine, through: Door) -> None:
    for learner in learners(engine, through):
        wait = _waits(engine, f"etcd's learner {learner.name} to catch up")
        while True:
            fine, output = etcdctl(engine, through, "member", "promote", learner.id)
            if fine or "already" in output or "not a learner" in output:
                break
            wait.longer(output.strip(), pause=0.2)
