"""A small inventory that is right, for tests to bend."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from kprov.provision.inventory import Inventory, load

SOUND = """\
all:
  vars:
    cluster_name: demo
    colour: all
    ansible_user: debian
    ansible_become: true
  hosts:
    cp[1:3]:
    node1: {ansible_host: 10.0.0.21, colour: host}
    node2: {ansible_host: 10.0.0.22, ansible_port: 2222, node_address: 192.168.0.22}
  children:
    etcd:
      hosts:
        cp1: {ansible_host: 10.0.0.11}
        cp2: {ansible_host: 10.0.0.12}
        cp3: {ansible_host: 10.0.0.13}
      vars: {colour: etcd, shade: etcd}
    control_plane: {hosts: {"cp[1:3]": }, vars: {colour: control_plane}}
    node:
      hosts: {"node[1:2]": }
      vars: {colour: node}
    site:
      children: {control_plane: , node: }
      vars: {colour: site, place: here}
"""


@pytest.fixture
def sound_text() -> str:
    """The text of the small inventory."""
    return SOUND


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], Path]:
    """Writes a text as an inventory."""

    def write_it(text: str) -> Path:
        path = tmp_path / "inventory.yaml"
        path.write_text(text)
        return path

    return write_it


@pytest.fixture
def sound(write: Callable[[str], Path]) -> Inventory:
    """The small inventory, loaded."""
    return load(write(SOUND))
