"""Hundreds of SSH targets on one machine: a network namespace, one sshd in it, an address 127.x.y.z a target.

The namespace has nothing but a loopback interface: nobody else reaches sshd, and the interface counts every byte.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Any

PORT = 2222

_PR_SET_CHILD_SUBREAPER = 36

CONFIGURATION = """ListenAddress 0.0.0.0
Port {port}
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/key.pub
PidFile none
StrictModes no
UsePAM no
PermitRootLogin prohibit-password
PasswordAuthentication no
# One sshd plays hundreds of machines: what holds for each of them would stop them all.
MaxStartups 2000
LogLevel ERROR
Subsystem sftp internal-sftp
"""


def _address(number: int) -> str:
    """A target's address: 127.1.0.1 and up."""
    return socket.inet_ntoa((0x7F010001 + number).to_bytes(4, "big"))


# What root's own login does on this machine is no part of what is compared: within the namespace it does nothing.
QUIET_LOGIN = (
    'for file in ~root/.bashrc ~root/.ssh/rc; do [ ! -e $file ] || mount --bind /dev/null $file; done; exec "$@"'
)


def _adopt_orphans() -> None:
    """Let sshd inherit what its connections started and did not wait for: its CPU is counted with sshd's."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


class Loopback:
    """The targets; use it as a context manager.

    Args:
        folder: for keys, configuration and the targets' files.
        count: how many.
    """

    def __init__(self, folder: Path, count: int) -> None:
        self.folder = folder / "loopback"
        self.count = count
        self.namespace = f"kprov-bench-{os.getpid()}"
        self.prefix = ["ip", "netns", "exec", self.namespace]
        self._server: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Loopback:
        self.folder.mkdir(parents=True)
        for name in ("host_key", "key"):
            command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self.folder / name)]
            subprocess.run(command, check=True)
        key = " ".join((self.folder / "host_key.pub").read_text().split()[:2])
        (self.folder / "known_hosts").write_text("".join(f"[{_address(n)}]:{PORT} {key}\n" for n in range(self.count)))
        configuration = self.folder / "sshd_config"
        configuration.write_text(CONFIGURATION.format(port=PORT, folder=self.folder))
        subprocess.run(["ip", "netns", "add", self.namespace], check=True)
        try:
            subprocess.run([*self.prefix, "ip", "link", "set", "lo", "up"], check=True)
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
            sshd = shutil.which("sshd", path=os.environ.get("PATH", "") + ":/usr/sbin") or "/usr/sbin/sshd"
            self._server = subprocess.Popen(
                [*self.prefix, "sh", "-c", QUIET_LOGIN, sshd, sshd, "-D", "-e", "-f", str(configuration)],
                env={"PATH": "/usr/bin:/bin:/usr/sbin:/sbin"},
                preexec_fn=_adopt_orphans,
            )
            self._wait()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def _stop(self) -> None:
        if self._server is not None:
            self._server.terminate()
            self._server.wait()
        subprocess.run(["ip", "netns", "delete", self.namespace], check=True)

    def _wait(self) -> None:
        """Until sshd listens; `ss` asks the namespace's kernel."""
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            listening = subprocess.run([*self.prefix, "ss", "-Hltn"], capture_output=True, text=True, check=True).stdout
            if f":{PORT}" in listening:
                return
            assert self._server is not None
            if self._server.poll() is not None:
                break
            time.sleep(0.05)
        raise RuntimeError("the benchmark's sshd did not begin to listen")

    def hosts(self, tool: str, count: int, port: int = PORT) -> dict[str, dict[str, Any]]:
        """The first targets, with one root folder each that only this tool uses."""
        return {
            f"h{n:03}": {
                "ansible_host": _address(n) if port == PORT else "127.0.0.1",
                "ansible_port": port,
                "ansible_user": "root",
                "ansible_ssh_private_key_file": str(self.folder / "key"),
                "ansible_python_interpreter": "/usr/bin/python3",
                "known_hosts": str(self.folder / "known_hosts"),
                "host_key": " ".join((self.folder / "host_key.pub").read_text().split()[:2]),
                "bench_root": f"{self.folder}/targets/{tool}/h{n:03}",
                "bench_name": "bench",
            }
            for n in range(count)
        }

    def prepare(self, tool: str) -> None:
        """Make the tool's targets empty."""
        shutil.rmtree(self.folder / "targets" / tool, ignore_errors=True)
        (self.folder / "targets" / tool).mkdir(parents=True)

    def spoil(self, tool: str) -> None:
        """Change one file of one host."""
        with (self.folder / "targets" / tool / "h000" / "file0.conf").open("a") as stream:
            stream.write("changed by hand\n")

    def finish(self, tool: str, other: str) -> bool:
        """Give a tool the targets that another one made; False where there are none."""
        source = self.folder / "targets" / other
        if tool == other or not source.is_dir():
            return False
        self.prepare(tool)
        shutil.copytree(source, self.folder / "targets" / tool, symlinks=True, dirs_exist_ok=True)
        return True

    def machines_cpu(self) -> float | None:
        """CPU seconds of sshd, and of all that connections started which have ended."""
        assert self._server is not None
        fields = Path(f"/proc/{self._server.pid}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")

    def bytes_sent(self) -> int:
        """Every byte that the interface carried so far, TCP's and IP's headers included."""
        counter = "/sys/class/net/lo/statistics/tx_bytes"
        return int(subprocess.run([*self.prefix, "cat", counter], capture_output=True, text=True, check=True).stdout)
