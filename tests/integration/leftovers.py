"""What a run of tests leaves on the machine, told apart from what others do there meanwhile."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from kprov.lab.cgroups import hierarchies
from kprov.lab.state import STATE_ROOT

MARK = "KPROV_TEST_RUN"
"""An environment variable that everything inherits that a run starts."""

PATIENCE = 20.0
_OF_AN_INTERFACE = re.compile(r"/net/ipv[46]/(conf|neigh)/(?!all/|default/|lo/)")
_OF_THE_MOMENT = re.compile(r"/nf_conntrack_count$|/vm/stat_refresh$")
_OF_IPROUTE2 = "/run/netns"  # the first `ip netns add` since the machine's start mounts it, and nothing takes it away
_OF_A_RUN = re.compile(r"/pytest-of-[^/]+/pytest-\d+")
_WATCHED_MODES = ("/", "/dev/null", "/dev/shm", "/etc", "/home", "/root", "/run", "/tmp", "/usr/sbin", "/var/tmp")


def _read(path: Path) -> str:
    try:
        return path.read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:  # it has ended meanwhile, or nobody may read it
        return ""


@dataclass(frozen=True)
class Process:
    """A process as its own files show it."""

    pid: int
    words: str
    environment: str
    groups: str

    def __str__(self) -> str:
        return f"process {self.pid}: {self.words[:200]}"

    @property
    def lab(self) -> str | None:
        """The lab whose machine it keeps running."""
        found = re.search(r" kprov\.lab\.supervisor (\S+)", self.words)
        return found[1] if found else None


def processes() -> Iterator[Process]:
    """All that live here, but for those that have ended and wait to be put away."""
    for folder in Path("/proc").glob("[0-9]*"):
        words = _read(folder / "cmdline")
        if words:
            yield Process(int(folder.name), words, _read(folder / "environ"), _read(folder / "cgroup"))


def ancestors() -> set[int]:
    """This process and those that wait for it."""
    found, pid = set(), os.getpid()
    while pid > 0:
        found.add(pid)
        stat = _read(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()
        pid = int(stat[1]) if stat else 0
    return found


def labs() -> set[str]:
    """The labs that have files."""
    folders = [path.name for path in STATE_ROOT.glob("lab*") if path.is_dir()]
    return {name.removeprefix("lab-") if name != "lab" else "lab" for name in folders}


def _lines(*command: str) -> list[str]:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()


def picture() -> dict[str, str]:
    """Everything of the machine that has no owner, by its kind and name; with its value where it is one."""
    found = {f"link {row['ifname']}": "" for row in json.loads("".join(_lines("ip", "-json", "link")))}
    found |= dict.fromkeys(_lines("nft", "list", "tables"), "")
    found |= {f"network namespace {path.name}": "" for path in Path("/run/netns").glob("*")}
    mounts = {line.split()[1] for line in _read(Path("/proc/self/mounts")).splitlines()}
    found |= {f"mount {path}": "" for path in mounts - {_OF_IPROUTE2}}
    found |= {f"cgroup {path.name}": "" for root in hierarchies() for path in root.glob("*/")}
    found |= {f"file {path}": "" for pattern in ("kprov*", "kp-*", ".kprov*") for path in Path("/tmp").glob(pattern)}
    for name in _WATCHED_MODES:
        status = Path(name).stat()
        found[f"mode {name}"] = f"{status.st_mode & 0o7777:o} {status.st_uid}:{status.st_gid}"
    for folder in ("/proc/sys/net", "/proc/sys/vm"):
        for parent, _, names in os.walk(folder):
            for path in (Path(parent, name) for name in names):
                if not _OF_AN_INTERFACE.search(str(path)) and not _OF_THE_MOMENT.search(str(path)):
                    found[f"sysctl {path.relative_to('/proc/sys')}"] = _read(path)
    return found


def changes(before: dict[str, str], after: dict[str, str]) -> list[str]:
    """What came and what has another value. A sysctl that came with a module of the kernel is no change."""
    came = [name for name in after if name not in before and not name.startswith("sysctl ")]
    other = [
        f"{name}: {before[name]!r}, now {after[name]!r}"
        for name in after
        if after[name] != before.get(name, after[name])
    ]
    return sorted(came + other)


@dataclass
class Watch:
    """Looks before and after a run.

    Args:
        mark: the run's value of ``MARK``.
        folder: its folder of temporary files.
    """

    mark: str
    folder: Path
    before: dict[str, str] = field(default_factory=picture)
    labs_before: set[str] = field(default_factory=labs)
    company_before: list[str] = field(init=False)

    def __post_init__(self) -> None:
        self.company_before = self.company()

    def verdict(self) -> tuple[list[str], list[str]]:
        """What the run leaves behind, and what came or changed while others' tests were here, and may be theirs."""
        own, nobodys = self.left()
        company = self.company_before + self.company()
        return (own, [*nobodys, f"by {company[0][:99]}?"]) if nobodys and company else (own + nobodys, [])

    def own_processes(self) -> list[Process]:
        """Those that the run has started, but for machines of labs that were up before: tests give them power again."""
        return [
            each
            for each in processes()
            if (f"{MARK}={self.mark}" in each.environment or f"{self.folder}/" in each.words)
            and each.pid not in ancestors()
            and not self._of_labs_before(each)
        ]

    def _of_labs_before(self, process: Process) -> bool:
        groups = [f"/kprov-{'lab' if name == 'lab' else f'lab-{name}'}/" for name in self.labs_before]
        return process.lab in self.labs_before or any(group in f"{process.groups}/" for group in groups)

    def left(self) -> tuple[list[str], list[str]]:
        """What stays, once what is ending has had time to.

        Returns: what is the run's for sure, and what came or changed meanwhile and nobody's name is on.
        """
        deadline = time.monotonic() + PATIENCE
        while self._left() != ([], []) and time.monotonic() < deadline:
            time.sleep(0.1)
        return self._left()

    def _left(self) -> tuple[list[str], list[str]]:
        own = [str(process) for process in self.own_processes()]
        foreign = self.labs_before | {
            each.lab for each in processes() if each.lab and f"{MARK}={self.mark}" not in each.environment
        }
        nobodys = []
        for change in changes(self.before, picture()):
            if f"{self.folder}" in change or re.search(rf"^cgroup kprov-test-{os.getpid()}$", change):
                own.append(change)
            elif not _OF_A_RUN.search(change) and not any(_is_of_lab(change, lab) for lab in foreign):
                nobodys.append(change)
        return own, nobodys

    def company(self) -> list[str]:
        """Other people's tests on this machine, who make and change things as well."""
        line = ancestors() | {each.pid for each in self.own_processes()}
        return [
            str(each)
            for each in processes()
            if each.pid not in line
            and (f"{MARK}=" in each.environment or re.search(r"pytest|benchmarks/|kprov (lab|up|reset)\b", each.words))
            and f"{MARK}={self.mark}" not in each.environment
        ]


def _is_of_lab(change: str, lab: str) -> bool:
    folder = "lab" if lab == "lab" else f"lab-{lab}"
    return bool(
        re.search(rf"^link (kp-{lab}|vb-{lab}-.*)$|^cgroup kprov-{folder}$", change)
        or change.replace("_", "-").endswith(f" kprov-lab-{lab}")
    )
