"""API servers on one etcd, to be killed, paused and started again."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

from history_record import Truth, Version

from kprov.lab.control_plane import command_lines
from kprov.lab.control_plane.plane import ControlPlane, free_ports
from kprov.lab.control_plane.processes import Process

_SECONDS = 120.0


def insecure() -> ssl.SSLContext:
    """What answers is our own process on loopback."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


class Servers:
    """So many API servers."""

    def __init__(self, folder: Path, count: int) -> None:
        self.plane = ControlPlane(folder, daemons=())
        self.plane.start()
        self.ports = free_ports(count)
        self._processes = [Process(self.plane.folder, f"kube-apiserver-{port}") for port in self.ports]
        self.token = (self.plane.folder / "tokens.csv").read_text().split(",", 1)[0]
        self.faults: list[str] = []

    def start(self, number: int) -> None:
        """Start one, without waiting."""
        command = command_lines.apiserver(self.plane.folder, self.plane.ports)
        port = f"--secure-port={self.ports[number]}"
        self._processes[number].start([*command, port, "--etcd-compaction-interval=0"])

    def wait_ready(self, number: int) -> None:
        """Return once it answers."""
        end = time.monotonic() + _SECONDS
        while True:
            try:
                url = f"https://127.0.0.1:{self.ports[number]}/readyz"
                with urllib.request.urlopen(url, context=insecure(), timeout=2):
                    return
            except (OSError, urllib.error.URLError):
                assert time.monotonic() < end, self._processes[number].last_words()
                time.sleep(0.02)

    def kill(self, number: int) -> None:
        """End one at once."""
        self._processes[number].stop(signal.SIGKILL)

    def pause(self, number: int, go_on: bool) -> None:
        """Let one stand still, or go on: as a machine does whose clock jumps, or whose network is away."""
        pid = self._processes[number].pid()
        if pid is not None:
            os.kill(pid, signal.SIGCONT if go_on else signal.SIGSTOP)

    def memory_mb(self, number: int) -> float:
        """What one has in memory."""
        status = Path(f"/proc/{self._processes[number].pid()}/status").read_text()
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:")) / 1024

    def restart_etcd(self) -> None:
        """Kill etcd and start it again; what it had acknowledged is in its files."""
        self.plane.process("etcd").stop(signal.SIGKILL)
        self.plane.process("etcd").start(command_lines.etcd(self.plane.folder, self.plane.ports))

    def stop(self) -> None:
        """End everything."""
        for number, process in enumerate(self._processes):
            self.pause(number, True)
            process.stop()
        self.plane.stop()

    def logs(self) -> str:
        """What the servers said."""
        return "".join(process.log.read_text(errors="replace") for process in self._processes if process.log.exists())

    async def disturb(self, dice: random.Random, going: Callable[[], bool], done: Callable[[], int]) -> None:
        """Kill, pause, start again, and let clients get something done in between. All of them run at the end."""
        choices = ("kill", "pause", "etcd") if len(self.ports) > 1 else ("kill", "etcd")
        turn = 0
        while going():
            enough = done() + dice.randrange(20, 60)
            while going() and done() < enough:  # noqa: ASYNC110  # a count
                await asyncio.sleep(0.02)
            what, number = choices[turn % len(choices)], dice.randrange(len(self.ports))
            turn += 1
            self.faults.append(f"{what} {number}")
            if what == "kill":
                await asyncio.to_thread(self.kill, number)
                await asyncio.sleep(dice.uniform(0, 0.3))
                self.start(number)
                await asyncio.to_thread(self.wait_ready, number)
            elif what == "pause":
                self.pause(number, False)
                await asyncio.sleep(dice.uniform(0.5, 2.0))
                self.pause(number, True)
            else:
                await asyncio.to_thread(self.restart_etcd)

    async def truth(self, kind: str) -> Truth:
        """Every change of a kind's objects, read from etcd itself."""
        from kprov.kube.apiserver.storage.etcd import EtcdClient, EtcdOptions

        etcd = EtcdClient(EtcdOptions((self.plane.etcd_url,)))
        versions: list[Version] = []
        try:
            last = await etcd.current_revision()
            async with asyncio.timeout(_SECONDS), contextlib.aclosing(_changes(etcd, f"/registry/{kind}/")) as changes:
                async for version, reached in changes:
                    if version is not None:
                        versions.append(version)
                    if reached >= last:
                        break
        finally:
            await etcd.close()
        return Truth(versions)


async def _changes(etcd: object, prefix: str) -> AsyncIterator[tuple[Version | None, int]]:
    import orjson

    async for response in etcd.watch_all(1):  # type: ignore[attr-defined]
        for event in response.events:
            key, revision = event.kv.key.decode(), event.kv.mod_revision
            if not key.startswith(f"{prefix}default/history-"):
                continue
            name = key.rpartition("/")[2]
            if event.type == 1:
                yield Version(revision, name, None), revision
                continue
            obj = orjson.loads(event.kv.value)
            tier = obj["metadata"].get("labels", {}).get("tier", "")
            yield Version(revision, name, obj["data"]["value"], tier), revision
        if response.events:
            yield None, response.events[-1].kv.mod_revision


@contextlib.contextmanager
def servers(folder: Path, count: int) -> Iterator[Servers]:
    """Servers, ready, for as long as a test needs them."""
    made = Servers(folder, count)
    try:
        for number in range(count):
            made.start(number)
        for number in range(count):
            made.wait_ready(number)
        yield made
    finally:
        made.stop()
