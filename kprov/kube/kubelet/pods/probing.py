"""Which containers of a pod are probed."""

from __future__ import annotations

from typing import Any

from kprov.kube.kubelet.pods.records import RUNNING, PodRecord
from kprov.kube.kubelet.probes.prober import Prober

Pod = dict[str, Any]


def probe_running(prober: Prober, pod: Pod, record: PodRecord, address: str, since: float) -> None:
    """Probe the containers that run, and no others.

    Args:
        prober: the pod's.
        pod: the pod, with its status as the API has it.
        record: what the runtime has of it.
        address: where its containers listen.
        since: when the kubelet was started, in seconds since 1970: what was ready before is not asked to become so
            again.
    """
    spec = pod["spec"]
    wanted = {each["name"]: each for key in ("initContainers", "containers") for each in spec.get(key) or []}
    running = [each for each in record.containers if each.state == RUNNING]
    old = {each["name"]: each for each in (pod.get("status") or {}).get("containerStatuses") or []}
    for each in running:
        if container := wanted.get(each.name):
            before, began = old.get(each.name, {}), each.started_at / 1e9
            survived = began < since and before.get("containerID", "").endswith(each.id)
            prober.watch(
                container,
                each.id,
                address,
                began,
                was_ready=survived and bool(before.get("ready")),
                was_started=survived and bool(before.get("started")),
            )
    prober.keep({each.id for each in running})
