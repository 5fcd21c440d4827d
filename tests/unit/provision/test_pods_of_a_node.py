"""Which pods a drain moves, leaves, or refuses to lose: kubectl's rules."""

from __future__ import annotations

from typing import Any

import pytest

from kprov.provision.kubeapi.client import ClusterApiError
from kprov.provision.kubeapi.pods import Fate, Guards, evict, judge

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


@pytest.mark.parametrize(
    ("code", "said", "waits"),
    [
        (429, "Cannot evict pod as it would violate the pod's disruption budget.", True),
        (500, "This pod has more than one PodDisruptionBudget", True),
        (
            403,
            'pods "a" is forbidden: unable to create new content in namespace x because it is being terminated',
            True,
        ),
        (404, 'pods "a" not found', False),
        (409, "the UID in the precondition does not match", False),
    ],
)
def test_what_keeps_an_eviction_waiting(code: int, said: str, waits: bool) -> None:
    assert bool(evict(_Answers(ClusterApiError(f"POST x: {said}", code)), _pod(OWNED, [], "Running", False))) is waits  # type: ignore[arg-type]


def test_an_eviction_that_nobody_may_ask_for_is_an_error() -> None:
    with pytest.raises(ClusterApiError):
        evict(_Answers(ClusterApiError("POST x: no", 403)), _pod(OWNED, [], "Running", False))  # type: ignore[arg-type]


class _Answers:
    """An API with one answer."""

    def __init__(self, error: ClusterApiError) -> None:
        self._error = error

    def request(self, *words: object, **more: object) -> object:
        raise self._error
