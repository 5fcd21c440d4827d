"""What a play says of how its hosts are connected to, and what the inventory says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from kprov.provision.inventory import load
from kprov.provision.playbook import read_playbooks
from kprov.provision.playbook.play_connections import Way

HOSTS = """
all:
  hosts:
    plain: {ansible_host: 192.0.2.1}
    named: {ansible_host: 192.0.2.2, ansible_user: admin}
    here: {ansible_connection: local}
"""


@pytest.mark.parametrize(
    ("play", "ways"),
    [
        ("", {"plain": Way(), "named": Way(), "here": Way()}),
        ("remote_user: me", {"plain": Way("me"), "named": Way(), "here": Way("me")}),
        ("connection: local", {"plain": Way(local=True), "named": Way(local=True), "here": Way()}),
    ],
)
def test_the_inventory_is_stronger(tmp_path: Path, play: str, ways: dict[str, Way]) -> None:
    (tmp_path / "hosts.yaml").write_text(HOSTS)
    (tmp_path / "site.yml").write_text(f"- hosts: all\n  {play}\n  tasks: []\n")
    inventory = load(tmp_path / "hosts.yaml", cluster=False)
    (first,) = read_playbooks([tmp_path / "site.yml"]).plays
    assert {name: Way.of(first, inventory.hosts[name]) for name in ways} == ways
    for name, way in ways.items():
        host, gone = inventory.hosts[name], way.to(inventory.hosts[name])
        assert gone.user == (way.user or host.user)
        assert gone.variables.get("ansible_connection") == (
            "local" if way.local else host.variables.get("ansible_connection")
        )
        assert replace(gone, user=host.user, variables=host.variables) == host, "nothing else is changed"
