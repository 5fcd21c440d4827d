"""Each plugin by a table: nodes, pods that are placed, the newcomer, and where it may go or why not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from scheduling_objects import affinity, node, node_affinity, pod, spread

from kprov.kube.api.selectors import from_label_selector
from kprov.kube.scheduler.cluster import Cluster
from kprov.kube.scheduler.configuration import Profile
from kprov.kube.scheduler.framework import Framework, Unschedulable
from kprov.kube.scheduler.pod_info import PodInfo
from kprov.kube.scheduler.profiles import framework_of

TAINT = {"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}
ZONE = "topology.kubernetes.io/zone"
Placed = Mapping[str, list[dict[str, Any]]]


def cluster_of(nodes: list[dict[str, Any]], placed: Placed | None = None) -> Cluster:
    cluster = Cluster()
    cluster.put_namespace("default", {"team": "a"})
    cluster.put_namespace("other", {"team": "b"})
    for each in nodes:
        cluster.put_node(each)
    for name, pods in (placed or {}).items():
        for each in pods:
            cluster.put_pod(PodInfo(each), name)
    return cluster


def outcome(cluster: Cluster, newcomer: dict[str, Any], framework: Framework | None = None) -> set[str] | str:
    """The names of the nodes that will do, or the message."""
    framework = framework or framework_of(Profile(), seed=1)
    cycle = framework.cycle(cluster, PodInfo(newcomer))
    try:
        framework.find_feasible(cycle)
    except Unschedulable as failure:
        return failure.message
    return {cluster.table.names[row] for row in cycle.alive.nonzero()[0]}


def best(cluster: Cluster, newcomer: dict[str, Any], framework: Framework | None = None) -> str:
    framework = framework or framework_of(Profile(), seed=1)
    cycle = framework.cycle(cluster, PodInfo(newcomer))
    framework.find_feasible(cycle)
    return cluster.table.names[framework.best(cycle)]


def zones() -> list[dict[str, Any]]:
    return [
        node("a1", labels={ZONE: "a"}),
        node("a2", labels={ZONE: "a"}),
        node("b1", labels={ZONE: "b"}),
        node("none"),
    ]


WEB = {"labels": {"app": "web"}}
DB = {"labels": {"app": "db"}}
PORT = [{"hostPort": 80, "containerPort": 80}]

FILTERS: dict[str, tuple[list[dict[str, Any]], Placed, dict[str, Any], set[str] | str]] = {
    "enough of everything": ([node("a")], {}, pod(cpu="4", memory="8Gi"), {"a"}),
    "too little cpu and memory": (
        [node("a", cpu="1"), node("b", memory="1Gi"), node("c", cpu="1", memory="1Gi")],
        {},
        pod(cpu="2", memory="2Gi"),
        "0/3 nodes are available: 2 Insufficient cpu, 2 Insufficient memory.",
    ),
    "what is placed counts": (
        [node("a", cpu="2")],
        {"a": [pod(cpu="1500m")]},
        pod(cpu="1"),
        "0/1 nodes are available: 1 Insufficient cpu.",
    ),
    "too many pods": ([node("a", pods="1")], {"a": [pod()]}, pod(), "0/1 nodes are available: 1 Too many pods."),
    "an extended resource": (
        [node("a"), node("b", resources={"x.io/gpu": "2"})],
        {},
        pod(resources={"x.io/gpu": "1"}),
        {"b"},
    ),
    "an extended resource that nobody has": (
        [node("a")],
        {},
        pod(resources={"x.io/gpu": "1"}),
        "0/1 nodes are available: 1 Insufficient x.io/gpu.",
    ),
    "taints and too little, in upstream's words": (
        [
            node("m1", taints=[TAINT]),
            node("m2", taints=[TAINT]),
            node("m3", taints=[TAINT]),
            node("a", "1"),
            node("b", "1"),
        ],
        {},
        pod(cpu="2"),
        "0/5 nodes are available: 2 Insufficient cpu, "
        "3 node(s) had untolerated taint {node-role.kubernetes.io/control-plane: }.",
    ),
    "a taint that is tolerated": (
        [node("m", taints=[TAINT])],
        {},
        pod(tolerations=[{"key": TAINT["key"], "operator": "Exists"}]),
        {"m"},
    ),
    "a cordoned node": (
        [node("a", unschedulable=True)],
        {},
        pod(),
        "0/1 nodes are available: 1 node(s) were unschedulable.",
    ),
    "a cordoned node that is tolerated": (
        [node("a", unschedulable=True)],
        {},
        pod(tolerations=[{"operator": "Exists"}]),
        {"a"},
    ),
    "a node by name": ([node("a"), node("b")], {}, pod(nodeName="b"), {"b"}),
    "a node selector": ([node("a", labels={"disk": "ssd"}), node("b")], {}, pod(nodeSelector={"disk": "ssd"}), {"a"}),
    "a node selector that no node meets": (
        [node("a"), node("b")],
        {},
        pod(nodeSelector={"disk": "ssd"}),
        "0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector.",
    ),
    "node affinity NotIn takes nodes without the label": (
        [node("a", labels={"disk": "ssd"}), node("b")],
        {},
        pod(**node_affinity({"key": "disk", "operator": "NotIn", "values": ["ssd"]})),
        {"b"},
    ),
    "node affinity Gt": (
        [node("a", labels={"gen": "3"}), node("b", labels={"gen": "10"}), node("c")],
        {},
        pod(**node_affinity({"key": "gen", "operator": "Gt", "values": ["3"]})),
        {"b"},
    ),
    "node affinity by name, as a DaemonSet's": (
        [node("a"), node("b")],
        {},
        pod(**node_affinity(fields=[{"key": "metadata.name", "operator": "In", "values": ["b"]}])),
        {"b"},
    ),
    "node affinity by name, full": (
        [node("a"), node("b", cpu="1")],
        {},
        pod(cpu="2", **node_affinity(fields=[{"key": "metadata.name", "operator": "In", "values": ["b"]}])),
        "0/2 nodes are available: 1 Insufficient cpu, 1 node(s) didn't satisfy plugin(s) [NodeAffinity].",
    ),
    "a host port in use": (
        [node("a"), node("b")],
        {"a": [pod(ports=PORT)], "b": [pod(ports=[{"hostPort": 80, "protocol": "UDP"}])]},
        pod(ports=PORT),
        {"b"},
    ),
    "a host port on another address": (
        [node("a")],
        {"a": [pod(ports=[{"hostPort": 80, "hostIP": "10.0.0.1"}])]},
        pod(ports=[{"hostPort": 80, "hostIP": "10.0.0.2"}]),
        {"a"},
    ),
    "pod affinity": (zones(), {"a1": [pod(**DB)]}, pod(**affinity("podAffinity", "db", ZONE)), {"a1", "a2"}),
    "pod affinity to nobody": (
        zones(),
        {},
        pod(**affinity("podAffinity", "db", ZONE)),
        "0/4 nodes are available: 4 node(s) didn't match pod affinity rules.",
    ),
    "pod affinity to oneself, the first": (
        zones(),
        {},
        pod(labels={"app": "db"}, **affinity("podAffinity", "db", ZONE)),
        {"a1", "a2", "b1"},
    ),
    "pod affinity looks in the pod's namespace": (
        zones(),
        {"a1": [pod(namespace="other", **DB)]},
        pod(**affinity("podAffinity", "db", ZONE)),
        "0/4 nodes are available: 4 node(s) didn't match pod affinity rules.",
    ),
    "pod affinity by a namespace selector": (
        zones(),
        {"a1": [pod(namespace="other", **DB)]},
        pod(**affinity("podAffinity", "db", ZONE, namespaceSelector={"matchLabels": {"team": "b"}})),
        {"a1", "a2"},
    ),
    "pod anti-affinity": (
        zones(),
        {"a1": [pod(**WEB)]},
        pod(**affinity("podAntiAffinity", "web", ZONE)),
        {"b1", "none"},
    ),
    "pod anti-affinity everywhere": (
        [node("a"), node("b")],
        {"a": [pod(**WEB)], "b": [pod(**WEB)]},
        pod(**affinity("podAntiAffinity", "web")),
        "0/2 nodes are available: 2 node(s) didn't match pod anti-affinity rules.",
    ),
    "a placed pod's anti-affinity": (
        [node("a")],
        {"a": [pod(**affinity("podAntiAffinity", "web"))]},
        pod(**WEB),
        "0/1 nodes are available: 1 node(s) didn't satisfy existing pods anti-affinity rules.",
    ),
    "spread over zones": (
        zones(),
        {"a1": [pod(**WEB)]},
        pod(labels={"app": "web"}, **spread("web", ZONE)),
        {"b1"},
    ),
    "spread does not count what is being deleted": (
        zones(),
        {"a1": [pod(labels={"app": "web"}, terminating=True)]},
        pod(labels={"app": "web"}, **spread("web", ZONE)),
        {"a1", "a2", "b1"},
    ),
    "spread counts only domains that the pod may use": (
        zones(),
        {"a1": [pod(**WEB)]},
        pod(labels={"app": "web"}, nodeSelector={ZONE: "a"}, **spread("web", ZONE)),
        {"a1", "a2"},
    ),
    "spread wants more domains than there are": (
        zones(),
        {"a1": [pod(**WEB)], "b1": [pod(**WEB)]},
        pod(labels={"app": "web"}, **spread("web", ZONE, minDomains=3)),
        "0/4 nodes are available: 1 node(s) didn't match pod topology spread constraints (missing required label), "
        "3 node(s) didn't match pod topology spread constraints.",
    ),
    "no nodes": ([], {}, pod(), "no nodes available to schedule pods"),
}


@pytest.mark.parametrize("case", FILTERS)
def test_filters(case: str) -> None:
    nodes, placed, newcomer, expected = FILTERS[case]
    assert outcome(cluster_of(nodes, placed), newcomer) == expected


SCORES: dict[str, tuple[list[dict[str, Any]], Placed, dict[str, Any], str]] = {
    "the emptier node": ([node("a"), node("b")], {"a": [pod(cpu="2")]}, pod(cpu="1"), "b"),
    "the node that stays balanced": (
        [node("a", cpu="10", memory="10Gi"), node("b", cpu="10", memory="10Gi")],
        {"a": [pod(cpu="3", memory="1Gi")], "b": [pod(cpu="1", memory="3Gi")]},
        pod(cpu="3", memory="1Gi"),
        "b",
    ),
    "the node without a soft taint": (
        [node("a", taints=[{"key": "k", "effect": "PreferNoSchedule"}]), node("b")],
        {"b": [pod(cpu="1")]},
        pod(cpu="1"),
        "b",
    ),
    "the node that is preferred": (
        [node("a"), node("b", labels={"disk": "ssd"})],
        {"b": [pod(cpu="1")]},
        pod(
            affinity={
                "nodeAffinity": {
                    "preferredDuringSchedulingIgnoredDuringExecution": [
                        {
                            "weight": 10,
                            "preference": {"matchExpressions": [{"key": "disk", "operator": "Exists"}]},
                        }
                    ]
                }
            }
        ),
        "b",
    ),
    "near to what is preferred": (
        [node("a"), node("b")],
        {"b": [pod(cpu="1", **DB)]},
        pod(**affinity("podAffinity", "db", weight=100)),
        "b",
    ),
    "away from what is shunned": (
        [node("a"), node("b")],
        {"a": [pod(**WEB)], "b": [pod(cpu="1")]},
        pod(**affinity("podAntiAffinity", "web", weight=100)),
        "b",
    ),
    "where a placed pod prefers us": (
        [node("a"), node("b")],
        {"b": [pod(cpu="1", **affinity("podAffinity", "web", weight=100))]},
        pod(**WEB),
        "b",
    ),
    "spread softly": (
        [node("a"), node("b")],
        {"a": [pod(**WEB)], "b": [pod(cpu="500m")]},
        pod(labels={"app": "web"}, **spread("web", "kubernetes.io/hostname", hard=False)),
        "b",
    ),
    "where the image is": (
        [node("a"), node("b", images=[{"names": ["img:latest"], "sizeBytes": 2_000_000_000}])],
        {},
        pod(),
        "b",
    ),
}


@pytest.mark.parametrize("case", SCORES)
def test_scores(case: str) -> None:
    nodes, placed, newcomer, expected = SCORES[case]
    cluster = cluster_of(nodes, placed)
    assert {best(cluster, newcomer) for _ in range(5)} == {expected}


def test_pods_of_a_kind_are_spread_without_being_told() -> None:
    cluster = cluster_of([node("a"), node("b"), node("c")], {"a": [pod(**WEB)], "b": [pod(**WEB)]})
    selector = from_label_selector({"matchLabels": {"app": "web"}})
    framework = framework_of(Profile(), default_selector=lambda newcomer: selector, seed=1)
    assert best(cluster, pod(**WEB), framework) == "c"


def test_a_profile_may_prefer_fuller_nodes() -> None:
    cluster = cluster_of([node("a"), node("b")], {"a": [pod(cpu="1", memory="2Gi")]})
    framework = framework_of(Profile(most_allocated=True), seed=1)
    assert best(cluster, pod(cpu="1", memory="2Gi"), framework) == "a"


def claim(phase: str, volume: str = "", storage_class: str = "") -> dict[str, Any]:
    spec = {"volumeName": volume, "storageClassName": storage_class}
    return {"metadata": {"name": "data"}, "spec": spec, "status": {"phase": phase}}


CLAIMED = {"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}]}


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (None, '0/2 nodes are available: persistentvolumeclaim "data" not found.'),
        (claim("Pending"), "0/2 nodes are available: pod has unbound immediate PersistentVolumeClaims."),
        (
            claim("Pending", storage_class="late"),
            "0/2 nodes are available: 2 node(s) didn't find available persistent volumes to bind.",
        ),
        (claim("Bound", "pv"), {"a"}),
    ],
)
def test_volumes(found: dict[str, Any] | None, expected: set[str] | str) -> None:
    required = {"nodeSelectorTerms": [{"matchExpressions": [{"key": "disk", "operator": "Exists"}]}]}
    framework = framework_of(
        Profile(),
        claim=lambda key: found,
        volume=lambda name: {"spec": {"nodeAffinity": {"required": required}}},
        storage_class=lambda name: {"volumeBindingMode": "WaitForFirstConsumer"} if name == "late" else None,
    )
    cluster = cluster_of([node("a", labels={"disk": "x"}), node("b")])
    assert outcome(cluster, pod(**CLAIMED), framework) == expected


def test_a_node_that_changes_is_seen() -> None:
    cluster = cluster_of([node("a", taints=[TAINT])])
    framework = framework_of(Profile())
    assert isinstance(outcome(cluster, pod(), framework), str)
    cluster.put_node(node("a", labels={"disk": "ssd"}))
    assert outcome(cluster, pod(nodeSelector={"disk": "ssd"}), framework) == {"a"}
    cluster.remove_node("a")
    assert outcome(cluster, pod(), framework) == "no nodes available to schedule pods"


def test_pods_of_a_node_that_comes_back_still_count() -> None:
    cluster = cluster_of([node("a", cpu="2"), node("b", cpu="2")], {"a": [pod(cpu="2")]})
    cluster.remove_node("a")
    assert outcome(cluster, pod(cpu="1")) == {"b"}
    cluster.put_node(node("c", cpu="2"))  # takes the free row
    cluster.put_node(node("a", cpu="2"))
    assert outcome(cluster, pod(cpu="1")) == {"b", "c"}
