"""What preflight says of wrong machines: one row a mistake."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kprov.provision.cluster.preflight import preflight
from kprov.provision.inventory import load

INVENTORY = """
all:
  children:
    etcd: {hosts: {cp1: {ansible_host: 192.0.2.11}}}
    control_plane: {hosts: {cp1: }}
    node: {hosts: {w1: {ansible_host: 192.0.2.21}}}
"""


def good_facts(name: str, address: str) -> dict[str, Any]:
    return {
        "ansible_distribution": "Debian",
        "ansible_distribution_version": "12.11",
        "ansible_distribution_major_version": "12",
        "ansible_architecture": "x86_64",
        "ansible_service_mgr": "systemd",
        "ansible_memtotal_mb": 4000,
        "ansible_mounts": [
            {"mount": "/", "size_available": 20 * 2**30, "inode_available": 10**6, "inode_total": 10**7}
        ],
        "kprov_clock_offset_ms": 12.0,
        "ansible_all_ipv4_addresses": [address],
        "kprov_listening_ports": [{"protocol": "tcp", "address": "0.0.0.0", "port": 22}],
        "kprov_packages": {"openssh-server": "1:9.2p1"},
        "kprov_release": None,
        "ansible_machine_id": f"id-of-{name}",
    }


def findings(tmp_path: Path, **changed: Any) -> list[str]:
    path = tmp_path / "inventory.yaml"
    path.write_text(INVENTORY)
    inventory = load(path)
    facts = {"cp1": good_facts("cp1", "192.0.2.11") | changed, "w1": good_facts("w1", "192.0.2.21")}
    return [str(finding) for finding in preflight(inventory, inventory.hosts.values(), facts)]


def test_a_virtual_address_lies_in_the_machines_network(tmp_path: Path) -> None:
    path = tmp_path / "inventory.yaml"
    path.write_text(INVENTORY.replace("all:", "all:\n  vars: {api_virtual_address: 192.0.2.9}"))
    inventory = load(path)

    def said(prefix: str) -> list[str]:
        cp1 = good_facts("cp1", "192.0.2.11") | {
            "kprov_interface_of": {"192.0.2.11": "eth0"},
            "ansible_eth0": {"ipv4": {"address": "192.0.2.11", "network": "192.0.2.10", "prefix": prefix}},
        }
        facts = {"cp1": cp1, "w1": good_facts("w1", "192.0.2.21")}
        return [str(finding) for finding in preflight(inventory, inventory.hosts.values(), facts)]

    assert said("31")[0].startswith(
        "cp1: is in the network 192.0.2.10/31 (on eth0), api_virtual_address 192.0.2.9 is not"
    )


def test_good_machines_pass(tmp_path: Path) -> None:
    assert findings(tmp_path) == []


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"ansible_distribution": "Ubuntu", "ansible_distribution_version": "24.04"}, "runs Ubuntu 24.04"),
        ({"ansible_distribution_major_version": "11", "ansible_distribution_version": "11.9"}, "runs Debian 11.9"),
        ({"ansible_architecture": "aarch64"}, "is a machine of architecture aarch64"),
        ({"ansible_service_mgr": "sysvinit"}, "is run by sysvinit"),
        ({"ansible_memtotal_mb": 512}, "has 512 MB of memory, a machine of control_plane needs 1700"),
        (
            {"ansible_mounts": [{"mount": "/", "size_available": 10 * 2**20, "inode_available": 1, "inode_total": 2}]},
            "has 10 MB free for /var (on /), it needs 2048",
        ),
        (
            {"ansible_mounts": [{"mount": "/", "size_available": 2**40, "inode_available": 9, "inode_total": 2**20}]},
            "has 9 inodes left on /",
        ),
        (
            {"ansible_mounts": [{"mount": "/", "options": "ro,relatime", "size_available": 2**40}]},
            "has /var on a read-only file system (/)",
        ),
        ({"kprov_clock_offset_ms": -300_000.0}, "has a clock 300 s behind the controller's"),
        ({"kprov_clock_offset_ms": 300_000.0}, "has a clock 300 s ahead of the controller's"),
        ({"ansible_all_ipv4_addresses": ["10.0.2.15"]}, "does not have the address 192.0.2.11, it has 10.0.2.15"),
        ({"ansible_all_ipv4_addresses": ["192.0.2.11", "10.244.7.1"]}, "which lies in pod_network_cidr 10.244.0.0/16"),
        ({"ansible_all_ipv4_addresses": ["192.0.2.11", "10.96.0.9"]}, "which lies in service_network_cidr"),
        ({"kprov_listening_ports": [{"protocol": "tcp", "address": "::", "port": 6443}]}, "listening on TCP port 6443"),
        ({"kprov_packages": {"docker.io": "20.10"}}, "has the package docker.io"),
        ({"ansible_machine_id": "id-of-w1"}, "has the same machine id as cp1"),
        ({"ansible_machine_id": ""}, "has no /etc/machine-id"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, changed: dict[str, Any], message: str) -> None:
    found = findings(tmp_path, **changed)
    assert len(found) == 1 and message in found[0], found


def test_a_cluster_whose_authorities_are_elsewhere_is_left_alone(tmp_path: Path) -> None:
    (found,) = findings(tmp_path, kprov_release="/opt/kprov/releases/0.1.0")
    assert "cp1: is part of a cluster already" in found and "To have done with that cluster: kprov reset" in found


def test_a_machine_of_the_cluster_is_not_held_against_itself(tmp_path: Path) -> None:
    (tmp_path / ".kprov/kubernetes/pki").mkdir(parents=True)
    (tmp_path / ".kprov/kubernetes/pki/ca.crt").touch()
    taken = [{"protocol": "tcp", "address": "::", "port": port} for port in (6443, 2379, 10250)]
    found = findings(
        tmp_path,
        kprov_release="/opt/kprov/releases/0.1.0",
        kprov_listening_ports=taken,
        ansible_all_ipv4_addresses=["192.0.2.11", "10.244.0.1"],
    )
    assert found == []


@pytest.mark.parametrize(
    ("remembered", "messages"),
    [
        ({}, []),
        ({"cp1": {"ansible_machine_id": "id-of-cp1"}}, []),
        ({"cp1": {"ansible_machine_id": "id-of-w1"}}, ["w1: has the same machine id as cp1: it is a clone"]),
        ({"cp1": {}, "cp2": {}}, []),
    ],
)
def test_a_clone_of_a_machine_that_is_left_out_is_seen(
    tmp_path: Path, remembered: dict[str, Any], messages: list[str]
) -> None:
    path = tmp_path / "inventory.yaml"
    path.write_text(INVENTORY)
    inventory = load(path)
    facts = {"w1": good_facts("w1", "192.0.2.21")}
    found = [str(finding) for finding in preflight(inventory, [inventory.hosts["w1"]], facts, remembered)]
    assert [finding[: len(message)] for finding, message in zip(found, messages, strict=True)] == messages
