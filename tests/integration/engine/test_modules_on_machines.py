"""Modules that work with the machine's own programs, on machines of two Debian releases: asked, done, done already."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lab_machines import LabMachines

from kprov.provision.engine import Engine
from kprov.provision.inventory import load

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHHcmJI8KmGHMOLLqBIcEWjg8VxAfVQ7MRsdK6sUhUIn"
UNIT_PATH = "/etc/systemd/system/kptest.service"
UNIT = "[Service]\nExecStart=/bin/sleep 3600\n[Install]\nWantedBy=multi-user.target\n"

# What is asked for, and a command that succeeds when it is so.
WORK: list[tuple[str, dict[str, Any], str]] = [
    ("group", {"name": "kptest", "gid": 4343}, "getent group kptest | grep -q :4343:"),
    (
        "user",
        {"name": "kptest", "group": "kptest", "groups": "adm", "shell": "/bin/sh", "comment": "A test"},
        "id -Gn kptest | grep -qw adm && test -d /home/kptest",
    ),
    ("user", {"name": "kptest", "password_lock": True, "password_expire_max": 90}, "chage -l kptest | grep -q 90"),
    ("authorized_key", {"user": "kptest", "key": KEY + " me"}, "grep -q me /home/kptest/.ssh/authorized_keys"),
    ("known_hosts", {"name": "kptest", "key": "kptest " + KEY}, "grep -q ^kptest /root/.ssh/known_hosts"),
    ("copy", {"dest": UNIT_PATH, "content": UNIT}, f"test -e {UNIT_PATH}"),
    (
        "systemd",
        {"name": "kptest", "state": "started", "enabled": True, "daemon_reload": True},
        "systemctl is-active -q kptest && systemctl is-enabled -q kptest",
    ),
    ("service", {"name": "kptest", "state": "stopped", "enabled": False}, "! systemctl is-active -q kptest"),
    (
        "mount",
        {"path": "/mnt/kptest", "src": "tmpfs", "fstype": "tmpfs", "opts": "size=1m", "state": "mounted"},
        "mountpoint -q /mnt/kptest && grep -q kptest /etc/fstab",
    ),
    ("mount", {"path": "/mnt/kptest", "state": "absent"}, "! test -e /mnt/kptest && ! grep -q kptest /etc/fstab"),
    ("dpkg_selections", {"name": "bash", "selection": "hold"}, "dpkg --get-selections bash | grep -q hold"),
    ("dpkg_selections", {"name": "bash", "selection": "install"}, "dpkg --get-selections bash | grep -q install"),
    (
        "cron",
        {"name": "kptest", "job": "true", "cron_file": "/etc/kptest.cron", "user": "root", "hour": "3"},
        "grep -q '^. 3 . . . root true' /etc/kptest.cron",
    ),
    ("sysctl", {"name": "net.ipv4.ip_default_ttl", "value": "65", "sysctl_file": "/etc/sysctl.d/kptest.conf"},
     "sysctl -n net.ipv4.ip_default_ttl | grep -q 65"),
    ("alternatives",
     {"name": "kptest", "path": "/bin/true", "link": "/usr/bin/kptest", "priority": 5, "state": "present"},
     "readlink -f /usr/bin/kptest | grep -q true"),
    ("alternatives", {"name": "kptest", "path": "/bin/true", "state": "absent"}, "! test -e /usr/bin/kptest"),
    ("apt", {"deb": "/tmp/kptest.deb"}, "dpkg-query -W kptest"),
    ("apt", {"name": "kptest", "state": "absent", "purge": True}, "! dpkg-query -W kptest"),
    ("user", {"name": "kptest", "state": "absent", "remove": True}, "! id kptest && ! test -e /home/kptest"),
]  # fmt: skip

TIDY = """
systemctl disable -q --now kptest; rm -f /etc/systemd/system/kptest.service /etc/kptest.cron /etc/sysctl.d/kptest.conf
userdel -r kptest; groupdel kptest; sysctl -qw net.ipv4.ip_default_ttl=64; rm -f /tmp/kptest.deb; umount /mnt/kptest
sed -i /kptest/d /etc/fstab /root/.ssh/known_hosts; rmdir /mnt/kptest; systemctl daemon-reload
"""


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A Debian package with nothing in it."""
    folder = tmp_path / "package"
    (folder / "DEBIAN").mkdir(parents=True)
    (folder / "DEBIAN/control").write_text(
        "Package: kptest\nVersion: 1\nArchitecture: all\nMaintainer: kprov <root@localhost>\nDescription: a test\n"
    )
    folder.chmod(0o755)
    (folder / "DEBIAN").chmod(0o755)
    path = tmp_path / "kptest.deb"
    subprocess.run(["dpkg-deb", "--root-owner-group", "-b", folder, path], check=True, capture_output=True)
    return path


