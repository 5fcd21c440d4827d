"""The checks of each machine, in testinfra's terms."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from kprov.provision.engine import Engine
from kprov.provision.inventory import Host
from kprov.provision.verify.report import Report
from kprov.provision.verify.testinfra_backend import testinfra_host

SpecHost = Any  # testinfra.host.Host: its modules are found at run time

EVERYWHERE = ("containerd", "haproxy", "kubelet", "kube-proxy", "kprov-node")
DEBIANS_UNITS = ("containerd", "haproxy")  # the others are kprov's, from templates/
BY_GROUP = {
    "etcd": ("etcd",),
    "control_plane": ("kube-apiserver", "kube-scheduler", "kube-controller-manager"),
}


def units_of(host: Host) -> tuple[str, ...]:
    """The systemd units that a machine runs for the cluster."""
    return EVERYWHERE + tuple(unit for group, units in BY_GROUP.items() if group in host.groups for unit in units)


def units_run(host: SpecHost, machine: Host) -> None:
    """Each unit runs, and will after a boot."""
    wrong = []
    for unit in units_of(machine):
        service = host.service(unit)
        if not service.is_running:
            wrong.append(f"{unit} does not run")
        elif not service.is_enabled:
            wrong.append(f"{unit} does not start at boot")
    assert not wrong, ", ".join(wrong)


def keys_are_private(host: SpecHost, machine: Host) -> None:
    """No private key or kubeconfig can be read by others than its owner."""
    command = (
        "find /etc/kubernetes /var/lib/kubelet/pki -type f ( -name *.key -o -name *.conf -o -name *.pem ) -perm /077"
    )
    found = host.run(command.replace("(", "\\(").replace(")", "\\)").replace("*", "\\*"))
    assert not found.stdout.strip(), f"others may read {', '.join(found.stdout.split())}"


def forwards_packets(host: SpecHost, machine: Host) -> None:
    """Packets between pods and machines are forwarded."""
    assert host.sysctl("net.ipv4.ip_forward") == 1, "net.ipv4.ip_forward is not 1"


def load_balancer_listens(host: SpecHost, machine: Host) -> None:
    """The machine's load balancer listens on loopback, and nowhere else."""
    port = machine.variables["api_load_balancer_port"]
    assert host.socket(f"tcp://127.0.0.1:{port}").is_listening, f"nobody listens on 127.0.0.1:{port}"
    assert not host.socket(f"tcp://{machine.node_address}:{port}").is_listening, "it listens to the network too"


def pod_routes(host: SpecHost, machine: Host) -> None:
    """The network of the pods is configured."""
    assert host.file("/etc/cni/net.d/10-kprov.conflist").exists, "/etc/cni/net.d/10-kprov.conflist is missing"


def services_in_the_kernel(host: SpecHost, machine: Host) -> None:
    """kube-proxy's table stands."""
    listing = host.run("nft list chain ip kube-proxy services")
    assert listing.rc == 0, f"nftables has no table kube-proxy: {listing.stderr.strip()}"


def unit_files_are_right(host: SpecHost, machine: Host) -> None:
    """systemd finds nothing to complain of in the unit files."""
    paths = " ".join(f"/etc/systemd/system/{unit}.service" for unit in units_of(machine) if unit not in DEBIANS_UNITS)
    checked = host.run(f"systemd-analyze verify --man=no {paths}")
    # The profile cis lets only root read the unit files; systemd notes that it tells their content to everybody anyway.
    said = "\n".join(line for line in checked.stderr.splitlines() if "is marked world-inaccessible" not in line).strip()
    assert checked.rc == 0 and not said, said or checked.stdout.strip()


def load_balancer_configuration_is_right(host: SpecHost, machine: Host) -> None:
    """haproxy finds nothing wrong with its configuration."""
    checked = host.run("haproxy -c -q -f /etc/haproxy/haproxy.cfg")
    assert checked.rc == 0, checked.stderr.strip()


def ruleset_can_be_loaded(host: SpecHost, machine: Host) -> None:
    """The kernel's ruleset, written out, would be taken again."""
    checked = host.run("nft list table ip kprov-network | nft --check --file -")
    assert checked.rc == 0, checked.stderr.strip()


SPECS: tuple[Callable[[SpecHost, Host], None], ...] = (
    units_run,
    keys_are_private,
    forwards_packets,
    load_balancer_listens,
    pod_routes,
    services_in_the_kernel,
    unit_files_are_right,
    load_balancer_configuration_is_right,
    ruleset_can_be_loaded,
)


def verify_machines(engine: Engine, hosts: Sequence[Host], report: Report) -> None:
    """Run every check on every machine, machines at once."""

    def verify(machine: Host) -> None:
        host = testinfra_host(engine, machine.name)
        for spec in SPECS:
            with report.check(f"machine {machine.name}", (spec.__doc__ or "").rstrip(".")):
                spec(host, machine)

    with ThreadPoolExecutor(max_workers=min(16, len(hosts) or 1)) as pool:
        list(pool.map(verify, hosts))
