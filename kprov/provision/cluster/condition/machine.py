"""What a machine says of itself: its units, its disk, its last snapshot of etcd. One round trip for all machines."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field

from kprov.provision.engine import Engine
from kprov.provision.inventory import Host
from kprov.provision.verify.machines import units_of

# Prints one JSON object. A unit that fails says why by its last words.
_SCRIPT = r"""
import glob, json, os, subprocess, sys, time
units = sys.argv[1:]
def run(*argv):
    return subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout.decode("utf-8", "replace")
found = {}
names = "--property=Id,LoadState,ActiveState,SubState,UnitFileState,NRestarts,Result"
for block in run("systemctl", "show", names, *units).strip().split("\n\n"):
    unit = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
    name = unit.pop("Id", "").rsplit(".service", 1)[0]
    if unit.get("ActiveState") not in ("active", "reloading"):
        said = run("journalctl", "--unit=" + name, "--lines=3", "--output=cat", "--no-pager", "--boot")
        unit["said"] = said[-600:]
    found[name] = unit
disks = {}
for folder in ("/", "/var/lib/etcd", "/var/lib/containerd"):
    if os.path.isdir(folder):
        disk = os.statvfs(folder)
        total = disk.f_blocks * disk.f_frsize
        disks[folder] = round(100 * (1 - disk.f_bavail * disk.f_frsize / total), 1) if total else 0
snapshots = sorted(glob.glob("/var/lib/kprov/etcd-snapshots/*.db"))
release = os.readlink("/opt/kprov/current").rsplit("/", 1)[-1] if os.path.islink("/opt/kprov/current") else ""
print(json.dumps({
    "units": found,
    "disks": disks,
    "snapshot_age": round(time.time() - os.path.getmtime(snapshots[-1])) if snapshots else None,
    "snapshots_by_clock": os.path.exists("/etc/systemd/system/kprov-etcd-snapshot.timer"),
    "release": release,
    "uptime": round(time.clock_gettime(time.CLOCK_BOOTTIME)),
    "time": time.time(),
}))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitState:
    """A systemd unit."""

    name: str
    state: str
    """systemd's ActiveState, or ``missing``."""
    is_enabled: bool
    restarts: int
    result: str
    said: str
    """The last it wrote, where it does not run."""

    @property
    def runs(self) -> bool:
        """Whether it does what it is for."""
        return self.state in ("active", "reloading")


@dataclass(slots=True, kw_only=True)
class MachineState:
    """A machine of the inventory."""

    name: str
    groups: list[str]
    answers: bool
    reason: str = ""
    """Why it does not."""
    release: str = ""
    uptime: int = 0
    units: list[UnitState] = field(default_factory=list)
    disks: dict[str, float] = field(default_factory=dict)
    """Mount point -> percent used."""
    snapshot_age: int | None = None
    """Seconds since its last snapshot of etcd by the clock."""
    snapshots_by_clock: bool = False
    clock_offset: float = 0.0
    """Seconds that its clock is ahead of the controller's."""

    def runs(self, unit: str) -> bool:
        """Whether a unit runs here."""
        return any(each.name == unit and each.runs for each in self.units)


def look_at_machines(engine: Engine, hosts: Sequence[Host]) -> list[MachineState]:
    """Ask every machine that is connected, all at once."""
    alive = engine.alive(hosts)
    answers = engine.module_all(
        {
            host.name: (
                "command",
                {"argv": ["python3", "-I", "-c", _SCRIPT, *units_of(host)], "_check": False, "_quiet": True},
            )
            for host in alive
        }
    )
    found = []
    for host in hosts:
        state = MachineState(name=host.name, groups=list(host.groups), answers=host.name in answers)
        answer = answers.get(host.name)
        if answer is None:
            state.reason = engine.state[host.name].reason or "it is not connected"
        elif answer.failed:
            state.answers, state.reason = False, answer.message
        else:
            _take(state, json.loads(str(answer["stdout"]).splitlines()[-1]), units_of(host))
            state.clock_offset = round(
                float(engine.facts.get(host.name, {}).get("kprov_clock_offset_ms") or 0) / 1000, 3
            )
        found.append(state)
    return found


def _take(state: MachineState, said: dict[str, object], units: Sequence[str]) -> None:
    shown = said["units"]
    assert isinstance(shown, dict)
    for name in units:
        unit = shown.get(name) or {}
        state.units.append(
            UnitState(
                name=name,
                state="missing" if unit.get("LoadState") in (None, "not-found") else unit["ActiveState"],
                is_enabled=unit.get("UnitFileState") in ("enabled", "enabled-runtime", "static", "alias"),
                restarts=int(unit.get("NRestarts") or 0),
                result=str(unit.get("Result") or ""),
                said=str(unit.get("said") or "").strip(),
            )
        )
    state.release, state.disks = str(said["release"]), dict(said["disks"])  # type: ignore[call-overload]
    state.uptime = int(said["uptime"])  # type: ignore[call-overload]
    age = said["snapshot_age"]
    state.snapshot_age = int(age) if isinstance(age, (int, float)) else None
    state.snapshots_by_clock = bool(said["snapshots_by_clock"])
