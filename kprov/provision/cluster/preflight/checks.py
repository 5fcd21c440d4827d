"""The checks of one machine: each reads the machine's facts and says what is wrong and what to do, or nothing."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from kprov.provision.inventory import ClusterSettings, Host

Facts = Mapping[str, Any]

SUPPORTED_DEBIAN = {"12": "bookworm", "13": "trixie"}
MINIMUM_MEMORY_MB = {"control_plane": 1700, "node": 700}
MINIMUM_FREE_MB = {"/var": 2048, "/opt": 400, "/tmp": 64}  # noqa: S108 - a mount, not a temporary file
# Certificates are valid from five minutes before they are made, and tokens and leases compare clocks.
MAXIMUM_CLOCK_OFFSET_SECONDS = 30
ETCD_PORTS = (2379, 2380, 2381)
EVERY_MACHINE_PORTS = (10248, 10249, 10250, 10254, 10256)
CONTROL_PLANE_PORTS = (10257, 10259)
# Interfaces that a cluster makes by itself: their addresses lie in the pod network, rightly.
_OWN_INTERFACES = ("cni", "veth", "kube", "kprov", "flannel", "vxlan")


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong with a machine, and what to do about it."""

    host: str
    message: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.host}: {self.message}. {self.remedy}"


@dataclass(frozen=True, slots=True)
class Machine:
    """What a check looks at."""

    host: Host
    facts: Facts
    cluster: ClusterSettings

    @property
    def is_fresh(self) -> bool:
        """Whether kprov has not installed a release here yet."""
        return not self.facts.get("kprov_release")


Problem = tuple[str, str]  # what is wrong, what to do
Check = Callable[[Machine], Iterator[Problem]]


def operating_system(machine: Machine) -> Iterator[Problem]:
    """Debian 12 or 13."""
    name = machine.facts["ansible_distribution"]
    major = str(machine.facts["ansible_distribution_major_version"])
    if name != "Debian" or major not in SUPPORTED_DEBIAN:
        yield (
            f"runs {name} {machine.facts['ansible_distribution_version']}, which kprov does not support",
            "Install Debian 12 (bookworm) or Debian 13 (trixie)",
        )


def architecture(machine: Machine) -> Iterator[Problem]:
    """The bundle holds packages for amd64 only."""
    if machine.facts["ansible_architecture"] != "x86_64":
        yield (
            f"is a machine of architecture {machine.facts['ansible_architecture']}",
            "kprov's bundle holds packages for x86_64 only",
        )


def service_manager(machine: Machine) -> Iterator[Problem]:
    """Daemons are systemd units."""
    if machine.facts["ansible_service_mgr"] != "systemd":
        yield f"is run by {machine.facts['ansible_service_mgr']}, not by systemd", "Boot it with systemd as process 1"


def memory(machine: Machine) -> Iterator[Problem]:
    """Enough memory for the daemons of its groups and a few pods."""
    total = int(machine.facts["ansible_memtotal_mb"])
    for group, needed in MINIMUM_MEMORY_MB.items():
        if group in machine.host.groups and total < needed:
            yield f"has {total} MB of memory, a machine of {group} needs {needed}", "Give it more memory"
            return


