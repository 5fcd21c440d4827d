"""What a machine is: read from /proc, /sys and /etc, no program started."""

from __future__ import annotations

import datetime
import os
import socket
import sys
import time
from typing import Any

from kprov.provision.agent import dpkg, network_facts, system_facts

# File systems that hold nothing of a person's.
PSEUDO = frozenset(
    {
        "autofs",
        "binfmt_misc",
        "bpf",
        "cgroup",
        "cgroup2",
        "configfs",
        "debugfs",
        "devpts",
        "devtmpfs",
        "fusectl",
        "hugetlbfs",
        "mqueue",
        "nsfs",
        "proc",
        "pstore",
        "ramfs",
        "rpc_pipefs",
        "securityfs",
        "sysfs",
        "tracefs",
    }
)

FAMILIES = {
    "debian": "Debian",
    "ubuntu": "Debian",
    "fedora": "RedHat",
    "rhel": "RedHat",
    "centos": "RedHat",
    "suse": "Suse",
    "alpine": "Alpine",
}


def read(path: str, default: str = "") -> str:
    """A small file's text."""
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            return stream.read()
    except OSError:
        return default


def _os_release() -> dict[str, str]:
    values: dict[str, str] = {}
    for line in read("/etc/os-release").splitlines():
        name, separator, value = line.partition("=")
        if separator:
            values[name] = value.strip().strip('"')
    return values


def distribution() -> dict[str, Any]:
    """Which operating system this is."""
    release = _os_release()
    identity = release.get("ID", "linux")
    version = release.get("VERSION_ID", "")
    if identity == "debian":
        version = read("/etc/debian_version").strip() if "." in read("/etc/debian_version") else version
    return {
        "ansible_distribution": release.get("NAME", "Linux").split(" ")[0] if identity != "linux" else "Linux",
        "ansible_distribution_version": version,
        "ansible_distribution_file_parsed": True,
        "ansible_distribution_file_path": "/etc/os-release",
        "ansible_distribution_file_variety": FAMILIES.get(identity, identity.title()),
        "ansible_distribution_minor_version": version.partition(".")[2].split(".")[0],
        "ansible_distribution_major_version": release.get("VERSION_ID", "").split(".")[0],
        "ansible_distribution_release": release.get("VERSION_CODENAME", ""),
        "ansible_os_family": FAMILIES.get(
            identity, FAMILIES.get(release.get("ID_LIKE", "").split(" ")[0], identity.title())
        ),
    }


def memory() -> dict[str, Any]:
    """Memory, in MiB."""
    values = {
        line.split(":")[0]: int(line.split()[1]) // 1024
        for line in read("/proc/meminfo").splitlines()
        if len(line.split()) > 1
    }
    total, free = values.get("MemTotal", 0), values.get("MemFree", 0)
    unused = free + values.get("Cached", 0) + values.get("Buffers", 0)
    swap = {name: values.get("Swap" + name.capitalize(), 0) for name in ("total", "free", "cached")}
    return {
        "ansible_memtotal_mb": total,
        "ansible_memfree_mb": free,
        "ansible_memavailable_mb": values.get("MemAvailable", 0),
        "ansible_swaptotal_mb": swap["total"],
        "ansible_swapfree_mb": swap["free"],
        "ansible_memory_mb": {
            "real": {"total": total, "free": free, "used": total - free},
            "nocache": {"free": unused, "used": total - unused},
            "swap": {**swap, "used": swap["total"] - swap["free"]},
        },
    }


def mounts() -> list[dict[str, Any]]:
    """File systems that hold data, with their sizes."""
    found: list[dict[str, Any]] = []
    seen: set[str] = set()
    for line in read("/proc/mounts").splitlines():
        parts = line.split(" ")
        if len(parts) < 4 or parts[2] in PSEUDO:
            continue
        device, mount, kind, options = parts[0], parts[1].replace("\\040", " "), parts[2], parts[3]
        if mount in seen or mount.startswith(
            ("/proc", "/sys", "/dev", "/run/containerd", "/run/credentials", "/var/lib/kubelet/pods")
        ):
            continue
        seen.add(mount)
        try:
            status = os.statvfs(mount)
        except OSError:
            continue
        found.append(
            {
                "mount": mount,
                "device": device,
                "fstype": kind,
                "options": options,
                "size_total": status.f_blocks * status.f_frsize,
                "size_available": status.f_bavail * status.f_frsize,
                "inode_total": status.f_files,
                "inode_available": status.f_favail,
            }
        )
    return found


