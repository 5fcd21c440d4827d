"""Whether etcd can do without a member: counted from its list of members, not from those who happen to answer."""

from __future__ import annotations

from dataclasses import dataclass

from kprov.provision.cluster.phase import ClusterError


class QuorumError(ClusterError):
    """Taking a member out would lose the cluster. Nothing was changed; the message says what to do instead."""


@dataclass(frozen=True, slots=True)
class Votes:
    """etcd's voters.

    Attributes:
        voters: the names of all members that vote, by the members' own list.
        healthy: those that take part now.
    """

    voters: frozenset[str]
    healthy: frozenset[str]

    @property
    def quorum(self) -> int:
        """How many must take part."""
        return len(self.voters) // 2 + 1


def refuse_to_lose(votes: Votes, name: str) -> str:
    """Judge the removal of one member.

    The removal itself is a write, which a quorum of all voters must take; afterwards a quorum of those that are left
    must be healthy.

    Returns: what a person should know, "" where there is nothing.

    Raises:
        QuorumError: the cluster would be lost.
    """
    if name not in votes.voters:
        return ""
    left = votes.voters - {name}
    healthy = votes.healthy & left
    if not left:
        raise QuorumError(
            f"{name} is the last member of etcd: without it there is no cluster. Add another machine to the groups "
            "etcd and control_plane first (kprov node add), or take everything down with kprov reset"
        )
    silent = ", ".join(sorted(left - votes.healthy))
    if len(votes.healthy) < votes.quorum:
        raise QuorumError(
            f"etcd has no quorum: {len(votes.healthy)} of {len(votes.voters)} members take part. Bring {silent} back, "
            "or repair the loss with kprov etcd recover"
        )
    needed = len(left) // 2 + 1
    if len(healthy) < needed:
        raise QuorumError(
            f"without {name}, etcd would have {len(left)} members and need {needed} of them, but {silent} "
            f"{'does' if len(left - votes.healthy) == 1 else 'do'} not take part: the cluster would be lost. Bring "
            f"{silent} back first, or take it out instead (kprov node remove --gone) or replace it (kprov node replace)"
        )
    if len(left) % 2 == 0:
        return (
            f"etcd is left with {len(left)} members, which bear the loss of {(len(left) - 1) // 2}: add one more to "
            "have an odd number again"
        )
    return ""
