"""Which members etcd can do without: counted from its members, not from those who answer."""

from __future__ import annotations

import pytest

from kprov.provision.cluster.nodes.quorum import QuorumError, Votes, refuse_to_lose


def _votes(voters: str, healthy: str) -> Votes:
    return Votes(frozenset(voters), frozenset(healthy))


@pytest.mark.parametrize(
    ("voters", "healthy", "name", "said"),
    [
        ("abc", "abc", "a", "2 members, which bear the loss of 0"),
        ("abc", "bc", "a", "2 members, which bear the loss of 0"),
        ("abcd", "abcd", "a", ""),
        ("abcd", "bcd", "a", ""),
        ("abcde", "abcd", "a", "4 members, which bear the loss of 1"),
        ("abcd", "abc", "a", ""),  # two of the three that are left are a quorum
        ("ab", "ab", "a", ""),
        ("abc", "abc", "z", ""),  # no member any more: a removal that was cut off goes on
        ("abc", "a", "z", ""),
    ],
)
def test_it_may_go(voters: str, healthy: str, name: str, said: str) -> None:
    answer = refuse_to_lose(_votes(voters, healthy), name)
    assert said in answer and bool(said) == bool(answer)


@pytest.mark.parametrize(
    ("voters", "healthy", "name", "said"),
    [
        ("a", "a", "a", "the last member"),
        ("abc", "ab", "a", "Bring c back first"),
        ("abc", "a", "b", "no quorum"),
        ("abc", "a", "a", "no quorum"),
        ("ab", "a", "b", "no quorum"),
        ("abcde", "abc", "a", "kprov node replace"),
    ],
)
def test_the_cluster_would_be_lost(voters: str, healthy: str, name: str, said: str) -> None:
    with pytest.raises(QuorumError, match=said):
        refuse_to_lose(_votes(voters, healthy), name)