def clock() -> dict[str, str]:
    """The machine's time."""
    now = time.time()
    local = datetime.datetime.fromtimestamp(now).astimezone()
    utc = datetime.datetime.fromtimestamp(now, datetime.timezone.utc)
    return {
        "epoch": str(int(now)),
        "iso8601": utc.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "date": local.strftime("%Y-%m-%d"),
        "time": local.strftime("%H:%M:%S"),
        "year": local.strftime("%Y"),
        "month": local.strftime("%m"),
        "day": local.strftime("%d"),
        "hour": local.strftime("%H"),
        "minute": local.strftime("%M"),
        "second": local.strftime("%S"),
        "weekday": local.strftime("%A"),
        "weekday_number": local.strftime("%w"),
        "weeknumber": local.strftime("%W"),
        "epoch_int": str(int(now)),
        "iso8601_micro": utc.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "iso8601_basic": local.strftime("%Y%m%dT%H%M%S%f"),
        "iso8601_basic_short": local.strftime("%Y%m%dT%H%M%S"),
        "tz": local.strftime("%Z"),
        "tz_dst": time.tzname[1],
        "tz_offset": local.strftime("%z"),
    }


def _init() -> str:
    name = read("/proc/1/comm").strip()
    return "systemd" if os.path.isdir("/run/systemd/system") else name


def _cgroup_version() -> int:
    return 2 if os.path.exists("/sys/fs/cgroup/cgroup.controllers") else 1


def _virtualization() -> str:
    container = read("/run/systemd/container").strip() or read("/run/host/container-manager").strip()
    if container:
        return container
    if os.path.exists("/.dockerenv"):
        return "docker"
    product = read("/sys/class/dmi/id/sys_vendor").strip().lower()
    for word, kind in (
        ("qemu", "kvm"),
        ("vmware", "VMware"),
        ("innotek", "virtualbox"),
        ("xen", "xen"),
        ("microsoft", "VirtualPC"),
    ):
        if word in product:
            return kind
    return "kvm" if "hypervisor" in read("/proc/cpuinfo")[:4096] else "NA"


def _release() -> str | None:
    try:
        return os.path.basename(os.readlink("/opt/kprov/current"))
    except OSError:
        return None


def gather() -> dict[str, Any]:
    """Every fact."""
    architecture = os.uname().machine
    names = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "armhf", "i686": "i386", "ppc64le": "ppc64el"}
    hostname = socket.gethostname()
    system = distribution()
    kind = _virtualization()
    modules = [line.split(" ", 1)[0] for line in read("/proc/modules").splitlines()]
    facts: dict[str, Any] = {
        **system,
        **memory(),
        **network_facts.gather(),
        **system_facts.gather(_os_release(), system["ansible_distribution_version"]),
        "ansible_system": "Linux",
        "ansible_kernel": os.uname().release,
        "ansible_architecture": architecture,
        "ansible_hostname": hostname.split(".")[0],
        "ansible_nodename": hostname,
        "ansible_fqdn": hostname,
        "ansible_processor_vcpus": len(os.sched_getaffinity(0)),
        "ansible_python_version": sys.version.split()[0],
        "ansible_python": {
            "executable": sys.executable,
            "version": {"major": sys.version_info[0], "minor": sys.version_info[1], "micro": sys.version_info[2]},
        },
        "ansible_date_time": clock(),
        "ansible_mounts": mounts(),
        "ansible_machine_id": read("/etc/machine-id").strip(),
        "ansible_service_mgr": _init(),
        "ansible_virtualization_type": kind,
        "ansible_virtualization_role": "NA" if kind == "NA" else "guest",
        "ansible_is_chroot": False,
        "ansible_selinux_python_present": False,
        "ansible_user_id": os.environ.get("SUDO_USER") or ("root" if os.geteuid() == 0 else str(os.geteuid())),
        "ansible_effective_user_id": os.geteuid(),
        "ansible_pkg_mgr": "apt" if os.path.exists("/usr/bin/apt-get") else "unknown",
        "ansible_apparmor": {
            "status": "enabled" if read("/sys/module/apparmor/parameters/enabled").startswith("Y") else "disabled"
        },
        "ansible_selinux": {"status": "enabled" if os.path.exists("/sys/fs/selinux/enforce") else "disabled"},
        "ansible_uptime_seconds": int(float(read("/proc/uptime", "0").split(" ")[0])),
        "kprov_boot_id": read("/proc/sys/kernel/random/boot_id").strip(),
        "kprov_cgroup_version": _cgroup_version(),
        "kprov_dpkg_architecture": names.get(architecture, architecture),
        "kprov_kernel_modules": modules,
        "kprov_packages": {package.name: package.version for package in dpkg.table() if package.installed},
        "kprov_release": _release(),
        "kprov_time": time.time(),
    }
    return facts
