"""Do commands that bring and take machines bear SIGKILL at any moment? Killed, given again, looked at.

Run as root: ./dev bench machines [--kills 3] [--joins 10] [--only remove,add] (see --help). Without an inventory it
raises a cluster in a lab of its own, and takes it down afterwards; with one, --machine of it are taken out and added
again, and all are upgraded and brought back: machines of your own.

Each command is first let run to its end. Then it is ended by SIGKILL at random moments, as often as --kills says, each
time given again; the last one must end well. What is held against it afterwards: every node is Ready and takes pods, no
two have a pod network in common, etcd's members are those of the inventory, and `kprov plan` finds nothing to change.
In its own lab machines also burn down, and are replaced.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from machine_care.killed_run import Ended, moment_of, once_unlocked
from machine_care.own_lab import OwnLab, own_lab
from machine_care.standing import problems
from upgrades.other_release import other_release

from kprov.provision.bundle.bundle import default_directory
from kprov.provision.inventory import load

PARTS = ("remove", "add", "replace", "upgrade", "rollback")
LOSSES = ["--force", "--delete-emptydir-data"]


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inventory", type=Path, help="a cluster that is up")
    parser.add_argument("--machine", action="append", help="one that goes and comes; default: the first and the last")
    parser.add_argument("--joins", type=int, default=0, help="more workers of the own lab, which join at once")
    parser.add_argument("--kills", type=int, default=3, help="times that each command is killed; 0: none")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="of the moments; the last run's is printed")
    parser.add_argument("--only", default="", help=f"with commas, of {', '.join(PARTS)}: only these are killed")
    parser.add_argument("--control-planes", type=int, default=3, help="machines of the own lab")
    parser.add_argument("--json", type=Path, help="write the rows to this file")
    options = parser.parse_args(given)
    options.only = options.only.split(",") if options.only else list(PARTS)
    if wrong := set(options.only) - set(PARTS):
        parser.error(f"--only {', '.join(wrong)}: there are {', '.join(PARTS)}")
    return options


@dataclass
class Rehearsal:
    """One cluster, and what came of what was done to it."""

    path: Path
    kills: int
    moments: random.Random
    rows: list[dict[str, Any]] = field(default_factory=list)

    @property
    def there(self) -> list[str]:
        """The option that names the cluster."""
        return ["--inventory", str(self.path)]

    def note(self, what: str, ended: Ended, *, look: bool = True, without: str = "") -> None:
        """Take down how something ended, and look at the cluster."""
        wrong = [f"exit code {ended.code}: {ended.last_words}"] if ended.code and not ended.was_killed else []
        wrong += problems(load(self.path), without=without) if look else []
        self.rows.append({"what": what, "seconds": round(ended.seconds, 1), "code": ended.code, "problems": wrong})
        print(f"{what:64} {ended.seconds:6.1f} s  {'NOT WELL' if wrong else ''}", flush=True)
        for line in wrong:
            print(f"  {line}", flush=True)

    def whole(self, title: str, *words: str, look: bool = True, without: str = "") -> Ended:
        """A command to its end. Returns: how that was."""
        ended, _ = once_unlocked(*words)
        self.note(title, ended, look=look, without=without)
        return ended

    def ends_killed(self, title: str, like: Ended, *words: str) -> bool:
        """The same command, killed at random moments, one after the other. Returns: whether the last was killed."""
        for _ in range(self.kills):
            ended, _ = once_unlocked(*words, kill_at=moment_of(like, self.moments))
            how = f"killed in: {ended.phase}" if ended.was_killed else f"ended with {ended.code}"
            self.note(f"{title}, {how}"[:64], ended, look=False)
            if ended.code == 0:  # it was faster this time
                return False
        return True

    def killed(self, title: str, like: Ended, *words: str, without: str = "") -> None:
        """The same command, killed; then to its end."""
        self.ends_killed(title, like, *words)
        ended, waited = once_unlocked(*words)
        again = f"{title}, given again" + (f" (locks held for {waited:.1f} s)" if waited > 0.1 else "")
        self.note(again, ended, without=without)

    def goes_and_comes(self, machine: str, only: Sequence[str]) -> None:
        """A machine is taken out and added again; then the same with kills."""
        remove = ["node", "remove", machine, "--yes", *LOSSES, *self.there]
        add = ["node", "add", machine, *self.there]
        going = self.whole(f"remove {machine}", *remove, without=machine)
        coming = self.whole(f"add {machine}", *add)
        if not self.kills or not {"remove", "add"} & set(only):
            return
        if "remove" in only:
            self.killed(f"remove {machine}", going, *remove, without=machine)
        else:
            self.whole(f"remove {machine}", *remove, without=machine)
        if "add" in only:
            self.killed(f"add {machine}", coming, *add)
        else:
            self.whole(f"add {machine}", *add)

    def burns_down(self, machine: str, lab: OwnLab) -> None:
        """A new machine in a lost one's place is made its successor, without kills and with them."""
        replace = ["node", "replace", machine, *self.there, "--host-key"]
        key = lab.burnt_down(machine)
        like = self.whole(f"replace {machine}", *replace, key, look=False)
        self._look_again(machine, key, lab)
        if self.kills:
            key = lab.burnt_down(machine)
            # Who has been replaced is not replaced again.
            if self.ends_killed(f"replace {machine}", like, *replace, key):
                self.whole(f"replace {machine}, given again", *replace, key, look=False)
            self._look_again(machine, key, lab)

    def _look_again(self, machine: str, key: str, lab: OwnLab) -> None:
        lab.pin(machine, key)
        self.note(f"replace {machine}: looked at", Ended(0, 0.0, "", []))

    def releases(self, folder: Path, only: Sequence[str]) -> None:
        """All go to another release and back; then the same with kills."""
        source = Path(load(self.path).cluster.bundle_directory or default_directory())
        other_release(source, folder / "bundle", f"bench{int(time.time())}")
        upgrade = ["upgrade", "--bundle", str(folder / "bundle"), *LOSSES, *self.there]
        back = ["upgrade", "--rollback", *LOSSES, *self.there]
        going, coming = self.whole("upgrade", *upgrade, look=False), self.whole("rollback", *back)
        if not self.kills:
            return
        if "upgrade" in only:
            self.ends_killed("upgrade", going, *upgrade)
        self.whole("upgrade, given again", *upgrade, look=False)
        if "rollback" in only:
            self.killed("rollback", coming, *back)
        else:
            self.whole("rollback", *back)


