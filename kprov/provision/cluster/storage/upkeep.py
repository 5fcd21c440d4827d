"""etcd's upkeep: old revisions are forgotten, and the room that they took is given back, one member at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kprov.provision.cluster.canary import etcd_answers
from kprov.provision.cluster.context import Context
from kprov.provision.cluster.phase import ClusterError
from kprov.provision.cluster.storage.standing import EtcdState, look_at_etcd
from kprov.provision.inventory import Host
from kprov.provision.verify.etcdctl import ETCDCTL

LONGEST = 600
"""Seconds: what works on the whole store at once takes its time."""


def patient_etcdctl(*arguments: str) -> list[str]:
    """A command line of etcdctl for what takes longer than a question."""
    return [*ETCDCTL[:-1], f"--command-timeout={LONGEST}s", *arguments]


@dataclass(slots=True)
class Defragmentation:
    """Defragments member by member, the leader last, each healthy again before the next.

    Attributes:
        before, after: bytes on disk by machine.
    """

    before: dict[str, int]
    after: dict[str, int]

    def run(self, context: Context, hosts: list[Host]) -> None:
        """Do it.

        Raises:
            ClusterError: a member is not well, or does not come back; those after it are left as they are.
        """
        engine, group = context.engine, context.inventory.group("etcd")
        state = look_at_etcd(engine, group)
        refuse_without_quorum(state)
        sizes = {member.host: member.db_size for member in state.members}
        leader = state.leader.host if state.leader else ""
        with engine.phase("Defragment etcd", hosts):
            for host in sorted(hosts, key=lambda each: each.name == leader):
                state = look_at_etcd(engine, group)
                if state.can_lose < 1 and state.voters > 1:
                    # A member answers nobody while it is defragmented.
                    raise ClusterError(
                        f"etcd can't do without {host.name} for a moment: {state.healthy} of {state.voters} members "
                        "are healthy. Mend the others first: `kprov etcd status` says what is wrong with them"
                    )
                argv = patient_etcdctl("defrag")
                engine.module(host, "command", _title="Defragment", argv=argv, _timeout=LONGEST).raise_if_failed()
                etcd_answers(context, [host])
                self.before[host.name] = sizes.get(host.name, 0)
                found = {member.host: member.db_size for member in look_at_etcd(engine, group).members}
                self.after[host.name] = found[host.name]


@dataclass(slots=True)
class Compaction:
    """Forgets revisions.

    Attributes:
        keep: how many of the newest revisions stay: a client that reads or watches on from an older one must begin
            anew.
        revision: the oldest that stays; 0: nothing was there to forget.
    """

    keep: int
    revision: int = 0

    def run(self, context: Context, hosts: list[Host]) -> None:
        """Do it, by one healthy member, for all.

        Raises:
            ClusterError: etcd has no quorum, or refuses.
        """
        engine = context.engine
        state = look_at_etcd(engine, context.inventory.group("etcd"))
        refuse_without_quorum(state)
        through = next(host for host in hosts if healthy(state, host))
        wanted = state.revision - self.keep
        with engine.phase("Compact etcd", [through]) as phase:
            if wanted < 1:
                phase.record(through, "Forget old revisions", message="there are none")
                return
            argv = patient_etcdctl("compact", str(wanted))
            done = engine.module(through, "command", _title=f"Forget revisions before {wanted}", argv=argv, _quiet=True)
            said = str(done.get("stderr") or done.message)
            already = done.failed and "has been compacted" in said
            if done.failed and not already:
                raise ClusterError(f"{through.name}: etcd does not compact: {said.strip()[-300:]}")
            phase.record(through, f"Forget revisions before {wanted}", changed=not already)
            self.revision = 0 if already else wanted


def refuse_without_quorum(state: EtcdState) -> None:
    """etcd must take writes.

    Raises:
        ClusterError: saying what to do when it does not.
    """
    if not state.has_quorum:
        sick = "; ".join(
            f"{each.host}: {each.state} {each.reason}".strip() for each in state.members if not each.is_healthy
        )
        raise ClusterError(
            f"etcd has no quorum: {state.healthy} of {state.voters} members are healthy, {state.quorum} are needed "
            f"({sick}). What mends it: {state.way_out}"
        )


def healthy(state: EtcdState, host: Host) -> bool:
    """Whether a machine's member takes part."""
    return any(each.host == host.name and each.is_healthy for each in state.members)


def healthy_hosts(state: EtcdState, hosts: Sequence[Host]) -> list[Host]:
    """The machines whose members take part, those that do not lead first: they have less to do."""
    leader = state.leader.host if state.leader else ""
    return sorted((host for host in hosts if healthy(state, host)), key=lambda host: host.name == leader)
