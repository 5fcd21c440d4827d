"""The machines of a lab as targets."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path
from typing import Any

import yaml

# What Ansible's apt module wants on a machine; the others want nothing.
FOR_ANSIBLE = ("python3-apt", "python-apt-common", "distro-info-data")


class Lab:
    """A lab that is up (`kprov lab up --release 12 --inventory FILE`; the release is this computer's own).

    Args:
        inventory: its inventory.
    """

    def __init__(self, inventory: Path) -> None:
        content = yaml.safe_load(inventory.read_text())["all"]
        self._hosts: dict[str, dict[str, Any]] = content["hosts"]
        self._key = content["vars"]["ansible_ssh_private_key_file"]
        self.count = len(self._hosts)
        self.prefix: list[str] = []
        for host in self._hosts:
            # What a machine still does at its start is nobody's time.
            self._on(host, "systemctl is-system-running --wait || true")

    def hosts(self, tool: str, folder: Path) -> dict[str, dict[str, Any]]:
        """The machines; each tool has users, units and folders of its own."""
        known = folder / "known_hosts"
        known.write_text("".join(f"{host['ansible_host']} {host['kprov_host_key']}\n" for host in self._hosts.values()))
        return {
            name: {
                "ansible_host": host["ansible_host"],
                "ansible_user": "root",
                "ansible_ssh_private_key_file": self._key,
                "ansible_python_interpreter": "/usr/bin/python3",
                "known_hosts": str(known),
                "host_key": host["kprov_host_key"],
                "bench_root": f"/srv/bench-{tool}",
                "bench_name": f"b{tool.replace('_', '')}",
            }
            for name, host in self._hosts.items()
        }

    def _on(self, name: str, command: str, data: bytes = b"") -> str:
        host = self._hosts[name]
        ssh = ["ssh", "-i", self._key, "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no"]
        ssh += ["-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", f"root@{host['ansible_host']}", command]
        return subprocess.run(ssh, capture_output=True, input=data, check=True).stdout.decode()

    def _install_for_ansible(self) -> None:
        """The machines reach no mirror: what Ansible wants is fetched here."""
        with tempfile.TemporaryDirectory(prefix="kprov-bench-") as folder:
            command = ["apt-get", "download", "-q", *FOR_ANSIBLE]
            subprocess.run(command, cwd=folder, check=True, capture_output=True)
            packed = subprocess.run(["tar", "-C", folder, "-c", "."], check=True, capture_output=True).stdout
        for host in self._hosts:
            self._on(host, "d=$(mktemp -d) && tar -x -C $d && dpkg -i $d/*.deb && rm -r $d", packed)

    def prepare(self, tool: str) -> None:
        """Take away what an earlier benchmark left on the machines."""
        name = f"b{tool.replace('_', '')}"
        if tool.startswith("ansible"):
            self._install_for_ansible()
        for host in self._hosts:
            self._on(
                host,
                f"systemctl disable --now {name}0 {name}1 {name}2 2>/dev/null; rm -rf /srv/bench-{tool} "
                f"/etc/systemd/system/{name}[0-9].service /etc/sysctl.d/90-{name}*; systemctl daemon-reload; "
                f"for n in 0 1 2 3; do userdel {name}u$n 2>/dev/null; groupdel {name}g$n 2>/dev/null; done; true",
            )

    def spoil(self, tool: str) -> None:
        """Change one file of one machine."""
        self._on(next(iter(self._hosts)), f"echo changed by hand >> /srv/bench-{tool}/file0.conf")

    def finish(self, tool: str, other: str) -> bool:
        """Users and units have a tool's name: another's are no help."""
        return False

    def machines_cpu(self) -> float | None:
        """Not known: other things run on them, too."""
        return None

    def bytes_sent(self) -> int:
        """Every byte that machines received and sent over SSH so far, by their own interfaces' counters."""
        total = 0
        for host in self._hosts.values():
            route = subprocess.run(["ip", "-o", "route", "get", host["ansible_host"]], capture_output=True, text=True)
            words = route.stdout.split()
            device = words[words.index("dev") + 1]
            total = sum(
                int(Path(f"/sys/class/net/{device}/statistics/{way}_bytes").read_text()) for way in ("tx", "rx")
            )
        return total
