"""Every operation on a cluster, once each: the command, how it ended, how long it took, and its last words.

Run as root: ./dev bench operations [--markdown FILE] (see --help). It raises a lab of its own (3 machines of the
control plane and a worker), does everything to it that docs/reference/operations.md lists, in an order in which each
finds a cluster that is well, and takes the lab down. It ends with 1 when any command did not end as it must.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from machine_care.killed_run import KPROV, LOCKED
from machine_care.own_lab import OwnLab, own_lab
from upgrades.other_release import other_release

from kprov.lab import lifecycle
from kprov.provision.bundle.bundle import default_directory
from kprov.provision.inventory import load

_PATIENCE = 120.0  # seconds, until a machine that was cut off has let go of a lock


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--control-planes", type=int, default=3, choices=[3, 5], help="machines of the lab")
    parser.add_argument("--workers", type=int, default=1, help="machines of the lab")
    parser.add_argument("--said", type=Path, help="a folder: all that each command said is written into it")
    parser.add_argument("--markdown", type=Path, help="a file: the table is written into it")
    return parser.parse_args(given)


@dataclass
class Operations:
    """One lab, and what was done to it."""

    lab: OwnLab
    said: Path | None
    rows: list[tuple[str, float, int, str]] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    @property
    def folder(self) -> Path:
        """Where files that commands write or read are."""
        return self.lab.inventory.parent

    def __call__(self, *words: str, code: int = 0, inventory: bool = True) -> None:
        """Give one command, and take down what came of it.

        Args:
            words: the command line.
            code: how it must end.
            inventory: it takes the inventory.
        """
        line = [KPROV, *words, *(["--inventory", str(self.lab.inventory)] if inventory else [])]
        begun = time.monotonic()
        while True:
            started = time.monotonic()
            ended = subprocess.run(
                line, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
            )
            seconds = time.monotonic() - started
            if ended.returncode != LOCKED or started - begun > _PATIENCE:
                break
        shown = " ".join(word.replace(str(self.folder) + "/", "") for word in words)
        last = next((text.strip() for text in reversed(ended.stdout.splitlines()) if text.strip()), "")
        self.rows.append((shown, seconds, ended.returncode, last))
        print(f"{shown:64} {seconds:6.1f} s  {ended.returncode}  {last[:100]}", flush=True)
        if self.said is not None:
            name = f"{len(self.rows):02} {shown.replace('/', '_')[:80]}.txt"
            (self.said / name).write_text(ended.stdout)
        if ended.returncode != code:
            self.failed.append(shown)
            print(ended.stdout[-3000:], flush=True)


def machines(do: Operations) -> None:
    """Nodes that are given no pods, emptied, taken out, added, replaced."""
    for verb in ("cordon", "drain", "uncordon"):
        do("node", verb, "w1")
    do("node", "remove", "w1", "--yes")
    do("node", "add", "w1")
    do("node", "remove", "cp3", "--yes")
    do("node", "add", "cp3")
    for name in ("w1", "cp1"):
        key = do.lab.burnt_down(name)
        do("node", "replace", name, "--host-key", key)
        do.lab.pin(name, key)


def etcd(do: Operations) -> None:
    """Its members, snapshots, upkeep, and two of three lost."""
    snapshot = str(do.folder / "etcd.db")
    do("etcd", "status")
    do("etcd", "members")
    do("etcd", "backup", snapshot)
    do("etcd", "compact")
    do("etcd", "defrag")
    do("etcd", "restore", snapshot, "--yes")
    lifecycle.stop(do.lab.state, ["cp2", "cp3"])
    do("etcd", "status", code=4)
    do("etcd", "recover", "--yes")
    lifecycle.start(do.lab.state, ["cp2", "cp3"])
    do("up", "--no-verify")


def keys(do: Operations) -> None:
    """Certificates, authorities, and what seals Secrets."""
    do("certs", "list")
    do("certs", "renew")
    do("certs", "renew", "--all")
    do("certs", "rotate-ca")
    do("certs", "rotate-service-account-keys")
    do("secrets", "status")
    do("secrets", "rotate")


def releases(do: Operations) -> None:
    """There and back."""
    source = Path(load(do.lab.inventory).cluster.bundle_directory or default_directory())
    other_release(source, do.folder / "bundle", "other")
    do("upgrade", "--bundle", str(do.folder / "bundle"), "--check")
    do("upgrade", "--bundle", str(do.folder / "bundle"))
    do("upgrade", "--rollback")


def all_of_it(do: Operations) -> None:
    """In an order in which each finds what it needs."""
    os.environ["KPROV_BACKUP_PASSPHRASE"] = secrets.token_hex(16)
    do("plan")
    do("up", "--no-verify")
    do("up", "--no-verify")
    for verb in ("verify", "status", "doctor"):
        do(verb)
    parts: tuple[Callable[[Operations], None], ...] = (machines, etcd, keys, releases)
    for part in parts:
        part(do)
    saved = str(do.folder / "all.kprov")
    do("backup", saved)
    do("reset", "--yes")
    do("restore", saved, "--into", str(do.folder / "again"), "--yes", inventory=False)
    do("reset", "--yes")


def markdown(rows: Sequence[tuple[str, float, int, str]]) -> str:
    """The rows as a table."""
    lines = ["| command | seconds | exit code | last words |", "|---|---|---|---|"]
    lines += [f"| `kprov {what}` | {seconds:.0f} | {code} | {last[:120]} |" for what, seconds, code, last in rows]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Do everything, print a line each."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what was made is taken away then, too
    options = arguments()
    if options.said is not None:
        options.said.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        cache = default_directory().parent
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kprov-bench-", dir=cache)))
        numbers = {"control_planes": options.control_planes, "workers": options.workers}
        lab = stack.enter_context(own_lab("operate", "10.94.0.0/24", folder, **numbers))
        do = Operations(lab, options.said)
        all_of_it(do)
    if options.markdown is not None:
        options.markdown.write_text(markdown(do.rows))
    if do.failed:
        raise SystemExit(f"these did not end as they must: {'; '.join(do.failed)}")


if __name__ == "__main__":
    main()
