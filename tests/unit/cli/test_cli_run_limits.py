"""The options that limit and pace a run: what they list, and what they refuse before any machine is contacted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

INVENTORY = """
all:
  hosts:
    cp1: {ansible_host: 192.0.2.11}
    w1: {ansible_host: 192.0.2.21}
    w2: {ansible_host: 192.0.2.22}
  children:
    etcd: {hosts: {cp1: }}
    control_plane: {hosts: {cp1: }}
    node: {hosts: {cp1: , w1: , w2: }}
"""


@pytest.fixture
def inventory(tmp_path: Path) -> str:
    path = tmp_path / "inventory.yaml"
    path.write_text(INVENTORY)
    return str(path)


def listed(kprov: Any, inventory: str, *options: str) -> list[dict[str, Any]]:
    done = kprov("up", "-i", inventory, "--list-phases", "--output", "json", *options)
    assert done.code == 0, done
    return [json.loads(line) for line in done.out.splitlines() if '"phase"' in line]


def test_phases_and_their_machines(kprov: Any, inventory: str) -> None:
    rows = {row["phase"]: row for row in listed(kprov, inventory, "--limit", "w1:cp1", "--serial", "1,50%")}
    assert rows["Prepare the machines"]["hosts"] == ["cp1", "w1"]
    assert rows["Prepare the machines"]["serial"] == [1, "50%"]
    assert rows["Form the etcd cluster"]["hosts"] == ["cp1"]
    assert rows["Form the etcd cluster"]["serial"] is None
    assert rows["Start the kubelets"]["tags"] == ["kubelet"]
    assert any(task["name"] == "Unit" for task in rows["Start the kubelets"]["tasks"])


def test_a_limited_run_has_no_phases_of_others(kprov: Any, inventory: str) -> None:
    titles = [row["phase"] for row in listed(kprov, inventory, "--limit", "w1", "--start-at-phase", "import")]
    assert titles[0] == "Import images"
    assert "Start the API servers" not in titles


def test_lists_for_people(kprov: Any, inventory: str) -> None:
    done = kprov("plan", "-i", inventory, "--tags", "kubelet", "--list-hosts", "--list-tags", "--list-tasks")
    assert done.code == 0
    assert "Make a token to join with\n    hosts: cp1, w1, w2\n    tags: token\nStart the kubelets\n" in done.out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--limit", "nodes"], "no host or group is named nodes: did you mean node?"),
        (["--limit", "w1:!w1"], "no machine is left"),
        (["--limit", "@/nowhere"], "can't be read"),
        (["--serial", "some"], "--serial some: 'some' is neither a number"),
        (["--serial", "0"], "would never end"),
        (["--max-fail", "few"], "--max-fail few"),
        (["--timeout", "tsak=3s"], "did you mean task?"),
        (["--timeout", "task=0"], "is no duration"),
        (["--step"], "no terminal here"),
        (["--start-at-phase", "Lable the nodes", "--list-phases"], "did you mean Label the nodes?"),
        (["--tags", "nothing", "--list-phases"], "--list-tags"),
    ],
)
def test_what_is_refused(kprov: Any, inventory: str, options: list[str], message: str) -> None:
    done = kprov("up", "-i", inventory, *options)
    assert done.code == 2, done
    assert message in done.err
