"""How many pods a second does the scheduler place on 5,000 nodes? In process, without the API server.

Run: python benchmarks/scheduler.py --nodes 5000 --pods 2000
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable, Sequence
from typing import Any

from kprov.kube.scheduler.cluster import Cluster
from kprov.kube.scheduler.configuration import Profile
from kprov.kube.scheduler.framework import Unschedulable
from kprov.kube.scheduler.pod_info import PodInfo
from kprov.kube.scheduler.profiles import framework_of

ZONE, HOST = "topology.kubernetes.io/zone", "kubernetes.io/hostname"
WEB = {"matchLabels": {"app": "web"}}


def node(number: int) -> dict[str, Any]:
    """A node as in upstream's benchmark: 4 cpu, 32 GiB, room for 110 pods, in one of three zones."""
    name = f"node-{number}"
    return {
        "metadata": {"name": name, "labels": {HOST: name, ZONE: f"z{number % 3}"}},
        "spec": {},
        "status": {"allocatable": {"cpu": "4", "memory": "32Gi", "pods": "110"}},
    }


def pod(number: int, **spec: Any) -> dict[str, Any]:
    """A pod that asks for 100m and 500Mi."""
    container = {"name": "c", "image": "i", "resources": {"requests": {"cpu": "100m", "memory": "500Mi"}}}
    metadata = {"name": f"p{number}", "namespace": "default", "uid": f"u{number}", "labels": {"app": "web"}}
    return {"metadata": metadata, "spec": {"containers": [container], **spec}}


def _pods(kind: str, key: str, preferred: bool = False) -> dict[str, Any]:
    term = {"labelSelector": WEB, "topologyKey": key}
    if preferred:
        weighted = [{"weight": 1, "podAffinityTerm": term}]
        return {"affinity": {kind: {"preferredDuringSchedulingIgnoredDuringExecution": weighted}}}
    return {"affinity": {kind: {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}}


def _spread(when: str) -> dict[str, Any]:
    constraint = {"maxSkew": 5, "topologyKey": ZONE, "whenUnsatisfiable": when, "labelSelector": WEB}
    return {"topologySpreadConstraints": [constraint]}


CASES: dict[str, dict[str, Any]] = {
    "basic": {},
    "node selector": {"nodeSelector": {ZONE: "z1"}},
    "required pod anti-affinity (host)": _pods("podAntiAffinity", HOST),
    "preferred pod anti-affinity (host)": _pods("podAntiAffinity", HOST, preferred=True),
    "required pod affinity (zone)": _pods("podAffinity", ZONE),
    "preferred pod affinity (host)": _pods("podAffinity", HOST, preferred=True),
    "topology spreading, hard": _spread("DoNotSchedule"),
    "topology spreading, soft": _spread("ScheduleAnyway"),
}


def measure(nodes: int, pods: int, make: Callable[[int], dict[str, Any]]) -> tuple[float, int]:
    """Pods placed a second, and how many were placed."""
    cluster, framework = Cluster(), framework_of(Profile(), seed=0)
    for number in range(nodes):
        cluster.put_node(node(number))
    waiting = [make(number) for number in range(pods)]
    placed = 0
    began = time.perf_counter()
    for raw in waiting:
        info = PodInfo(raw)
        cycle = framework.cycle(cluster, info)
        try:
            framework.find_feasible(cycle)
        except Unschedulable:
            continue
        cluster.assume(info, cluster.table.names[framework.best(cycle)])
        placed += 1
    return pods / (time.perf_counter() - began), placed


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, default=5000, help="of the cluster (default %(default)s)")
    parser.add_argument("--pods", type=int, default=2000, help="that wait (default %(default)s)")
    return parser.parse_args(given)


def main() -> None:
    """Measure every case and print a table."""
    options = arguments()
    print(f"{options.nodes} nodes, {options.pods} pods")
    for name, spec in CASES.items():
        speed, placed = measure(options.nodes, options.pods, lambda number, spec=spec: pod(number, **spec))  # type: ignore[misc]
        print(f"{name:38} {speed:9.0f} pods/s   {placed} placed")
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")


if __name__ == "__main__":
    main()
