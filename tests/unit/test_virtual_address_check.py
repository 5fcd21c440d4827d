"""What keepalived's check says, however the API servers stand: 0 keeps the virtual address, 1 lets go of it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from jinja2 import Environment, FileSystemLoader, StrictUndefined

TEMPLATES = Path(__file__).resolve().parents[2] / "templates"
ADDRESSES = {"cp1": "192.0.2.11", "cp2": "192.0.2.12", "cp3": "192.0.2.13"}

# The programs that the script calls, on a machine whose neighbours are files: one an address, with how it stands.
PROGRAMS = {
    "timeout": 'shift\nexec "$@"',
    "setpriv": """
while [ "$1" != -connect ]; do shift; done
echo "$2" >> asked
case $(cat "${2%:*}") in
ready) printf 'HTTP/1.0 200 OK\\r\\n\\r\\nok' ;;
sick) printf 'HTTP/1.0 500 Internal Server Error\\r\\n\\r\\n[-]etcd failed' ;;
busy) exit 124 ;;
*) exit 1 ;;
esac""",
    "bash": """
address=${2#*/dev/tcp/}
[ "${address#*/}" = 10250 ] || exit 2
case $(cat "${address%/*}") in
away) exit 1 ;;
esac""",
}


def check(folder: Path, own: str, *others: str) -> tuple[int, list[str]]:
    """The script's verdict on cp1, and whom it asked: each API server is ready, sick, busy, stopped or away."""
    names = list(ADDRESSES)[: 1 + len(others)]
    variables: dict[str, Any] = {
        "api_server_port": 6443,
        "api_virtual_address": "192.0.2.9",
        "inventory_hostname": "cp1",
        "groups": {"control_plane": names},
        "hostvars": {name: {"node_address": ADDRESSES[name]} for name in names},
    }
    environment = Environment(loader=FileSystemLoader(TEMPLATES), undefined=StrictUndefined, trim_blocks=True)
    (folder / "check").write_text(environment.get_template("keepalived/check-kube-apiserver.sh.j2").render(variables))
    programs = folder / "programs"
    programs.mkdir()
    for name, script in PROGRAMS.items():
        (programs / name).write_text(f"#!/bin/sh\n{script}\n")
        (programs / name).chmod(0o755)
    for address, how in zip(["127.0.0.1", *list(ADDRESSES.values())[1:]], [own, *others], strict=False):
        (folder / address).write_text(how)
    path = {"PATH": f"{programs}:{os.environ['PATH']}"}
    done = subprocess.run(["/bin/sh", "check"], cwd=folder, env=path, timeout=30, check=False)
    asked = folder / "asked"
    return done.returncode, sorted(asked.read_text().split()) if asked.exists() else []


@pytest.mark.parametrize(
    ("states", "verdict"),
    [
        (("ready", "ready", "ready"), 0),
        (("ready", "away", "away"), 0),
        (("stopped", "ready", "ready"), 1),
        (("stopped", "away", "ready"), 1),
        (("sick", "ready", "away"), 1),
        (("busy", "busy", "ready"), 1),
        (("busy", "busy", "busy"), 0),  # nobody answers in time: the address stays where it is
        (("sick", "sick", "sick"), 0),  # etcd elects, or has no quorum
        (("busy", "away", "sick"), 0),
        (("sick", "away", "away"), 1),  # cut off from all others
        (("busy", "stopped", "away"), 0),
        (("stopped", "stopped", "stopped"), 0),
        (("stopped",), 0),  # there is no other machine
        (("busy",), 0),
    ],
)
def test_the_address_goes_only_where_it_is_of_use(tmp_path: Path, states: tuple[str, ...], verdict: int) -> None:
    assert check(tmp_path, *states)[0] == verdict


def test_a_machine_that_is_ready_asks_nobody_else(tmp_path: Path) -> None:
    assert check(tmp_path, "ready", "ready", "ready") == (0, ["127.0.0.1:6443"])
