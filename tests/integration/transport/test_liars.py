"""Hosts that lie: each is named with what it did and put aside, the others go on, and the controller stays small."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from liars import REASONS, write
from private_sshd import PrivateSSHD

HERE = Path(__file__).parent
HONEST = ("honest-1", "honest-2", "honest-3")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateSSHD]:
    with PrivateSSHD(tmp_path_factory.mktemp("sshd")) as running:
        yield running


def _inventory(folder: Path, variables: dict[str, Any]) -> Path:
    hosts: dict[str, dict[str, Any]] = {name: {} for name in HONEST}
    for name, script in write(folder).items():
        hosts[name.replace("_", "-")] = {"ansible_python_interpreter": str(script)}
    for number, name in enumerate(hosts):
        hosts[name].update(ansible_host=f"127.0.1.{number + 1}", node_address=f"10.97.7.{number + 1}")
    path = folder / "inventory.yaml"
    first = {"hosts": {HONEST[0]: None}}
    groups = {"control_plane": first, "etcd": first, "node": {"hosts": dict.fromkeys(hosts)}}
    tree = {"all": {"vars": variables, "hosts": hosts, "children": groups}}
    path.write_text(yaml.safe_dump(tree))
    return path


WAYS = ("local", "ssh")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, server: PrivateSSHD) -> dict[str, dict[str, Any]]:
    """A run with all liars and three honest hosts, each way in; both at once, since most of it is waiting."""
    way_in = {
        "ansible_port": server.port,
        "ansible_ssh_private_key_file": str(server.client_key),
        "kprov_host_key": server.host_key(),
    }
    started = {}
    for way in WAYS:
        folder = tmp_path_factory.mktemp(way)
        command = [sys.executable, str(HERE / "among_liars.py"), str(_inventory(folder, way_in)), str(folder), way]
        started[way] = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    told = {}
    try:
        for way, process in started.items():
            said, errors = process.communicate(timeout=300)
            assert process.returncode == 0 and "Traceback" not in errors, errors
            told[way] = json.loads(said)
    finally:
        for process in started.values():
            process.kill()
            process.wait()
    return told


@pytest.fixture(params=WAYS)
def told(request: pytest.FixtureRequest, runs: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """One way's run."""
    return runs[request.param]


@pytest.mark.parametrize("name", REASONS)
def test_a_liar_is_named_and_put_aside(told: dict[str, Any], name: str) -> None:
    state, reason = told["state"][name.replace("_", "-")]
    assert state == "unreachable" and re.search(REASONS[name], reason), reason
    assert "Error:" not in reason or "JSON" in reason


def test_the_others_go_on_and_the_controller_stays_small(told: dict[str, Any]) -> None:
    assert [told["state"][name] for name in HONEST] == [["connected", ""]] * 3
    assert told["answers"] == dict.fromkeys(HONEST, "done")
    assert told["outcome"] == "unreachable"
    assert told["rss_mb"] < 400, told["rss_mb"]
    assert told["seconds"] < 180, told["seconds"]
    print(f"{told['seconds']:.1f} s, {told['rss_mb']} MB")
