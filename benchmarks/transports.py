"""What does each transport cost: connect, start the agent, do nothing, on many machines at once?

One sshd on many loopback addresses, in a network namespace of its own; each transport in a process of its own, one
after the other in one run. Run as root: ./dev bench transports [--hosts N ...] [--json FILE]
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from provisioning import loopback, measure
from rich.console import Console
from rich.table import Table

TRANSPORTS = ("paramiko", "openssh", "openssh again", "asyncssh")
FORKS = 32


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hosts", type=int, nargs="*", default=[1, 8, 50, 200], help="numbers of targets")
    parser.add_argument("--repeat", type=int, default=1, help="runs of each; the quickest counts")
    parser.add_argument("--json", type=Path, help="write the rows to this file")
    parser.add_argument("--one", help=argparse.SUPPRESS)  # what the processes that are measured run
    return parser.parse_args()


def visit(text: str) -> None:
    """Connect to every target, start the agent, do nothing there, leave: what is measured."""
    from kprov.provision.transport.connect import connect
    from kprov.provision.transport.target import Target

    given = json.loads(text)
    targets = [
        Target(
            name,
            host["ansible_host"],
            host["ansible_port"],
            key_files=(host["ansible_ssh_private_key_file"],),
            pinned_key=host["host_key"],
            transport=given["transport"],
            python="/usr/bin/python3",
            become=False,
            login_timeout=300,
            silence_timeout=300,
        )
        for name, host in given["hosts"].items()
    ]

    def one(target: Target) -> Any:
        link = connect(target, greet=False)
        assert link.call("task", module="ping", arguments={}, timeout=300)["ping"] == "pong"
        return link  # connections stay open to the end, as in a run

    with ThreadPoolExecutor(FORKS) as pool:
        links = list(pool.map(one, targets))
        list(pool.map(lambda link: link.close(), links))


def rows_of(targets: loopback.Loopback, folder: Path, count: int, repeat: int, kept: list[int]) -> list[dict[str, Any]]:
    """Every transport on so many targets. `kept` takes the processes of logins that are kept for the next run."""
    rows: list[dict[str, Any]] = []
    for name in TRANSPORTS:
        transport = name.split()[0]
        given = json.dumps({"transport": transport, "hosts": targets.hosts("transports", count)})
        command = [*targets.prefix, sys.executable, __file__, "--one", given]
        best: measure.Cost | None = None
        for _ in range(repeat):
            runtime = folder / transport
            runtime.mkdir(exist_ok=True)
            cost, left = measure.run(command, folder, {"XDG_RUNTIME_DIR": str(runtime)}, 600)
            kept += left
            if cost.code:
                raise SystemExit(f"{name} on {count} targets failed:\n{cost.output}")
            if best is None or (cost.seconds or 0) < (best.seconds or 0):
                best = cost
        assert best is not None and best.seconds is not None
        rows.append(
            {
                "case": name,
                "hosts": count,
                "seconds": round(best.seconds, 2),
                "cpu_seconds": round(best.cpu, 2),
                "memory_mb": round(best.memory_mb, 1),
            }
        )
    default = rows[0]
    for row in rows:
        for what in ("seconds", "cpu_seconds", "memory_mb"):
            row[f"{what}_ratio"] = round(row[what] / max(default[what], 0.01), 2)
    return rows


def show(rows: list[dict[str, Any]]) -> None:
    """Print them."""
    table = Table(title=f"connect, agent, no-op, leave; {FORKS} at a time (ratio to the default)")
    for title in ("transport", "hosts", "seconds", "CPU s", "memory MB"):
        table.add_column(title, justify="left" if title == "transport" else "right")
    for row in rows:
        shown = [f"{row[what]:g} ({row[f'{what}_ratio']:g}x)" for what in ("seconds", "cpu_seconds", "memory_mb")]
        table.add_row(row["case"], str(row["hosts"]), *shown)
    Console(width=100).print(table)


def main() -> None:
    """Measure, print, write."""
    options = arguments()
    if options.one:
        visit(options.one)
        return
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="kpb-", dir="/tmp") as name:
        folder = Path(name)
        with loopback.Loopback(folder, max(options.hosts)) as targets:
            kept: list[int] = []
            try:
                for count in options.hosts:
                    rows += rows_of(targets, folder, count, options.repeat, kept)
            finally:
                for pid in kept:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGTERM)
    show(rows)
    if options.json:
        options.json.write_text(json.dumps({"rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
