"""Resources that Kubernetes itself knows nothing of: others count them into the node's capacity."""

from __future__ import annotations

from typing import Any

import pytest

from kprov.kube.kubelet.node.status import changed, extended
from kprov.kube.kubelet.pods.admission import refusal


def _status(capacity: dict[str, str], allocatable: dict[str, str | None]) -> dict[str, Any]:
    return {"capacity": {"cpu": "2", **capacity}, "allocatable": {"cpu": "2", **allocatable}}


def _pod(amount: str) -> dict[str, Any]:
    wanted = {"example.com/dongle": amount}
    return {
        "metadata": {"name": "p", "namespace": "default"},
        "spec": {"containers": [{"name": "c", "resources": {"requests": wanted, "limits": wanted}}]},
    }


@pytest.mark.parametrize(
    ("capacity", "allocatable", "told"),
    [
        ({}, {}, {}),
        ({"example.com/dongle": "3"}, {}, {"example.com/dongle": "3"}),
        ({"example.com/dongle": "3"}, {"example.com/dongle": "5"}, {"example.com/dongle": "3"}),
        ({}, {"example.com/dongle": "3"}, {"example.com/dongle": None}),
        ({"scheduling.k8s.io/foo": "1k"}, {}, {"scheduling.k8s.io/foo": "1k"}),
    ],
)
def test_pods_may_use_what_is_in_the_capacity(
    capacity: dict[str, str], allocatable: dict[str, str | None], told: dict[str, str | None]
) -> None:
    old = _status(capacity, allocatable)
    assert extended(old) == told
    assert changed(old, _status({}, extended(old))) == (bool(told) and told != allocatable)


def test_what_is_kubernetes_own_is_the_kubelets_to_count() -> None:
    assert extended(_status({"kubernetes.io/batch-cpu": "3", "hugepages-1Gi": "0"}, {"memory": "1"})) == {}


def test_a_report_is_due_when_it_goes_and_not_while_it_stays() -> None:
    steady = _status({"example.com/dongle": "3"}, {"example.com/dongle": "3"})
    assert not changed(steady, _status({}, extended(steady)))
    gone = _status({}, {"example.com/dongle": "3"})
    assert changed(gone, _status({}, extended(gone)))
    cleared = _status({}, {})
    assert not changed(cleared, _status({}, extended(cleared)))


def test_the_node_says_how_much_there_is() -> None:
    room = {"cpu": 2000, "pods": 10}
    node = {"metadata": {}, "status": {"allocatable": {"example.com/dongle": "3"}}}
    assert refusal(_pod("2"), [], room, node) is None
    refused = refusal(_pod("2"), [_pod("2")], room, node)
    assert refused is not None
    assert refused[0] == "OutOfexample.com/dongle"
    assert refused[1].endswith("requested: 2, used: 2, capacity: 3")


def test_what_the_node_does_not_know_is_not_its_business() -> None:
    assert refusal(_pod("2"), [], {"cpu": 2000, "pods": 10}, None) is None
    assert refusal(_pod("2"), [], {"cpu": 2000, "pods": 10}, {"metadata": {}, "status": {}}) is None
