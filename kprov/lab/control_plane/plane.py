"""The control plane of one folder: start, wait until it is ready, stop, whatever process asks."""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from kprov.lab.control_plane import command_lines, identities
from kprov.lab.control_plane.command_lines import Ports
from kprov.lab.control_plane.processes import Process
from kprov.lab.errors import LabError

DAEMONS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler")
_SECONDS = 120.0


def free_ports(number: int) -> list[int]:
    """Ports of loopback that nobody listens on."""
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(number)]
        return [int(probe.getsockname()[1]) for probe in probes]


class ControlPlane:
    """etcd and the daemons of one folder. Keys, tokens and ports stay the same from start to start; data does not.

    Args:
        folder: where everything lies.
        daemons: which of DAEMONS to start.
        port: the API server's; a free one when 0.
        kubectl_suite: start it as upstream's kubectl tests want it.
        flags: more flags of kube-apiserver.
    """

    def __init__(
        self,
        folder: Path,
        *,
        daemons: tuple[str, ...] = DAEMONS,
        port: int = 0,
        kubectl_suite: bool = False,
        flags: tuple[str, ...] = (),
    ) -> None:
        self.folder = folder.resolve()
        self.pki = self.folder / "pki"
        self._daemons, self._wanted_port, self._suite, self._flags = daemons, port, kubectl_suite, flags
        self._processes = {name: Process(self.folder, name) for name in ("etcd", *DAEMONS)}

    @property
    def ports(self) -> Ports:
        """Who listens where. Raises LabError before the first start."""
        try:
            return Ports(**json.loads((self.folder / "ports.json").read_text()))
        except OSError:
            raise LabError(f"no control plane in {self.folder}; start one with: ./dev control-plane up") from None

    @property
    def server(self) -> str:
        """The API server's URL."""
        return f"https://127.0.0.1:{self.ports.apiserver}"

    @property
    def etcd_url(self) -> str:
        """Where etcd answers."""
        return f"http://127.0.0.1:{self.ports.etcd}"

    def process(self, name: str) -> Process:
        """One of its programs: etcd or one of DAEMONS."""
        return self._processes[name]

    def kubeconfig(self, identity: str = "admin") -> Path:
        """The kubeconfig of one of IDENTITIES."""
        return self.folder / f"{identity}.kubeconfig"

    def start(self) -> None:
        """Start all of it on an empty etcd, and return once it is ready.

        Raises LabError when a part runs already, or is not ready in time; it is stopped then.
        """
        for name, process in self._processes.items():
            if process.running():
                raise LabError(f"{name} of {self.folder} runs already; end it with: ./dev control-plane down")
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._choose_ports()
        identities.prepare(self.folder, self.server)
        shutil.rmtree(self.folder / "etcd", ignore_errors=True)
        try:
            self._processes["etcd"].start(command_lines.etcd(self.folder, self.ports))
            for name in self._daemons:
                self.start_daemon(name)
            self.wait_ready()
        except BaseException:
            self.stop()
            raise

    def start_daemon(self, name: str) -> None:
        """Start one of DAEMONS, without waiting for it."""
        folder, ports = self.folder, self.ports
        if name == "kube-apiserver":
            command = [*command_lines.apiserver(folder, ports, kubectl_suite=self._suite), *self._flags]
        elif name == "kube-controller-manager":
            command = command_lines.controller_manager(folder, ports, kubectl_suite=self._suite)
        else:
            command = command_lines.scheduler(folder, ports)
        self._processes[name].start(command)

    @contextlib.contextmanager
    def second_apiserver(self, *flags: str) -> Iterator[str]:
        """Another API server on the same etcd, with these flags besides; its URL."""
        (port,) = free_ports(1)
        process, url = Process(self.folder, f"kube-apiserver-{port}"), f"https://127.0.0.1:{port}"
        command = command_lines.apiserver(self.folder, self.ports, kubectl_suite=self._suite)
        process.start([*command, *self._flags, f"--secure-port={port}", *flags])
        try:
            self._wait(process, f"{url}/readyz")
            yield url
        finally:
            process.stop()

    def wait_ready(self) -> None:
        """Return once every daemon that was started says that it is well. Raises LabError with a log's end."""
        ports = self.ports
        paths = {
            "kube-apiserver": f"{self.server}/readyz",
            "kube-controller-manager": f"https://127.0.0.1:{ports.controller_manager}/healthz",
            "kube-scheduler": f"https://127.0.0.1:{ports.scheduler}/healthz",
        }
        for name in self._daemons:
            self._wait(self._processes[name], paths[name])

    def stop(self) -> None:
        """End what runs, etcd last."""
        for name in reversed(self._processes):
            self._processes[name].stop()

    def _choose_ports(self) -> None:
        kept = self.folder / "ports.json"
        ports = json.loads(kept.read_text()) if kept.exists() else asdict(Ports(*free_ports(5)))
        if self._wanted_port:
            ports["apiserver"] = self._wanted_port
        kept.write_text(json.dumps(ports) + "\n")

    def _wait(self, process: Process, url: str) -> None:
        # What answers is our own process on loopback; two of the three make their certificates themselves.
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        end, last = time.monotonic() + _SECONDS, ""
        while time.monotonic() < end:
            if not process.running():
                raise LabError(f"{process.name} ended: {process.last_words()}")
            try:
                with urllib.request.urlopen(url, context=context, timeout=2):  # noqa: S310  # https, made above
                    return
            except urllib.error.HTTPError as error:
                last = error.read().decode(errors="replace")
            except OSError as error:
                last = str(error)
            time.sleep(0.02)
        raise LabError(f"{process.name} is not ready after {_SECONDS:g} s: {last}\n{process.last_words()}")


@contextlib.contextmanager
def control_plane(
    folder: Path, *, daemons: tuple[str, ...] = DAEMONS, flags: tuple[str, ...] = ()
) -> Iterator[ControlPlane]:
    """A control plane for as long as a test needs it."""
    plane = ControlPlane(folder, daemons=daemons, flags=flags)
    try:
        plane.start()
        yield plane
    finally:
        plane.stop()
