"""Brings what machines need out of the bundle: packages and images. Only what is missing travels."""

from __future__ import annotations

from typing import Any

from kprov.provision.bundle import Image
from kprov.provision.cluster.context import Context
from kprov.provision.inventory import Host

RELEASES = "/opt/kprov/releases"
CURRENT = "/opt/kprov/current"
IMPORTED = "/var/lib/kprov/images"
PACKAGES_LEDGER = "/var/lib/kprov/packages"
"""On machines: the packages that were not there before kprov installed them."""

Task = tuple[str, dict[str, Any]]

PACKAGES_EVERYWHERE = (
    "ca-certificates",
    "conntrack",
    "containerd",
    "containernetworking-plugins",
    "haproxy",
    "iproute2",
    "iptables",
    "libnftables1",
    "nftables",
    "openssl",
    "procps",
    "runc",
)
PACKAGES_BY_GROUP = {"etcd": ("etcd-client", "etcd-server")}
VIRTUAL_ADDRESS_PACKAGES = ("keepalived",)  # on control-plane machines, where api_virtual_address is set

DAEMONS_EVERYWHERE = ("kprov-node", "kube-proxy", "kubelet")
DAEMONS_BY_GROUP = {"control_plane": ("kube-apiserver", "kube-controller-manager", "kube-scheduler")}


def package_names(host: Host) -> list[str]:
    """The Debian packages that a machine needs for its groups, without their dependencies."""
    extra = [name for group, names in PACKAGES_BY_GROUP.items() if group in host.groups for name in names]
    if "control_plane" in host.groups and host.variables["api_virtual_address"]:
        extra += VIRTUAL_ADDRESS_PACKAGES
    return sorted({*PACKAGES_EVERYWHERE, *extra})


def daemons_of(host: Host) -> set[str]:
    """kprov's own daemons on a machine, by their units."""
    extra = {unit for group, units in DAEMONS_BY_GROUP.items() if group in host.groups for unit in units}
    return {*DAEMONS_EVERYWHERE, *extra}


def debian_release(context: Context, host: Host) -> str:
    """A machine's release of Debian, by its number."""
    return str(context.engine.facts[host.name]["ansible_distribution_major_version"])


def _package_task(context: Context, host: Host) -> Task:
    found = context.bundle.packages(debian_release(context, host), package_names(host))
    listed = [
        {
            "name": package.name,
            "version": package.version,
            "architecture": package.architecture,
            "path": str(package.path),
            "sha256": package.sha256,
            "size": package.size,
        }
        for package in found
    ]
    return "deb", {"packages": listed, "ledger": PACKAGES_LEDGER}


def install_packages(context: Context, hosts: list[Host]) -> None:
    """Install the packages of each machine's release that are not installed yet; no service is started by it."""
    with context.engine.phase("Install packages", hosts):
        context.engine.module_all({host.name: _package_task(context, host) for host in hosts})


def missing_packages(context: Context, hosts: list[Host]) -> dict[str, list[str]]:
    """By machine: the packages that `install_packages` would install. Changes nothing."""
    calls = {}
    for host in hosts:
        module, arguments = _package_task(context, host)
        calls[host.name] = (module, {**arguments, "_check": True, "_quiet": True})
    found = context.engine.module_all(calls)
    return {name: list(result.get("installed") or ()) for name, result in found.items() if not result.failed}


def import_images(context: Context, hosts: list[Host]) -> None:
    """Give containerd the images that it can't fetch: the pause image, and a small one to try things with.

    An image is there when containerd has its name and a mark on the machine says that it was this archive: a name alone
    may stand for an older one.
    """
    engine = context.engine
    images = context.bundle.images()
    with engine.phase("Import images", hosts) as phase:
        listing = f"ctr --namespace=k8s.io images list --quiet; ls -1 {IMPORTED} 2>/dev/null || true"
        present = engine.module_all({host.name: ("shell", {"cmd": listing, "_check": False}) for host in hosts})
        missing: dict[str, list[Image]] = {}
        for host in hosts:
            if present[host.name].failed and not engine.compares(host):
                continue
            words = set(str(present[host.name].get("stdout", "")).split())
            missing[host.name] = [image for image in images if not {image.name, image.sha256} <= words]
        for host in hosts:
            if engine.compares(host):
                for image in missing.pop(host.name):
                    phase.record(host, f"Image {image.name}", changed=True)
        sent = engine.module_all(
            {
                name: (
                    "artifacts",
                    {"files": [{"path": str(i.path), "sha256": i.sha256, "size": i.size} for i in wanted]},
                )
                for name, wanted in missing.items()
                if wanted
            }
        )
        imports: dict[str, list[Task]] = {}
        for name, result in sent.items():
            if result.failed:
                continue
            imports[name] = [("file", {"path": IMPORTED, "state": "directory", "mode": "0700"})]
            for image in missing[name]:
                archive = result["paths"][image.sha256]
                imports[name] += [
                    (
                        "command",
                        {
                            "argv": ["ctr", "--namespace=k8s.io", "images", "import", archive],
                            "_title": f"Image {image.name}",
                        },
                    ),
                    ("copy", {"content": f"{image.name}\n", "dest": f"{IMPORTED}/{image.sha256}", "mode": "0600"}),
                ]
        engine.module_all(imports)
