"""What do clients notice of an upgrade? 200 requests a second to a Service and 50 writes a second meanwhile.

Run as root: ./dev bench upgrade [--inventory FILE] (see --help). Without an inventory it raises a cluster of 3 + 3
machines in a lab of its own, and takes it down afterwards; with one it upgrades that cluster, and back again.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import signal
import ssl
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from machine_care.killed_run import KPROV
from machine_care.own_lab import kprov, own_lab
from upgrades.clients import Writes, keep_asking, service_client
from upgrades.other_release import other_release
from upgrades.tally import Tally
from upgrades.workload import NAMESPACE, Workload

from kprov.provision.bundle.bundle import default_directory
from kprov.provision.cluster.context import api_servers
from kprov.provision.inventory import Inventory, load
from kprov.provision.kubeapi.credentials import read_kubeconfig

# As an upgrade of Debian's packages leaves them: their programs are newer than what runs.
_AS_IF_REPLACED = "chown root: /usr/bin/etcd /usr/bin/containerd /usr/sbin/haproxy 2>/dev/null || true"


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inventory", type=Path, help="a cluster that is up; it is upgraded, and brought back")
    parser.add_argument("--requests", type=float, default=200, help="requests a second to the Service")
    parser.add_argument("--writes", type=float, default=50, help="writes a second to the API")
    parser.add_argument("--control-planes", type=int, default=3, help="machines of the lab")
    parser.add_argument("--workers", type=int, default=3, help="machines of the lab")
    parser.add_argument("--no-packages", action="store_true", help="leave etcd, containerd and haproxy running")
    parser.add_argument("--no-rollback", action="store_true", help="leave the way back out")
    parser.add_argument("--json", type=Path, help="write the rows to this file")
    return parser.parse_args(given)


@contextlib.contextmanager
def _own_cluster(options: argparse.Namespace, folder: Path) -> Iterator[Path]:
    numbers = {"control_planes": options.control_planes, "workers": options.workers}
    with own_lab("upgrade", "10.91.0.0/24", folder, **numbers) as lab:
        kprov("up", str(lab.inventory), "--no-verify")
        yield lab.inventory


class Rehearsal:
    """One cluster, and the clients that it has."""

    def __init__(self, inventory: Inventory, options: argparse.Namespace) -> None:
        self._inventory = inventory
        self._options = options
        self._kubeconfig = inventory.cluster.state_directory / "admin.kubeconfig"
        self._servers = api_servers(inventory)

    async def _under_load(self, title: str, prefix: str, port: int, command: Sequence[str]) -> list[dict[str, Any]]:
        with read_kubeconfig(self._kubeconfig).files() as (authority, certificate, key):
            tls = ssl.create_default_context(cafile=str(authority))
            tls.load_cert_chain(certificate, key)
        virtual, number = self._inventory.cluster.api_virtual_address, self._inventory.cluster.api_server_port
        writes = Writes([f"https://{virtual}:{number}"] if virtual else self._servers, tls, NAMESPACE, prefix)
        addresses = [host.node_address for host in self._inventory.hosts.values()]
        tallies = [Tally("a Service", self._options.requests), Tally("writes to the API", self._options.writes)]
        asked = [service_client(addresses, port), writes.ask]
        stop, started = asyncio.Event(), time.monotonic()
        clients = [asyncio.create_task(keep_asking(*each, stop)) for each in zip(asked, tallies, strict=True)]
        try:
            await asyncio.sleep(3)  # what clients see before anything is done belongs to it
            run = await asyncio.create_subprocess_exec(*command, stdin=asyncio.subprocess.DEVNULL)
            code = await run.wait()
            took = time.monotonic() - started - 3
            await asyncio.sleep(3)
        finally:
            stop.set()
            await asyncio.gather(*clients)
        lost = await writes.lost()
        await writes.close()
        rows = [{"during": title, "took_s": round(took, 1), "exit_code": code, **tally.row()} for tally in tallies]
        rows[1]["acknowledged_and_lost"] = lost
        return rows

    def run(self, folder: Path) -> list[dict[str, Any]]:
        """Upgrade, and go back. Returns a row for each and each client."""
        inventory = str(self._inventory.path)
        source = self._inventory.cluster.bundle_directory or default_directory()
        version = other_release(Path(source), folder / "bundle", f"bench{int(time.time())}")
        words = [KPROV, "upgrade", inventory, "--delete-emptydir-data", "--force"]
        rows = []
        with Workload(self._servers, self._kubeconfig, replicas=3) as workload:
            if not self._options.no_packages:
                kprov("exec", "-i", inventory, _AS_IF_REPLACED)
            there = [*words, "--bundle", str(folder / "bundle")]
            rows += asyncio.run(self._under_load(f"upgrade to {version}", "there", workload.port, there))
            if not self._options.no_rollback:
                rows += asyncio.run(self._under_load("the way back", "back", workload.port, [*words, "--rollback"]))
        return rows


def show(rows: Sequence[dict[str, Any]]) -> None:
    """Print the rows as a table for people."""
    columns = (
        ("requests", 9),
        ("per_second", 11),
        ("needed_a_retry", 15),
        ("most_tries", 11),
        ("failed", 7),
        ("longest_gap_s", 14),
        ("median_ms", 10),
        ("p99_ms", 8),
        ("slowest_s", 10),
    )
    print(f"{'client':18}" + "".join(f"{name.replace('_', ' '):>{width}}" for name, width in columns))
    for row in rows:
        print(f"{row['what']:18}" + "".join(f"{row[name]:>{width}}" for name, width in columns))
        print(f"  during {row['during']}, {row['took_s']} s; tries failed by {row['tries_failed_by'] or 'nothing'}")
        for line in row["failures"]:
            print(f"  FAILED {line}")
        for line in row.get("acknowledged_and_lost", []):
            print(f"  LOST {line}")


def main() -> None:
    """Measure, print a table, write JSON. Ends with 1 when a request failed, or an acknowledged write is lost."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what was made is taken away then, too
    options = arguments()
    with contextlib.ExitStack() as stack:
        folder = Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="kprov-bench-", dir=default_directory().parent))
        )
        inventory = options.inventory or stack.enter_context(_own_cluster(options, folder))
        rows = Rehearsal(load(inventory), options).run(folder)
    show(rows)
    if options.json:
        options.json.write_text(json.dumps({"rows": rows}, indent=1) + "\n")
    if any(row["failed"] or row["exit_code"] or row.get("acknowledged_and_lost") for row in rows):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
