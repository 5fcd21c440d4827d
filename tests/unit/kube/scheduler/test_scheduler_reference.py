"""Random clusters, decided by arrays and by a slow and obvious reference: they must agree on every node."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from scheduling_objects import node, pod

from kprov.kube.scheduler.cluster import Cluster
from kprov.kube.scheduler.configuration import Profile
from kprov.kube.scheduler.framework import Unschedulable
from kprov.kube.scheduler.pod_info import PodInfo
from kprov.kube.scheduler.profiles import framework_of

Object = dict[str, Any]
ZONE, HOST = "topology.kubernetes.io/zone", "kubernetes.io/hostname"


def random_node(rng: random.Random, name: str) -> Object:
    labels = {"disk": rng.choice(["ssd", "hdd"])} if rng.random() < 0.7 else {}
    if rng.random() < 0.9:
        labels[ZONE] = rng.choice("abc")
    effects = ["NoSchedule", "NoExecute", "PreferNoSchedule"]
    taints = [{"key": rng.choice("kl"), "value": rng.choice("vw"), "effect": rng.choice(effects)}]
    more = {"taints": taints} if rng.random() < 0.4 else {}
    return node(name, cpu=str(rng.choice([1, 2, 4])), memory=f"{rng.choice([1, 2])}Gi", pods="4", labels=labels, **more)


def random_pod(rng: random.Random) -> Object:
    more: Object = {"labels": {"app": rng.choice(["web", "db", "job"])}}
    if rng.random() < 0.4:
        operator = rng.choice(["Exists", "Equal"])
        more["tolerations"] = [{"key": rng.choice("kl"), "operator": operator}]
        if operator == "Equal":
            more["tolerations"][0]["value"] = rng.choice("vw")
        if rng.random() < 0.5:
            more["tolerations"][0]["effect"] = rng.choice(["NoSchedule", "NoExecute"])
    if rng.random() < 0.3:
        more["nodeSelector"] = {"disk": rng.choice(["ssd", "hdd"])}
    terms = {"podAffinity": rng.random() < 0.2, "podAntiAffinity": rng.random() < 0.3}
    more["affinity"] = {
        kind: {
            "requiredDuringSchedulingIgnoredDuringExecution": [
                {
                    "labelSelector": {"matchLabels": {"app": rng.choice(["web", "db"])}},
                    "topologyKey": rng.choice([ZONE, HOST]),
                }
            ]
        }
        for kind, wanted in terms.items()
        if wanted
    }
    if rng.random() < 0.3:
        more["topologySpreadConstraints"] = [
            {
                "maxSkew": rng.choice([1, 2]),
                "topologyKey": rng.choice([ZONE, HOST]),
                "whenUnsatisfiable": "DoNotSchedule",
                "labelSelector": {"matchLabels": {"app": more["labels"]["app"]}},
            }
        ]
    cpu = rng.choice(["", "100m", "500m", "1"])
    return pod(cpu=cpu, memory=rng.choice(["", "256Mi", "512Mi"]), **more)


def required(of: Object, kind: str) -> list[Object]:
    return of["spec"]["affinity"].get(kind, {}).get("requiredDuringSchedulingIgnoredDuringExecution", [])


def term_matches(term: Object, other: Object) -> bool:
    return other["metadata"]["labels"]["app"] == term["labelSelector"]["matchLabels"]["app"]


MILLI = {"": 0, "100m": 100, "500m": 500, "1": 1000}
MEBI = {"": 0, "256Mi": 256, "512Mi": 512}


def asked(of: Object) -> tuple[int, int]:
    requests = of["spec"]["containers"][0]["resources"]["requests"]
    return MILLI[requests.get("cpu", "")], MEBI[requests.get("memory", "")]


def fits(newcomer: Object, name: str, nodes: dict[str, Object], placed: dict[str, list[Object]]) -> bool:
    here = nodes[name]
    spec, labels = newcomer["spec"], here["metadata"]["labels"]
    return (
        _tolerates(spec, here)
        and all(labels.get(k) == v for k, v in spec.get("nodeSelector", {}).items())
        and _has_room(newcomer, here, placed.get(name, []))
        and _is_spread(newcomer, name, nodes, placed)
        and _affine(newcomer, name, nodes, placed)
    )


def _tolerates(spec: Object, here: Object) -> bool:
    for taint in here["spec"].get("taints", []):
        if taint["effect"] == "PreferNoSchedule":
            continue
        if not any(
            t["key"] == taint["key"]
            and t.get("effect", taint["effect"]) == taint["effect"]
            and (t["operator"] == "Exists" or t["value"] == taint["value"])
            for t in spec.get("tolerations", [])
        ):
            return False
    return True


def _has_room(newcomer: Object, here: Object, others: list[Object]) -> bool:
    given = here["status"]["allocatable"]
    cpu, memory = asked(newcomer)
    used_cpu, used_memory = sum(asked(o)[0] for o in others), sum(asked(o)[1] for o in others)
    return (
        len(others) < int(given["pods"])
        and (not cpu or used_cpu + cpu <= 1000 * int(given["cpu"]))
        and (not memory or used_memory + memory <= 1024 * int(given["memory"].removesuffix("Gi")))
    )


def _is_spread(newcomer: Object, name: str, nodes: dict[str, Object], placed: dict[str, list[Object]]) -> bool:
    spec = newcomer["spec"]
    for constraint in spec.get("topologySpreadConstraints", []):
        key = constraint["topologyKey"]
        mine = nodes[name]["metadata"]["labels"].get(key)
        if mine is None:
            return False
        counts: dict[str, int] = {}
        for other, each in nodes.items():
            labels = each["metadata"]["labels"]
            if key in labels and all(labels.get(k) == v for k, v in spec.get("nodeSelector", {}).items()):
                found = sum(term_matches(constraint, p) for p in placed.get(other, []))
                counts[labels[key]] = counts.get(labels[key], 0) + found
        if counts.get(mine, 0) + 1 - min(counts.values(), default=0) > constraint["maxSkew"]:
            return False
    return True


def _affine(newcomer: Object, name: str, nodes: dict[str, Object], placed: dict[str, list[Object]]) -> bool:
    labels = nodes[name]["metadata"]["labels"]

    def near(key: str) -> list[Object]:
        value = labels.get(key)
        where = [n for n, each in nodes.items() if value is not None and each["metadata"]["labels"].get(key) == value]
        return [p for n in where for p in placed.get(n, [])]

    every = [(n, p) for n, pods in placed.items() for p in pods]
    for term in required(newcomer, "podAffinity"):
        key = term["topologyKey"]
        anywhere = any(term_matches(term, p) and key in nodes[n]["metadata"]["labels"] for n, p in every)
        first = term_matches(term, newcomer) and not any(term_matches(term, p) for _, p in every)
        if first and key in labels and not anywhere:
            continue
        if not any(term_matches(term, p) for p in near(key)):
            return False
    for term in required(newcomer, "podAntiAffinity"):
        if any(term_matches(term, p) for p in near(term["topologyKey"])):
            return False
    return not any(
        term_matches(term, newcomer) and other in near(term["topologyKey"])
        for _, other in every
        for term in required(other, "podAntiAffinity")
    )


@pytest.mark.parametrize("seed", range(25))
def test_arrays_agree_with_the_reference(seed: int) -> None:
    rng = random.Random(seed)
    cluster, framework = Cluster(), framework_of(Profile(), seed=seed)
    nodes: dict[str, Object] = {}
    placed: dict[str, list[Object]] = {}
    for number in range(12):
        nodes[f"n{number}"] = random_node(rng, f"n{number}")
        cluster.put_node(nodes[f"n{number}"])
    for _ in range(60):
        newcomer = random_pod(rng)
        expected = {name for name in nodes if fits(newcomer, name, nodes, placed)}
        cycle = framework.cycle(cluster, PodInfo(newcomer))
        try:
            framework.find_feasible(cycle)
            found = {cluster.table.names[row] for row in np.flatnonzero(cycle.alive)}
        except Unschedulable:
            found = set()
        assert found == expected
        if found:
            name = cluster.table.names[framework.best(cycle)]
            assert name in found
            cluster.assume(PodInfo(newcomer), name)
            placed.setdefault(name, []).append(newcomer)
        if rng.random() < 0.3 and any(placed.values()):
            name = rng.choice([n for n, pods in placed.items() if pods])
            gone = placed[name].pop()
            cluster.remove_pod(gone["metadata"]["uid"])
        if rng.random() < 0.2:
            name = rng.choice(list(nodes))
            nodes[name] = random_node(rng, name)
            cluster.put_node(nodes[name])
