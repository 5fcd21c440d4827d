"""Machines, a cluster and authorities to sign with."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from kprov.provision.pki.authority import Authorities, open_authorities


@dataclass(frozen=True)
class FakeMachine:
    name: str
    address: str
    node_address: str
    groups: tuple[str, ...]


@dataclass(frozen=True)
class FakeCluster:
    dns_domain: str = "cluster.local"
    kubernetes_service_address: str = "10.96.0.1"
    api_virtual_address: str = ""
    api_extra_names: tuple[str, ...] = ("api.example.org", "203.0.113.7")
    certificate_lifetime_days: int = 365


@pytest.fixture(scope="session")
def machines() -> list[FakeMachine]:
    control = [
        FakeMachine(f"cp{i}", f"192.0.2.{i}", f"10.0.0.{i}", ("all", "etcd", "control_plane")) for i in (1, 2, 3)
    ]
    return [*control, FakeMachine("node1", "node1.example.org", "10.0.0.21", ("all", "node"))]


@pytest.fixture(scope="session")
def cluster() -> FakeCluster:
    return FakeCluster()


@pytest.fixture(scope="session")
def authorities(tmp_path_factory: pytest.TempPathFactory) -> Authorities:
    return open_authorities(tmp_path_factory.mktemp("state"), lifetime_days=3650)


@pytest.fixture
def openssl(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs openssl in a folder of its own."""

    def run(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["openssl", *arguments], cwd=tmp_path, check=check, capture_output=True, text=True, timeout=30
        )

    return run
