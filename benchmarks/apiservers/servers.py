"""The API servers under test, each alone on an etcd of its own, started with the same flags."""

from __future__ import annotations

import contextlib
import http.client
import os
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kprov.lab.control_plane import command_lines
from kprov.lab.control_plane.plane import ControlPlane
from kprov.lab.control_plane.processes import Process

_TICKS = os.sysconf("SC_CLK_TCK")
_START_SECONDS = 60.0


def kprov() -> str:
    """The program kube-apiserver of this checkout."""
    return command_lines.program("kube-apiserver")


def upstream(given: Path | None) -> tuple[str | None, str]:
    """Upstream's program, and why it is absent where it is."""
    home = Path(os.environ.get("JUDGES_HOME", "/var/tmp/kprov-judges"))  # noqa: S108  # where the judges build it
    path = given or home / "bin" / "kube-apiserver"
    if os.access(path, os.X_OK):
        return str(path), ""
    return None, f"{path} is not there: build upstream's kube-apiserver, or name it with --upstream"


@dataclass
class Server:
    """One API server that runs."""

    name: str
    port: int
    token: str
    process: Process
    seconds_to_ready: float

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"https://127.0.0.1:{self.port}"

    def cpu(self) -> float:
        """CPU seconds that it has used, its children's included."""
        return sum(_cpu(pid) for pid in self._pids())

    def memory_mb(self) -> float:
        """Memory of it and its children, shared pages counted once."""
        return sum(_pss(pid) for pid in self._pids()) / 1024

    def _pids(self) -> list[int]:
        found, at = [self.process.pid() or 0], 0
        while at < len(found):
            with contextlib.suppress(OSError):
                for task in Path(f"/proc/{found[at]}/task").iterdir():
                    found += [int(pid) for pid in (task / "children").read_text().split()]
            at += 1
        return found

    def connect(self) -> http.client.HTTPSConnection:
        """A connection; what answers is our own process on loopback."""
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=60, context=context)

    def ask(self, connection: http.client.HTTPSConnection, method: str, path: str, body: Any = None) -> bytes:
        """One request's answer. Raises RuntimeError for any but a good one."""
        headers = {"Authorization": f"Bearer {self.token}", "Accept": "application/json"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        answer = response.read()
        if response.status >= 300:
            raise RuntimeError(f"{self.name}: {method} {path}: {response.status} {answer[:500]!r}")
        return answer


def _cpu(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _pss(pid: int) -> int:
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:")), 0)


@contextlib.contextmanager
def running(name: str, program: str, folder: Path, *, audited: bool = False) -> Iterator[Server]:
    """An etcd, and the API server on it, ready.

    Args:
        name: what the server is called.
        program: its program.
        folder: where its files go.
        audited: whether it keeps an audit log, of all requests at the level Metadata.

    Raises:
        RuntimeError: it is not ready in time.
    """
    plane = ControlPlane(folder / name, daemons=())
    process = Process(plane.folder, "kube-apiserver")
    try:
        plane.start()  # etcd, keys and tokens
        command = [program, *command_lines.apiserver(plane.folder, plane.ports)[1:]]
        if audited:
            command += _audit(plane.folder)
        began = time.monotonic()
        process.start(command)
        token = (plane.folder / "tokens.csv").read_text().split(",", 1)[0]
        server = Server(name, plane.ports.apiserver, token, process, 0.0)
        wait_ready(server, began + _START_SECONDS)
        server.seconds_to_ready = time.monotonic() - began
        yield server
    finally:
        process.stop()
        plane.stop()


def _audit(folder: Path) -> list[str]:
    policy = folder / "audit-policy.yaml"
    policy.write_text(
        "apiVersion: audit.k8s.io/v1\nkind: Policy\nomitStages: [RequestReceived]\nrules: [{level: Metadata}]\n"
    )
    return [f"--audit-policy-file={policy}", f"--audit-log-path={folder}/audit.log", "--audit-log-mode=batch"]


def wait_ready(server: Server, end: float) -> None:
    """Return once a server is ready. Raises RuntimeError where it ends, or is not by then (time.monotonic)."""
    said = ""
    while time.monotonic() < end:
        if not server.process.running():
            raise RuntimeError(f"{server.name} ended: {server.process.last_words()}")
        try:
            server.ask(server.connect(), "GET", "/readyz")
            return
        except (OSError, RuntimeError, http.client.HTTPException) as error:
            said = str(error)
        time.sleep(0.01)
    raise RuntimeError(f"{server.name} is not ready: {said}\n{server.process.last_words()}")
