"""Many machines behind one sshd that lets only a few in at a time: all get in, and it is said why that takes longer."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from private_sshd import PrivateSSHD

from kprov.provision.transport import openssh
from kprov.provision.transport.connect import connect
from kprov.provision.transport.errors import TurnedAway
from kprov.provision.transport.link import AgentLink
from kprov.provision.transport.target import Target

MACHINES = 40
BY_PROGRAM = 12
BEHIND_JUMP = 15  # more than sshd's MaxSessions
# Two logins at a time, and not one more: the next is turned away at once.
NARROW = "2:100:3"


def target(server: PrivateSSHD, number: int, address: str = "", jump: Target | None = None) -> Target:
    return Target(
        name=f"m{number}",
        address=address or server.address,
        port=server.port,
        key_files=(str(server.client_key),),
        pinned_key=server.host_key(),
        become=False,
        jump=jump,
        login_timeout=120.0,
    )


@contextmanager
def connected(targets: list[Target], warnings: list[str]) -> Iterator[list[AgentLink]]:
    """All of them at once."""
    with ExitStack() as stack:
        with ThreadPoolExecutor(len(targets)) as pool:
            links = list(pool.map(lambda each: connect(each, warn=warnings.append), targets))
        for link in links:
            stack.callback(link.close)
        yield links


def test_many_names_of_one_sshd(tmp_path: Path) -> None:
    warnings: list[str] = []
    with PrivateSSHD(tmp_path, max_startups=NARROW) as server:
        with connected([target(server, number) for number in range(MACHINES)], warnings) as links:
            assert len({link.call("hello")["pid"] for link in links}) == MACHINES
        assert server.log.count("Accepted publickey") == MACHINES
    (warning,) = warnings
    assert "turns logins away (its MaxStartups?)" in warning


def test_the_ssh_program_waits_at_the_same_gate(tmp_path: Path) -> None:
    warnings: list[str] = []
    with PrivateSSHD(tmp_path, max_startups=NARROW) as server, ExitStack() as stack:
        # Of one address, and yet each with a login of its own to keep.
        named = [
            Target(**{**vars(target(server, number)), "transport": "openssh", "ssh_name": f"kprov-test-{number}"})
            for number in range(BY_PROGRAM)
        ]
        for each in named:
            stack.callback(openssh.forget, each)
        with connected(named, warnings) as links:
            assert len({link.call("hello")["pid"] for link in links}) == BY_PROGRAM
        assert server.log.count("Accepted publickey") == BY_PROGRAM
    (warning,) = warnings
    assert "turns logins away (its MaxStartups?)" in warning


def test_a_jump_host_is_logged_in_to_once(tmp_path: Path) -> None:
    warnings: list[str] = []
    with (
        PrivateSSHD(tmp_path / "jump", max_startups=NARROW) as narrow,
        PrivateSSHD(tmp_path / "inside", address="0.0.0.0") as inside,
    ):
        jump = target(narrow, 0)
        targets = [target(inside, number, f"127.0.1.{number + 1}", jump) for number in range(BEHIND_JUMP)]
        with connected(targets, warnings) as links:
            assert len({link.call("hello")["pid"] for link in links}) == BEHIND_JUMP
            links.pop().close()
            assert links[0].call("hello")["uid"] >= 0, "one that leaves takes the others' way with it"
        assert narrow.log.count("Accepted publickey") == 1
        assert inside.log.count("Accepted publickey") == BEHIND_JUMP
        # Given back by all, it is closed, and made anew when it is needed again.
        with connected(targets[:2], warnings) as links:
            assert links[1].call("hello")["pid"]
        assert narrow.log.count("Accepted publickey") == 2
    assert warnings == []


def test_one_that_never_lets_in_is_given_up(tmp_path: Path) -> None:
    warnings: list[str] = []
    with PrivateSSHD(tmp_path, max_startups="1:100:1") as server, ExitStack() as stack:
        for _ in range(5):  # they take all places, and never log in
            stack.enter_context(socket.create_connection((server.address, server.port)))
        short = Target(**{**vars(target(server, 1)), "login_timeout": 1.5})
        with pytest.raises(TurnedAway, match=r"MaxStartups.* It was tried \d+ times in \d s"):
            connect(short, warn=warnings.append)
    assert len(warnings) == 1
