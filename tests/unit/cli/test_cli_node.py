"""The key of a machine that takes a lost one's place is the one that its connection is held against."""

from __future__ import annotations

from pathlib import Path

import pytest

from kprov.cli.node_runs import MachineError, _with_host_key, join
from kprov.provision.inventory import load
from kprov.provision.transport.target import target_of

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI" + "A" * 43


def test_the_new_machines_key_takes_the_place_of_the_known_one(inventory_file: Path) -> None:
    loaded = load(inventory_file)
    changed = _with_host_key(loaded, "cp1", f"{KEY} root@cp1")
    assert changed.hosts["cp1"].host_key == KEY
    assert target_of(changed.hosts["cp1"], 1.0).pinned_key == KEY
    assert target_of(loaded.hosts["cp1"], 1.0).pinned_key is None


@pytest.mark.parametrize("key", ["", "nonsense", "ssh-ed25519 AAAA", f"cp1 {KEY}"])
def test_what_is_no_host_key_is_refused(inventory_file: Path, key: str) -> None:
    with pytest.raises(MachineError, match="--host-key"):
        _with_host_key(load(inventory_file), "cp1", key)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["add", "cp1,node1", "--host-key", KEY], "--host-key is one machine's"),
        (["add", "cp1", "--host-key", ""], "--host-key"),
        (["replace", "cp1", "--host-key", "nonsense"], "--host-key"),
    ],
)
def test_a_key_that_can_not_be_meant_is_refused_before_anything_is_contacted(
    inventory_file: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], said: str
) -> None:
    monkeypatch.setattr("kprov.provision.cluster.operation.is_complete", lambda folder: True)
    with pytest.raises(MachineError, match=said):
        join(
            words[0],
            inventory_file,
            words[1],
            None,
            None,
            only_answering=False,
            check=False,
            accept_new_host_keys=False,
            host_key=words[3],
        )