def _mount_of(path: str, mounts: list[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    inside = [m for m in mounts if path == m["mount"] or path.startswith(m["mount"].rstrip("/") + "/")]
    return max(inside, key=lambda m: len(m["mount"]), default=None)


def disk(machine: Machine) -> Iterator[Problem]:
    """Room for packages, images and etcd, and inodes."""
    told = set()
    for path, needed in MINIMUM_FREE_MB.items():
        mount = _mount_of(path, machine.facts["ansible_mounts"])
        if mount is None or mount["mount"] in told:
            continue
        if "ro" in str(mount.get("options", "")).split(","):
            told.add(mount["mount"])
            yield f"has {path} on a read-only file system ({mount['mount']})", "Mount it for writing, or mend its disk"
            continue
        free = int(mount["size_available"]) // 2**20
        if machine.is_fresh and free < needed:
            told.add(mount["mount"])
            yield f"has {free} MB free for {path} (on {mount['mount']}), it needs {needed}", "Free some space"
        elif free < 64:
            told.add(mount["mount"])
            yield f"has {free} MB free for {path} (on {mount['mount']}): its disk is full", "Free some space"
        elif (
            mount.get("inode_available") is not None
            and int(mount.get("inode_total") or 0) > 0
            and (int(mount["inode_available"]) < 5000)
        ):
            told.add(mount["mount"])
            yield f"has {mount['inode_available']} inodes left on {mount['mount']}", "Remove small files"


def clock(machine: Machine) -> Iterator[Problem]:
    """All clocks agree with the controller's."""
    offset = float(machine.facts["kprov_clock_offset_ms"]) / 1000
    if abs(offset) > MAXIMUM_CLOCK_OFFSET_SECONDS:
        side = "ahead of" if offset > 0 else "behind"
        yield (
            f"has a clock {abs(offset):.0f} s {side} the controller's",
            "Set both by NTP (apt install systemd-timesyncd), or by hand with: date -s",
        )


def addresses(machine: Machine) -> Iterator[Problem]:
    """The address that the other machines use is this machine's, and its networks are not the cluster's."""
    own = [str(address) for address in machine.facts["ansible_all_ipv4_addresses"]]
    if machine.host.node_address not in own:
        yield (
            f"does not have the address {machine.host.node_address}, it has {', '.join(own) or 'none'}",
            "Write the address that the other machines reach it at as node_address in the inventory",
        )
    if not machine.is_fresh:
        return
    for name, network in (
        ("pod_network_cidr", machine.cluster.pod_network),
        ("service_network_cidr", machine.cluster.service_network),
    ):
        inside = [address for address in own if ipaddress.IPv4Address(address) in network]
        if inside:
            yield f"has the address {inside[0]}, which lies in {name} {network}", f"Choose another {name}"


def virtual_address(machine: Machine) -> Iterator[Problem]:
    """The address that moves between control-plane machines lies in a network that this machine is in."""
    address = machine.cluster.api_virtual_address
    if not address or "control_plane" not in machine.host.groups:
        return
    interface = machine.facts["kprov_interface_of"].get(machine.host.node_address, "")
    entry = machine.facts.get("ansible_" + interface.replace("-", "_"), {}).get("ipv4", {})
    if not entry:
        return  # `addresses` says that it does not have its own
    network = ipaddress.IPv4Network(f"{entry['network']}/{entry['prefix']}")
    if ipaddress.IPv4Address(address) not in network:
        yield (
            f"is in the network {network} (on {interface}), api_virtual_address {address} is not",
            "Choose a free address of the network that all control-plane machines are in",
        )


def ports(machine: Machine) -> Iterator[Problem]:
    """Nobody else listens where the cluster's daemons will."""
    if not machine.is_fresh:
        return
    wanted = {machine.cluster.api_load_balancer_port, *EVERY_MACHINE_PORTS}
    if "etcd" in machine.host.groups:
        wanted |= set(ETCD_PORTS)
    if "control_plane" in machine.host.groups:
        wanted |= {machine.cluster.api_server_port, *CONTROL_PLANE_PORTS}
    taken = sorted({int(p["port"]) for p in machine.facts["kprov_listening_ports"] if p["protocol"] == "tcp"} & wanted)
    if taken:
        listed = ", ".join(map(str, taken))
        yield (
            f"has somebody listening on TCP port {listed} already",
            f"Find out who with: ss -ltnp 'sport = :{taken[0]}'",
        )


def other_installations(machine: Machine) -> Iterator[Problem]:
    """Nothing else manages Kubernetes or containers here."""
    if not machine.is_fresh:
        return
    rivals = {"docker-ce", "docker.io", "kubelet", "kubeadm", "k3s", "cri-o", "containerd.io", "podman-docker"}
    found = sorted(rivals & set(machine.facts["kprov_packages"]))
    if found:
        yield (
            f"has the package {', '.join(found)}, which manages containers too",
            f"Remove it: apt remove {' '.join(found)}",
        )


def another_cluster(machine: Machine) -> Iterator[Problem]:
    """A cluster that stands is never given authorities that nobody in it trusts, because its own are somewhere else."""
    if machine.is_fresh or not {"etcd", "control_plane"} & set(machine.host.groups):
        return
    keys = machine.cluster.state_directory / "pki"
    if not (keys / "ca.crt").exists():
        yield (
            f"is part of a cluster already, and that cluster's authorities are not in {keys}",
            "Name the folder that has them (state_directory), or bring it from the computer that raised the cluster; "
            "`kprov restore` leaves it in the folder's state/. To have done with that cluster: kprov reset",
        )


HOST_CHECKS: tuple[Check, ...] = (
    another_cluster,
    operating_system,
    architecture,
    service_manager,
    memory,
    disk,
    clock,
    addresses,
    virtual_address,
    ports,
    other_installations,
)
