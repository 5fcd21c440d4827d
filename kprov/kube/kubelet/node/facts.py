"""What the machine is: read once, or cheaply each time."""

from __future__ import annotations

import os
import platform
import socket
from dataclasses import dataclass
from pathlib import Path

ARCHITECTURES = {
    "x86_64": "amd64",
    "aarch64": "arm64",
    "armv7l": "arm",
    "ppc64le": "ppc64le",
    "s390x": "s390x",
    "riscv64": "riscv64",
}


@dataclass(frozen=True, slots=True)
class Disk:
    """Room on a file system, in bytes and inodes; of what is free some may be kept for root, and is not available."""

    size: int
    available: int
    inodes: int
    inodes_free: int
    free: int


def _read(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""


def memory() -> tuple[int, int]:
    """The machine's memory and how much of it is available, in bytes."""
    found = {}
    for line in _read("/proc/meminfo").splitlines():
        name, _, rest = line.partition(":")
        if name in ("MemTotal", "MemAvailable"):
            found[name] = int(rest.split()[0]) * 1024
    return found.get("MemTotal", 0), found.get("MemAvailable", 0)


def swap() -> list[str]:
    """The swap areas in use, without those in memory."""
    return [line.split()[0] for line in _read("/proc/swaps").splitlines()[1:] if "/zram" not in line]


def cpus() -> int:
    """The number of processors."""
    return os.cpu_count() or 1


def disk(path: Path) -> Disk:
    """Room where ``path`` (or its nearest existing parent) lies."""
    while not path.exists():
        path = path.parent
    found = os.statvfs(path)
    unit = found.f_frsize
    return Disk(found.f_blocks * unit, found.f_bavail * unit, found.f_files, found.f_favail, free=found.f_bfree * unit)


def processes() -> tuple[int, int]:
    """How many processes and threads there are, and how many there may be."""
    running = _read("/proc/loadavg").split()
    limits = [
        int(text)
        for text in (_read("/proc/sys/kernel/pid_max"), _read("/proc/sys/kernel/threads-max"))
        if text.isdigit()
    ]
    return int(running[3].partition("/")[2]) if len(running) > 3 else 0, min(limits, default=32768)


def architecture() -> str:
    """The processor's kind as Go names it."""
    return ARCHITECTURES.get(platform.machine(), platform.machine())


def boot_id() -> str:
    """Different after each boot."""
    return _read("/proc/sys/kernel/random/boot_id")


def machine_id() -> str:
    """The installation's id."""
    return _read("/etc/machine-id")


def system_uuid() -> str:
    """The hardware's id, or the installation's where the hardware has none."""
    return _read("/sys/class/dmi/id/product_uuid") or machine_id()


def os_image() -> str:
    """The distribution's name."""
    for line in _read("/etc/os-release").splitlines():
        if line.startswith("PRETTY_NAME="):
            return line.partition("=")[2].strip('"')
    return "Linux"


def hostname() -> str:
    """The machine's name as a node name: lower case."""
    return socket.gethostname().strip().lower()


def default_address() -> str:
    """The address from which the machine would speak to others; raises OSError where there is no route."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # a documentation address: nothing is sent
        return str(probe.getsockname()[0])
