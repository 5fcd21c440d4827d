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
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import yaml
from machine_care.killed_run import KPROV, LOCKED
from upgrades.other_release import other_release

from kprov.lab import lifecycle
from kprov.lab.disk import host_key
from kprov.lab.state import LabState
from kprov.provision.bundle.bundle import default_directory
from kprov.provision.inventory import load

LAB = "operations"
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

    folder: Path
    said: Path | None
    rows: list[tuple[str, float, int, str]] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    @property
    def inventory(self) -> Path:
        """The cluster's, which is not the lab's own: a new machine's key is not known to it."""
        return self.folder / "inventory.yaml"

    def __call__(self, *words: str, code: int = 0, inventory: bool = True) -> None:
        """Give one command, and take down what came of it.

        Args:
            words: the command line.
            code: how it must end.
            inventory: it takes the inventory.
        """
        line = [KPROV, *words, *(["--inventory", str(self.inventory)] if inventory else [])]
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

    def burnt_down(self, name: str) -> str:
        """Put a new machine in the place of one. Returns its host key."""
        state = LabState(LAB)
        lifecycle.stop(state, [name])
        shutil.rmtree(state.machine_folder(name))
        lifecycle.up(state, state.layout(), self.folder / "lab.yaml")
        return host_key(state.machine_folder(name))

    def pin(self, name: str, key: str) -> None:
        """Write a machine's host key into the inventory."""
        data = yaml.safe_load(self.inventory.read_text())
        data["all"]["hosts"][name]["kprov_host_key"] = key
        self.inventory.write_text(yaml.safe_dump(data, sort_keys=False))


def machines(do: Operations) -> None:
    """Nodes that are given no pods, emptied, taken out, added, replaced."""
    for verb in ("cordon", "drain", "uncordon"):
        do("node", verb, "w1")
    do("node", "remove", "w1", "--yes")
    do("node", "add", "w1")
    do("node", "remove", "cp3", "--yes")
    do("node", "add", "cp3")
    for name in ("w1", "cp1"):
        key = do.burnt_down(name)
        do("node", "replace", name, "--host-key", key)
        do.pin(name, key)


def etcd(do: Operations) -> None:
    """Its members, snapshots, upkeep, and two of three lost."""
    snapshot = str(do.folder / "etcd.db")
    do("etcd", "status")
    do("etcd", "members")
    do("etcd", "backup", snapshot)
    do("etcd", "compact")
    do("etcd", "defrag")
    do("etcd", "restore", snapshot, "--yes")
    state = LabState(LAB)
    lifecycle.stop(state, ["cp2", "cp3"])
    do("etcd", "status", code=4)
    do("etcd", "recover", "--yes")
    lifecycle.start(state, ["cp2", "cp3"])
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
    source = Path(load(do.inventory).cluster.bundle_directory or default_directory())
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


def _lab(*words: str) -> None:
    if subprocess.run([KPROV, "lab", *words, "--lab", LAB], stdin=subprocess.DEVNULL).returncode:
        raise SystemExit(f"kprov lab {' '.join(words)} failed")


def main() -> None:
    """Do everything, print a line each."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what was made is taken away then, too
    options = arguments()
    if options.said is not None:
        options.said.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        cache = default_directory().parent
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kprov-bench-", dir=cache)))
        stack.callback(lambda: _lab("down"))
        numbers = ["--control-planes", str(options.control_planes), "--workers", str(options.workers)]
        _lab("up", "--subnet", "10.94.0.0/24", "--inventory", str(folder / "lab.yaml"), *numbers)
        do = Operations(folder, options.said)
        shutil.copy(folder / "lab.yaml", do.inventory)
        all_of_it(do)
    if options.markdown is not None:
        options.markdown.write_text(markdown(do.rows))
    if do.failed:
        raise SystemExit(f"these did not end as they must: {'; '.join(do.failed)}")


if __name__ == "__main__":
    main()