@contextlib.contextmanager
def smaller(inventory: Path, names: Sequence[str]) -> Iterator[Path]:
    """The inventory without some machines, beside it: the state directory is the same."""
    data = yaml.safe_load(inventory.read_text())
    for name in names:
        data["all"]["hosts"].pop(name, None)
        for group in data["all"]["children"].values():
            group["hosts"].pop(name, None)
    path = inventory.with_name("smaller.yaml")
    path.write_text(yaml.safe_dump(data, sort_keys=False))
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def main() -> None:
    """Rehearse, print a line each, write JSON. Ends with 1 when something is not as it must be."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what was made is taken away then, too
    options = arguments()
    print(f"seed {options.seed}", flush=True)
    with contextlib.ExitStack() as stack:
        cache = default_directory().parent
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kprov-bench-", dir=cache)))
        lab = None
        if options.inventory is None:
            numbers = {"control_planes": options.control_planes, "workers": 1 + options.joins}
            lab = stack.enter_context(own_lab("nodes", "10.92.0.0/24", folder, **numbers))
        path = options.inventory if lab is None else lab.inventory
        work = Rehearsal(path.resolve(), options.kills, random.Random(options.seed))
        if lab is not None:
            late = [f"w{number}" for number in range(2, 2 + options.joins)]
            with smaller(path, late) as less:
                work.whole("up", "up", str(less), "--no-verify", look=False)
            if late:
                work.whole(f"{len(late)} machines join at once", "node", "add", ",".join(late), *work.there)
        hosts = list(load(path).hosts)
        machines = options.machine or [hosts[-1], hosts[0]]
        for machine in machines:
            if {"remove", "add"} & set(options.only):
                work.goes_and_comes(machine, options.only)
            if "replace" in options.only and lab is not None:
                work.burns_down(machine, lab)
        if {"upgrade", "rollback"} & set(options.only):
            work.releases(folder, options.only)
    if options.json:
        options.json.write_text(json.dumps({"seed": options.seed, "rows": work.rows}, indent=1) + "\n")
    if any(row["problems"] for row in work.rows):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
