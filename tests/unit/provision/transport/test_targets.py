"""The way in that inventory and ssh_config say together: who has the first word, jump hosts and their chains."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from kprov.provision.transport.errors import Unreachable
from kprov.provision.transport.target import Target, split_address, target_of

CONFIG = """
Host cp1 cp1.example
  HostName 192.0.2.11
  Port 2222
  User ops
  IdentityFile ~/.ssh/ops
  IdentityFile ~/.ssh/not-there
Host behind
  ProxyJump gate,me@192.0.2.9:2200
Host gate
  HostName 192.0.2.8
  User guard
Host odd
  ProxyCommand nc %h %p
Host plain
  ProxyJump none
  ProxyCommand none
Host *
  ServerAliveInterval 5
"""


@dataclass
class Host:
    name: str
    variables: Mapping[str, Any] = field(default_factory=dict)
    port: int = 22
    user: str | None = "root"

    @property
    def address(self) -> str:
        return str(self.variables.get("ansible_host", self.name))


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh/config").write_text(CONFIG)
    (tmp_path / ".ssh/ops").write_text("")
    return tmp_path


def chain(target: Target) -> list[tuple[str, str, int]]:
    return [(target.user, target.address, target.port)] + (chain(target.jump) if target.jump else [])


@pytest.mark.parametrize(
    ("name", "variables", "expected"),
    [
        ("w1", {}, [("root", "w1", 22)]),
        ("cp1", {}, [("ops", "192.0.2.11", 2222)]),
        ("m1", {"ansible_host": "cp1.example"}, [("ops", "192.0.2.11", 2222)]),
        ("cp1", {"ansible_user": "me", "ansible_port": 22}, [("me", "192.0.2.11", 22)]),
        ("cp1", {"ansible_host": "192.0.2.77"}, [("root", "192.0.2.77", 22)]),
        ("behind", {}, [("root", "behind", 22), ("me", "192.0.2.9", 2200), ("guard", "192.0.2.8", 22)]),
        ("w1", {"kprov_jump_host": "gate"}, [("root", "w1", 22), ("guard", "192.0.2.8", 22)]),
        ("w1", {"kprov_jump_host": "a@[2001:db8::1]:24"}, [("root", "w1", 22), ("a", "2001:db8::1", 24)]),
        ("w1", {"kprov_jump_host": "x,y"}, [("root", "w1", 22), ("root", "y", 22), ("root", "x", 22)]),
        ("plain", {}, [("root", "plain", 22)]),
        ("odd", {"kprov_transport": "openssh"}, [("root", "odd", 22)]),
        ("odd", {"ansible_connection": "local"}, [("root", "odd", 22)]),
    ],
)
def test_who_has_the_first_word(name: str, variables: dict[str, Any], expected: list[Any]) -> None:
    assert chain(target_of(Host(name, variables))) == expected


def test_keys_of_ssh_config_are_those_that_are_there(home: Path) -> None:
    assert target_of(Host("cp1")).key_files == (str(home / ".ssh/ops"),)
    assert target_of(Host("cp1", {"ansible_ssh_private_key_file": "~/k"})).key_files == (str(home / "k"),)


def test_jump_hosts_of_the_inventory_may_have_jump_hosts() -> None:
    hosts = {
        name: Host(name, {"kprov_jump_host": jump}) for name, jump in {"a": "b", "b": "c", "d": "e", "e": "d"}.items()
    }
    hosts["c"] = Host("c", {"ansible_port": 2022}, port=2022)
    assert chain(target_of(hosts["a"], hosts=hosts)) == [("root", "a", 22), ("root", "b", 22), ("root", "c", 2022)]
    with pytest.raises(Unreachable, match="d -> e -> d"):
        target_of(hosts["d"], hosts=hosts)


def test_what_cannot_be_followed_is_said() -> None:
    with pytest.raises(Unreachable, match=r"ProxyCommand for odd.*kprov_transport: openssh"):
        target_of(Host("odd"))
    with pytest.raises(Unreachable, match="has the port 'ssh'"):
        target_of(Host("w1", {"kprov_jump_host": "gate:ssh"}))


@pytest.mark.parametrize("text", [b"Host x\n  Port twenty\n", b"Match nonsense\n", b"Host x\n \0\0", b"\xff\xfe"])
def test_a_broken_ssh_config_is_named(home: Path, text: bytes) -> None:
    (home / ".ssh/config").write_bytes(text)
    with pytest.raises(Unreachable, match="ssh/config"):
        target_of(Host("x"))


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("h", (None, "h", None)),
        ("u@h:1", ("u", "h", 1)),
        ("u@dom@h", ("u@dom", "h", None)),
        ("::1", (None, "::1", None)),
        ("u@[::1]:5", ("u", "::1", 5)),
        ("[::1]", (None, "::1", None)),
        ("ssh://u@h:2", ("u", "h", 2)),
    ],
)
def test_addresses(text: str, parts: tuple[Any, ...]) -> None:
    assert split_address(text) == parts
