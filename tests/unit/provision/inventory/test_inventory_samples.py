"""The inventories that come with kprov are right."""

from __future__ import annotations

from pathlib import Path

from kprov.provision.inventory import load
from kprov.provision.inventory.names import KNOWN

INVENTORIES = Path(__file__).resolve().parents[4] / "inventories"


def test_bare_metal() -> None:
    inventory = load(INVENTORIES / "bare-metal.yaml")
    assert [host.name for host in inventory.group("control_plane")] == ["cp1", "cp2", "cp3"]
    assert inventory.hosts["worker2"].node_address == "192.168.1.22"
    assert inventory.hosts["worker1"].variables["node_labels"] == {"topology.kubernetes.io/zone": "east"}


def test_the_reference_has_every_variable() -> None:
    text = (INVENTORIES.parent / "docs/reference/inventory.md").read_text()
    missing = [name for name in KNOWN if f"`{name}`" not in text]
    assert not missing
