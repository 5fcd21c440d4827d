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
import glob, json, os, socket, struct, subprocess, sys, time
asked = json.loads(sys.argv[1])
units = asked["units"]
def run(*argv):
    try:
        done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    except FileNotFoundError:  # on a machine without a cluster there is no nft
        return ""
    return done.stdout.decode("utf-8", "replace")
found = {}
names = "--property=Id,LoadState,ActiveState,SubState,UnitFileState,NRestarts,Result"
for block in run("systemctl", "show", names, *units).strip().split("\n\n"):
    unit = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
    name = unit.pop("Id", "").rsplit(".service", 1)[0]
    if unit.get("ActiveState") not in ("active", "reloading"):
        said = run("journalctl", "--unit=" + name, "--lines=3", "--output=cat", "--no-pager", "--boot")
        unit["said"] = said[-600:]
    found[name] = unit
def silence(port):
    try:
        with socket.create_connection(("127.0.0.1", port), 2) as stream:
            stream.settimeout(3)
            stream.sendall(b"GET /healthz HTTP/1.0\r\nHost: localhost\r\n\r\n")
            said = stream.recv(4096).decode("utf-8", "replace")
        if said.split(" ")[1:2] == ["200"]:
            return ""
        return "/healthz says " + (said.strip().splitlines() or ["nothing"])[-1][:200]
    except OSError as error:
        return "/healthz: %s" % error
def no_name(address, name):
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"
    query = struct.pack(">6H", 4711, 256, 1, 0, 0, 0) + labels + struct.pack(">2H", 1, 1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stream:
        stream.settimeout(2)
        try:
            stream.sendto(query, (address, 53))
            answer = stream.recv(512)
            code = answer[3] & 15
            return "" if not code else "%s: it answers with code %d" % (name, code)
        except OSError as error:
            return "%s: %s" % (name, error)
silent = {}
for name, port in asked["health"].items():
    if found.get(name, {}).get("ActiveState") == "active":
        problem = silence(port)
        if problem:
            silent[name] = problem
if found.get("kprov-node", {}).get("ActiveState") == "active" and "kprov-node" not in silent:
    problem = no_name(*asked["dns"])
    if problem:
        silent["DNS"] = problem
tables = run("nft", "list", "tables").splitlines()
flushed = [
    unit for unit, table in asked["tables"].items()
    if found.get(unit, {}).get("ActiveState") == "active" and "table " + table not in tables
]
disks = {}
for folder in ("/", "/var/lib/etcd", "/var/lib/containerd"):
    if os.path.isdir(folder):
        disk = os.statvfs(folder)
        total = disk.f_blocks * disk.f_frsize
        disks[folder] = round(100 * (1 - disk.f_bavail * disk.f_frsize / total), 1) if total else 0
snapshots = sorted(glob.glob("/var/lib/kprov/etcd-snapshots/*.db"))
timer = "/etc/systemd/system/kprov-etcd-snapshot.timer"
release = os.readlink("/opt/kprov/current").rsplit("/", 1)[-1] if os.path.islink("/opt/kprov/current") else ""
print(json.dumps({
    "units": found,
    "silent": silent,
    "flushed": flushed,
    "disks": disks,
    "snapshot_age": round(time.time() - os.path.getmtime(snapshots[-1])) if snapshots else None,
    "snapshot_timer_age": round(time.time() - os.path.getmtime(timer)) if os.path.exists(timer) else None,
    "release": release,
    "uptime": round(time.clock_gettime(time.CLOCK_BOOTTIME)),
    "time": time.time(),
}))
"""


_AGES = ("snapshot_age", "snapshot_timer_age")


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
    snapshot_timer_age: int | None = None
    """Seconds since it was told to take them; None where none are taken by the clock."""
    silent: dict[str, str] = field(default_factory=dict)
    """Of what runs and does not answer as it should: why; "DNS" is one of them."""
    flushed: list[str] = field(default_factory=list)
    """The units that run, and whose table of nftables is not in the kernel."""
    clock_offset: float = 0.0
    """Seconds that its clock is ahead of the controller's."""

    def runs(self, unit: str) -> bool:
        """Whether a unit runs here."""
        return any(each.name == unit and each.runs for each in self.units)


_HEALTH = {"kubelet": 10248, "kube-proxy": 10256, "kprov-node": 10254}
_TABLES = {"kube-proxy": "ip kube-proxy", "kprov-node": "ip kprov-network"}


def _questions(host: Host) -> str:
    name = f"kubernetes.default.svc.{host.variables['dns_domain']}"
    asked = {"units": units_of(host), "health": _HEALTH, "tables": _TABLES, "dns": [host.node_address, name]}
    return json.dumps(asked)


def look_at_machines(engine: Engine, hosts: Sequence[Host]) -> list[MachineState]:
    """Ask every machine that is connected, all at once."""
    alive = engine.alive(hosts)
    answers = engine.module_all(
        {
            host.name: (
                "command",
                {"argv": ["python3", "-I", "-c", _SCRIPT, _questions(host)], "_check": False, "_quiet": True},
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
    state.silent, state.flushed = dict(said["silent"]), list(said["flushed"])  # type: ignore[call-overload]
    ages = [int(age) if isinstance(age, (int, float)) else None for age in map(said.get, _AGES)]
    state.snapshot_age, state.snapshot_timer_age = ages
