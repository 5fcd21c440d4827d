"""Machines that kprov cannot use: each is told why and what to do, and nothing on any machine is changed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from lab_machines import LabMachines
from wrong_hosts import CONNECTING, LOCKED, PREFLIGHT, Wrong

from kprov.lab import lifecycle
from kprov.lab.layout import lay_out
from kprov.lab.state import LabState
from kprov.provision.engine import Engine
from kprov.provision.engine.reporter import SilentReporter
from kprov.provision.inventory import load

MESSAGES = Path(__file__).resolve().parents[3] / "docs/reference/messages.md"
# Where kprov would change something; not what a machine's own timers and sudo write.
TREE = (
    "find /etc /opt /usr/local /root /var/lib /var/cache /run/kprov* -path /var/lib/systemd -prune -o "
    "-path /var/lib/sudo -prune -o -printf '%p %y %m %U:%G %s %T@ %l\\n' 2>/dev/null | sort"
)


@dataclass(frozen=True)
class Bench:
    """Two machines of the test's own, and a folder for its files."""

    machines: LabMachines
    folder: Path

    def fill(self, text: str) -> str:
        """A row's text with what is only known now."""
        if "{machine_id_of_cp1}" in text:
            text = text.replace("{machine_id_of_cp1}", self.machines.run("cp1", "cat /etc/machine-id").strip())
        return text.replace("{folder}", str(self.folder)).replace("{ecdsa_key}", _ecdsa_key())

    def here(self, command: str) -> None:
        """Run a shell line on the controller."""
        environment = {**os.environ, "HOME": str(self.folder)}
        subprocess.run(["sh", "-ec", self.fill(command)], check=True, env=environment)

    def inventory(self, variables: dict[str, Any], others: dict[str, Any] | None = None) -> Path:
        """The machines' inventory, with other variables for cp1 and w1."""
        data = yaml.safe_load(self.machines.inventory.read_text())
        data["all"]["vars"]["state_directory"] = str(self.folder / "state")
        if "KPROV_BUNDLE" in os.environ:
            data["all"]["vars"]["bundle_directory"] = os.environ["KPROV_BUNDLE"]
        for name, value in variables.items():
            data["all"]["hosts"]["cp1"][name] = self.fill(value) if isinstance(value, str) else value
            if value is None:
                del data["all"]["hosts"]["cp1"][name]
        hosts = data["all"]["hosts"]
        for name, value in (others or {}).items():
            hosts["w1"][name] = hosts["cp1"]["kprov_host_key"] if value == "{key_of_cp1}" else value
        path = self.folder / "inventory.yaml"
        path.write_text(yaml.safe_dump(data, sort_keys=False))
        return path

    def trees(self) -> dict[str, list[str]]:
        """What is on each machine."""
        names = [each.name for each in self.machines.layout.machines]
        with ThreadPoolExecutor(len(names)) as pool:
            found = pool.map(lambda name: self.machines.run(name, TREE).splitlines(), names)
            return dict(zip(names, found, strict=True))

    def kprov_up(self, inventory: Path) -> tuple[int, str]:
        """`kprov up`: its exit code, and what it said on standard error."""
        environment = {**os.environ, "HOME": str(self.folder), "USER": "ops"}
        for name in ("SSH_AUTH_SOCK", "SUDO_USER"):
            environment.pop(name, None)
        kprov = str(Path(sys.executable).with_name("kprov"))
        done = subprocess.run(
            [kprov, "up", "-i", str(inventory), "--no-verify"],
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            env=environment,
            timeout=600,
        )
        return done.returncode, done.stderr


def _ecdsa_key() -> str:
    key = ec.derive_private_key(7, ec.SECP256R1()).public_key()
    return key.public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH).decode()


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabMachines]:
    """A control-plane machine of Debian 12 and a worker of Debian 13, beside the lab that others use."""
    if os.geteuid() != 0:
        pytest.fail("the lab makes machines, so it needs root")
    state = LabState("wrong")
    lifecycle.down(state)  # of a run that was killed
    planned = lay_out(name="wrong", subnet="10.98.0.0/24", control_planes=1, workers=1)
    wanted = replace(planned, machines=(planned.machines[0], replace(planned.machines[1], release="13")))
    inventory = tmp_path_factory.mktemp("lab") / "inventory.yaml"
    try:
        lifecycle.up(state, wanted, inventory)
        yield LabMachines(state, wanted, inventory)
    finally:
        lifecycle.down(state)


@pytest.fixture
def bench(machines: LabMachines, tmp_path: Path) -> Bench:
    """The machines, whole, and a folder."""
    return Bench(machines, tmp_path)


