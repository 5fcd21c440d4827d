"""Which pods a drain moves, leaves, or refuses to lose: kubectl's rules."""

from __future__ import annotations

from typing import Any

import pytest

from kprov.provision.kubeapi.pods import Fate, Guards, judge

OWNED = [{"kind": "ReplicaSet", "name": "web", "controller": True}]
DAEMON = [{"kind": "DaemonSet", "name": "agent", "controller": True}]
NOT_CONTROLLING = [{"kind": "DaemonSet", "name": "agent"}]
EMPTY_DIR = [{"name": "scratch", "emptyDir": {}}]


def _pod(owners: list[dict[str, Any]], volumes: list[dict[str, Any]], phase: str, mirror: bool) -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": "p", "namespace": "default", "uid": "u", "ownerReferences": owners}
    if mirror:
        metadata["annotations"] = {"kubernetes.io/config.mirror": "x"}
    return {"metadata": metadata, "spec": {"volumes": volumes}, "status": {"phase": phase}}


@pytest.mark.parametrize(
    ("owners", "volumes", "phase", "mirror", "guards", "fate", "why"),
    [
        (OWNED, [], "Running", False, Guards(), Fate.GOES, ""),
        (DAEMON, EMPTY_DIR, "Running", False, Guards(), Fate.STAYS, "DaemonSet agent"),
        (DAEMON, [], "Running", False, Guards(force=True), Fate.STAYS, "DaemonSet agent"),
        ([], [], "Running", True, Guards(force=True), Fate.STAYS, "static"),
        ([], [], "Running", False, Guards(), Fate.REFUSED, "--force"),
        (NOT_CONTROLLING, [], "Running", False, Guards(), Fate.REFUSED, "--force"),
        ([], [], "Running", False, Guards(force=True), Fate.GOES, ""),
        ([], EMPTY_DIR, "Running", False, Guards(force=True), Fate.REFUSED, "--delete-emptydir-data"),
        (OWNED, EMPTY_DIR, "Running", False, Guards(), Fate.REFUSED, "--delete-emptydir-data"),
        (OWNED, EMPTY_DIR, "Running", False, Guards(delete_emptydir_data=True), Fate.GOES, ""),
        ([], EMPTY_DIR, "Succeeded", False, Guards(), Fate.GOES, ""),
        ([], [], "Failed", False, Guards(), Fate.GOES, ""),
    ],
)
def test_the_fate_of_a_pod(
    owners: list[dict[str, Any]],
    volumes: list[dict[str, Any]],
    phase: str,
    mirror: bool,
    guards: Guards,
    fate: Fate,
    why: str,
) -> None:
    judged = judge(_pod(owners, volumes, phase, mirror), guards)
    assert judged.fate is fate and why in judged.why