@pytest.fixture
def engine(lab: LabMachines, tmp_path: Path) -> Iterator[Engine]:
    inventory = load(lab.inventory, cluster=False)
    names = [machine.name for machine in lab.layout.machines]
    chosen = sorted({names[0], names[-1]})
    with Engine(inventory, state_directory=tmp_path / "state", lock_path="/run/kptest.lock", diff=True) as made:
        assert all(state.state == "connected" for state in made.connect(chosen).values())
        yield made
        for name in chosen:
            made.shell(name, TIDY)


def test_each_module_compares_changes_once_and_is_content(engine: Engine, package: Path) -> None:
    hosts = [host.name for host in engine.alive()]
    before = {name: {"dest": "/tmp/kptest.deb", "src": str(package)} for name in hosts}
    assert all(result.changed for result in engine.module_all({n: ("copy", a) for n, a in before.items()}).values())
    for module, arguments, proof in WORK:
        # A question, the change, the same again; each with a look at the machine.
        calls = [
            (module, {**arguments, "_check": True}),
            ("shell", {"cmd": proof, "_check": False, "_quiet": True}),
            (module, arguments),
            ("shell", {"cmd": proof, "_check": False, "_quiet": True}),
            (module, arguments),
        ]
        for name, results in engine.module_all(dict.fromkeys(hosts, calls)).items():
            asked, unproven, done, proven, again = results
            what = f"{name}: {module} {arguments}"
            assert not done.failed, f"{what}: {done.message}"
            assert asked.changed and done.changed, what
            assert unproven["rc"] != 0, f"{what}: check mode changed something"
            assert proven["rc"] == 0, f"{what}: it is not so: {proven.data}"
            assert not again.failed and not again.changed, f"{what}: {again.data}"
            assert asked.diff == done.diff, what
            assert done.diff.startswith("--- "), what


def test_units_in_a_row_are_enabled_with_one_reload(engine: Engine) -> None:
    rows = [["kptest", "kptest1", "kptest2"], ["kptest3", "kptest4"]]
    names = rows[0] + rows[1]
    # The first answers when all are there; a reload that was asked for before does not count.
    calls: list[tuple[str, dict[str, Any]]] = [
        ("copy", {"dest": f"/etc/systemd/system/{name}.service", "content": UNIT}) for name in names
    ]
    calls += [("systemd", {"daemon_reload": True}), ("command", {"cmd": "date +%s.%N"})]
    # One reload at the end of the first row; in the second row the one that is asked for serves all.
    for asked, row in zip([False, True], rows, strict=True):
        calls += [
            ("systemd", {"name": name, "state": "started", "enabled": True, "daemon_reload": asked and name == row[0]})
            for name in row
        ]
        calls += [
            ("shell", {"cmd": f"systemctl show {name} -p UnitFileState,WantedBy,ActiveState --value"}) for name in row
        ]
    hosts = [host.name for host in engine.alive()]
    try:
        for name, results in engine.module_all(dict.fromkeys(hosts, calls)).items():
            assert not any(result.failed for result in results), name
            assert all(result.changed for result in results[-4:-2]), name
            known = [result["stdout"].split() for result in [*results[-7:-4], *results[-2:]]]
            assert known == [["multi-user.target", "active", "enabled"]] * 5, name
            since = results[len(names) + 1]["stdout"]
            journal = engine.shell(name, f"journalctl -q -o cat _PID=1 --since @{since}").stdout.splitlines()
            assert sum(line.rstrip(".") == "Reloading" for line in journal) == 2, f"{name}: {journal}"
    finally:
        for name in hosts:
            engine.shell(
                name,
                "systemctl disable -q --now kptest1 kptest2 kptest3 kptest4; "
                "rm -f /etc/systemd/system/kptest[1234].service",
            )
