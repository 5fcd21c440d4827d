"""Brings what machines need out of the bundle: packages, kprov's daemons, images. Only what is missing travels."""

from __future__ import annotations

from typing import Any

from kprov.provision.cluster.context import Context
from kprov.provision.inventory import Host

RELEASES = "/opt/kprov/releases"
CURRENT = "/opt/kprov/current"

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


def package_names(host: Host) -> list[str]:
    """The Debian packages that a machine needs for its groups, without their dependencies."""
    extra = [name for group, names in PACKAGES_BY_GROUP.items() if group in host.groups for name in names]
    return sorted({*PACKAGES_EVERYWHERE, *extra})


def debian_release(context: Context, host: Host) -> str:
    """A machine's release of Debian, by its number."""
    return str(context.engine.facts[host.name]["ansible_distribution_major_version"])


def install_packages(context: Context, hosts: list[Host]) -> None:
    """Install the packages of each machine's release that are not installed yet; no service is started by it."""
    engine = context.engine
    with engine.phase("Install packages", hosts):
        tasks: dict[str, tuple[str, dict[str, Any]]] = {}
        for host in hosts:
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
            tasks[host.name] = ("deb", {"packages": listed})
        engine.module_all(tasks)


def install_release(context: Context, hosts: list[Host]) -> None:
    """Lay kprov's daemons beside the release that runs, and switch to them."""
    engine = context.engine
    with engine.phase("Install the daemons", hosts):
        tasks: dict[str, list[tuple[str, dict[str, Any]]]] = {}
        for host in hosts:
            release = context.bundle.release_for(debian_release(context, host))
            folder = f"{RELEASES}/{release.version}"
            steps: list[tuple[str, dict[str, Any]]] = [
                ("file", {"path": RELEASES, "state": "directory", "mode": "0755", "owner": "root", "group": "root"})
            ]
            for archive in release.archives:
                arguments = {"src": str(archive.path), "dest": folder, "sha256": archive.sha256}
                steps.append(("unarchive", arguments))
            steps.append(("file", {"path": CURRENT, "src": folder, "state": "link"}))
            tasks[host.name] = steps
        engine.module_all(tasks)


def import_images(context: Context, hosts: list[Host]) -> None:
    """Give containerd the images that it can't fetch: the pause image, and a small one to try things with."""
    engine = context.engine
    images = context.bundle.images()
    with engine.phase("Import images", hosts) as phase:
        listing = ("command", {"argv": ["ctr", "--namespace=k8s.io", "images", "list", "--quiet"], "_check": False})
        present = engine.module_all({host.name: listing for host in hosts})
        missing = {
            host.name: [image for image in images if image.name not in present[host.name]["stdout"].split()]
            for host in hosts
            if not present[host.name].failed
        }
        if engine.check:
            for host in hosts:
                for image in missing.get(host.name, ()):
                    phase.record(host, f"Image {image.name}", changed=True)
            return
        files = {
            name: ("artifacts", {"files": [{"path": str(i.path), "sha256": i.sha256, "size": i.size} for i in wanted]})
            for name, wanted in missing.items()
            if wanted
        }
        sent = engine.module_all(files)
        imports = {
            name: [
                ("command", {"argv": ["ctr", "--namespace=k8s.io", "images", "import", result["paths"][image.sha256]]})
                for image in missing[name]
            ]
            for name, result in sent.items()
            if not result.failed
        }
        engine.module_all(imports)