def as_documented(text: str, folder: Path) -> str:
    """A message without what differs from run to run."""
    text = text.replace(str(folder), "FOLDER")
    text = re.sub(r"SHA256:\S+[A-Za-z0-9+/]", "SHA256:…", text)
    text = re.sub(r"(ssh-ed25519|ecdsa-sha2-nistp256) AAAA[A-Za-z0-9+/=]+", r"\1 AAAA…", text)
    text = re.sub(r"since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "since TIME", text)
    text = re.sub(r"\b\w+@[\w.-]+ \(kprov up, run [^)]*\)", "USER@CONTROLLER (kprov up, run RUN)", text)
    text = re.sub(r"key \S*/id_ed25519\b", "key FOLDER/id_ed25519", text)
    text = re.sub(r"Temporary failure in name resolution", "Name or service not known", text)  # no resolver at all
    text = re.sub(r"^w1(: is the same machine)", r"cp1\1", text)  # whichever of them came second
    return re.sub(r"(clock )(29\d|30\d)( s)", r"\g<1>300\3", text)


def the_message(said: str) -> str:
    """The line that names the machine."""
    lines = [line.strip() for line in said.splitlines() if re.match(r"\s*(cp1|w1): ", line)]
    assert lines, said
    return lines[-1]


def is_documented(row: Wrong, said: str, folder: Path) -> None:
    """The reference has this very message; KPROV_UPDATE_MESSAGES=1 writes it there."""
    line = f"| {row.what} | {as_documented(the_message(said), folder).replace('|', chr(92) + '|')} | {row.code} |"
    text = MESSAGES.read_text()
    if os.environ.get("KPROV_UPDATE_MESSAGES"):
        old = re.compile(rf"^\| {re.escape(row.what)} \|.*$", re.MULTILINE)
        assert old.search(text), f"{MESSAGES} has no row '| {row.what} | | |'"
        MESSAGES.write_text(text := old.sub(lambda _: line, text))
    assert line in text.splitlines(), f"{MESSAGES} lacks: {line}"


def refused(bench: Bench, row: Wrong) -> str:
    """Run kprov with the mistake in place. Returns what it said; fails when it changed anything."""
    try:
        if row.here:
            bench.here(row.here)
        if row.breaks:
            bench.machines.run(row.on, bench.fill(row.breaks))
        before = bench.trees()
        code, said = bench.kprov_up(bench.inventory(row.variables, row.others))
        after = bench.trees()
    finally:
        if row.mends:
            bench.machines.run(row.on, row.mends)
        if row.here_after:
            bench.here(row.here_after)
    assert bench.fill(row.message) in said, said
    assert code == row.code, said
    assert not (differs := {name: found for name in before if (found := set(after[name]) ^ set(before[name]))}), differs
    assert not (bench.folder / "state/pki").exists(), "keys were made for a cluster that cannot be"
    return said


@pytest.mark.parametrize("row", CONNECTING, ids=lambda row: row.what)
def test_a_machine_that_cannot_be_used_is_told_why(bench: Bench, row: Wrong) -> None:
    is_documented(row, refused(bench, row), bench.folder)


@pytest.mark.parametrize("row", PREFLIGHT, ids=lambda row: row.what)
def test_a_machine_that_is_not_fit_is_told_why(bench: Bench, row: Wrong) -> None:
    is_documented(row, refused(bench, row), bench.folder)


def test_everything_is_said_at_once(bench: Bench) -> None:
    """Two mistakes on one machine and one on the other: three lines in one run."""
    ports = next(row for row in PREFLIGHT if "6443" in row.message)
    room = next(row for row in PREFLIGHT if "for /opt" in row.message)
    other = next(row for row in PREFLIGHT if row.on == "w1" and "10250" in row.message)
    try:
        for row in (ports, room, other):
            bench.machines.run(row.on, row.breaks)
        code, said = bench.kprov_up(bench.inventory({}))
    finally:
        for row in (ports, room, other):
            bench.machines.run(row.on, row.mends)
    assert all(row.message in said for row in (ports, room, other)) and code == ports.code, said


def test_a_machine_that_another_run_works_on_is_left_alone(bench: Bench) -> None:
    row = Wrong("another run holds the machine", "cp1: locked by", LOCKED)
    inventory = load(bench.inventory({}))
    other = Engine(
        inventory, reporter=SilentReporter(), state_directory=bench.folder / "other", command_line="kprov up"
    )
    with other as engine:
        assert engine.connect(["cp1"])["cp1"].state == "connected"
        is_documented(row, refused(bench, row), bench.folder)
    assert bench.machines.run("cp1", "ls /run/kprov.lock 2>/dev/null", check=False) == "", "a lock outlived its run"
