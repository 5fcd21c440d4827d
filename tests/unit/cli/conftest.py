"""Runs ``kprov`` in this process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from kprov.cli.main import run

INVENTORY = """\
all:
  vars: {cluster_name: demo, ansible_become_password: hush}
  hosts:
    cp1: {ansible_host: 192.0.2.11, zone: east}
    node1: {ansible_host: 192.0.2.21}
  children:
    etcd: {hosts: {cp1: }}
    control_plane: {hosts: {cp1: }}
    node: {hosts: {node1: }, vars: {zone: west}}
"""


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str


@pytest.fixture
def kprov(capsys: pytest.CaptureFixture[str]) -> Callable[..., Done]:
    """Runs a command line; gives its exit code and what it wrote."""

    def call(*arguments: object) -> Done:
        capsys.readouterr()
        code = run([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Done(code, captured.out, captured.err)

    return call


@pytest.fixture
def inventory_file(tmp_path: Path) -> Path:
    """An inventory of two machines that do not exist."""
    path = tmp_path / "inventory.yaml"
    path.write_text(INVENTORY)
    return path
