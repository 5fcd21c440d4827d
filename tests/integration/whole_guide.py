"""Follows docs/bare-metal.md from its first command to its last, on machines of a lab of its own: ./dev guide.

The sample inventory is filled in with the lab's addresses, everything else is as the page has it: the user `debian`
with sudo, host keys that are accepted once, a backup, an upgrade to a kprov whose version is the next one, and the way
back. A file is changed by hand before the section that is about that. It ends with 1 at the first command that does not
do what the page says.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from guide_commands import CHECKOUT, commands, filled_in

import kprov
from kprov.lab import lifecycle
from kprov.lab.layout import lay_out
from kprov.lab.login import ssh_command
from kprov.lab.state import LabState
from kprov.provision.bundle.bundle import default_directory

LAB = "guide"
CHANGED_BY_HAND = "/etc/kubernetes/kube-proxy.conf"


def main() -> int:
    """Run it. Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--control-planes", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--subnet", default="10.86.0.0/24", help="of the lab (default: %(default)s)")
    parser.add_argument("--keep", action="store_true", help="leave the machines and the folder when it ends")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by SIGTERM"))
    state = LabState(LAB)
    lifecycle.down(state)  # of a run that was killed
    folder = Path(tempfile.mkdtemp(prefix="kprov-guide-"))
    try:
        cps, workers = range(1, options.control_planes + 1), range(1, options.workers + 1)
        names = {f"cp{n}": f"cp{n}" for n in cps} | {f"worker{n}": f"w{n}" for n in workers}
        wanted = lay_out(name=LAB, subnet=options.subnet, control_planes=len(cps), workers=len(workers))
        layout = lifecycle.up(state, wanted, folder / "lab.yaml", say=print)
        (folder / "inventory.yaml").write_text(filled_in(layout, state.key, names))
        return Walk(folder, state, names).follow()
    finally:
        if not options.keep:
            lifecycle.down(state)
            shutil.rmtree(folder, ignore_errors=True)


class Walk:
    """One way through the guide."""

    def __init__(self, folder: Path, state: LabState, names: dict[str, str]) -> None:
        self._folder, self._state, self._names = folder, state, names
        bundle = Path(os.environ.get("KPROV_BUNDLE") or default_directory())
        if bundle.exists():  # its own, of the same files: the next release goes into it
            shutil.copytree(bundle, folder / "bundle", copy_function=os.link, ignore=shutil.ignore_patterns(".*"))
        self._environment = {
            **os.environ,
            "HOME": str(folder),
            "KPROV_BUNDLE": str(folder / "bundle"),
            "KPROV_BACKUP_PASSPHRASE": "a passphrase of the guide",
        }
        (folder / "backups").mkdir()
        self._right_mode = ""

    def follow(self) -> int:
        """Give one command after the other."""
        section, began = "", time.monotonic()
        with self._next_kprov() as newer:
            programs = Path(sys.executable).parent
            for command in commands():
                if command.section != section:
                    section = command.section
                    print(f"\n=== {section}", flush=True)
                if "upgrade" in command.line:
                    programs = newer
                if section.startswith("7"):
                    programs = Path(sys.executable).parent
                if problem := self._give(command.line, section, programs):
                    print(f"docs/bare-metal.md:{command.number}: {command.line}: {problem}", flush=True)
                    return 1
        print(f"\nthe whole guide, {time.monotonic() - began:.0f} s", flush=True)
        return 0

    def _give(self, line: str, section: str, programs: Path) -> str:
        """Give a command. Returns what is wrong with what came of it; "" for nothing."""
        by_hand = section.startswith("7") and line.startswith("kprov plan")
        if by_hand:
            self._right_mode = self._mode()
            self._run(f"chmod 0604 {CHANGED_BY_HAND}")
        print(f"\n$ {line}", flush=True)
        began = time.monotonic()
        environment = {**self._environment, "PATH": f"{programs}:{os.environ['PATH']}"}
        with subprocess.Popen(
            ["/bin/sh", "-c", line],
            cwd=self._folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            said = []
            assert process.stdout is not None
            for each in process.stdout:
                said.append(each)
                print(each, end="", flush=True)
        print(f"({time.monotonic() - began:.1f} s, exit code {process.returncode})", flush=True)
        if process.returncode:
            return f"exit code {process.returncode}"
        if by_hand and "drift: " not in "".join(said):
            return "no drift is shown"
        if section.startswith("7") and line.startswith("kprov up") and self._mode() != self._right_mode:
            return "what was changed by hand is as it was left"
        return ""

    def _mode(self) -> str:
        return self._run(f"stat -c %a {CHANGED_BY_HAND}").strip()

    def _run(self, command: str) -> str:
        """A command on the last machine."""
        name = list(self._names.values())[-1]
        line = ssh_command(self._state, self._state.layout().machine(name))
        return subprocess.run([*line, command], check=True, capture_output=True, text=True).stdout

    @contextlib.contextmanager
    def _next_kprov(self) -> Iterator[Path]:
        """A folder with the program of a kprov that is this one, and calls itself the next minor release."""
        tree = self._folder / "newer"
        skipped = shutil.ignore_patterns("__pycache__")
        for part in ("kprov", "roles", "templates"):
            shutil.copytree(CHECKOUT / part, tree / part, ignore=skipped)
        major, minor, *_ = kprov.__version__.split(".")
        package = tree / "kprov/__init__.py"
        package.write_text(package.read_text().replace(kprov.__version__, f"{major}.{int(minor) + 1}.0"))
        program = tree / "bin/kprov"
        program.parent.mkdir()
        run = f'{sys.executable} -c "from kprov.cli.main import main; main()"'
        program.write_text(f'#!/bin/sh\nPYTHONPATH={tree} exec {run} "$@"\n')
        program.chmod(0o755)
        yield program.parent


if __name__ == "__main__":
    sys.exit(main())
