"""Templates that say how to connect know the host's own name, its groups and where the inventory is, as in Ansible."""

from __future__ import annotations

from pathlib import Path

from kprov.cli.inventory_source import _render
from kprov.provision.inventory import Inventory, load

TEXT = """
[web]
w1.rack
w2
[web:vars]
domain=example.org
inventory_hostname=nobody's
ansible_host={{ inventory_hostname_short }}.{{ domain }}
ansible_user={{ group_names[0] }}
ansible_port={{ 2200 + groups.web.index(inventory_hostname) }}
ansible_ssh_private_key_file={{ inventory_dir }}/{{ inventory_file | basename }}.key
"""


def opened(folder: Path) -> Inventory:
    (folder / "hosts").write_text(TEXT)
    return load(folder / "hosts", cluster=False, render=_render, check_files=False)


def test_they_know_the_host_and_its_groups(tmp_path: Path) -> None:
    inventory = opened(tmp_path)
    found = [(host.address, host.user, host.port, host.private_key_file) for host in inventory.hosts.values()]
    assert found == [
        ("w1.example.org", "web", 2200, tmp_path / "hosts.key"),
        ("w2.example.org", "web", 2201, tmp_path / "hosts.key"),
    ]


def test_so_do_those_of_hosts_that_a_run_adds(tmp_path: Path) -> None:
    add = opened(tmp_path).addition
    assert add is not None
    added = add("w3", ["web"], {})
    assert (added.host.address, added.host.port) == ("w3.example.org", 2202)
