"""What Endpoints and EndpointSlices share: a Service's pods, and the ports that they serve it on."""

from __future__ import annotations

from typing import Any

from kprov.kube.api import selectors
from kprov.kube.api.informer import Informer, key_of
from kprov.kube.api.kinds import PODS, SERVICES
from kprov.kube.controllers import pod_state
from kprov.kube.controllers.controller import Context, Controller

Object = dict[str, Any]
HEADLESS_LABEL = "service.kubernetes.io/headless"


def publishes_not_ready(service: Object) -> bool:
    """Whether the Service's endpoints count before they are ready."""
    legacy = (service["metadata"].get("annotations") or {}).get(
        "service.alpha.kubernetes.io/tolerate-unready-endpoints"
    )
    return bool(service["spec"].get("publishNotReadyAddresses")) or legacy == "true"


def target_port(pod: Object, port: Object) -> int | None:
    """The number of a Service port on this pod; None if the pod has no port of that name."""
    target = port.get("targetPort", port["port"])
    if isinstance(target, int):
        return target
    if target == "":
        return int(port["port"])
    spec = pod["spec"]
    sidecars = [c for c in spec.get("initContainers") or () if c.get("restartPolicy") == "Always"]
    for container in [*spec["containers"], *sidecars]:
        for declared in container.get("ports") or ():
            if declared.get("name") == target and declared.get("protocol", "TCP") == port.get("protocol", "TCP"):
                return int(declared["containerPort"])
    return None


def hostname_in(service: Object, pod: Object) -> str | None:
    """The pod's own name below the Service's, where it asks for one."""
    spec = pod["spec"]
    same = spec.get("subdomain") == service["metadata"]["name"]
    return spec.get("hostname") if spec.get("hostname") and same else None


def pod_ips(pod: Object) -> list[str]:
    """All addresses of a pod."""
    status = pod.get("status") or {}
    listed = [entry["ip"] for entry in status.get("podIPs") or () if entry.get("ip")]
    return listed or ([status["podIP"]] if status.get("podIP") else [])


def target_reference(pod: Object) -> Object:
    """The pod, as an endpoint refers to it."""
    metadata = pod["metadata"]
    return {"kind": "Pod", "namespace": metadata["namespace"], "name": metadata["name"], "uid": metadata["uid"]}


def _relevant(pod: Object) -> Any:
    """What endpoints are made of: other changes of a pod wake nobody."""
    spec, metadata = pod["spec"], pod["metadata"]
    return (
        pod_ips(pod),
        pod_state.is_ready(pod),
        pod_state.phase(pod) in ("Succeeded", "Failed"),
        bool(metadata.get("deletionTimestamp")),
        spec.get("nodeName"),
        spec.get("hostname"),
        spec.get("subdomain"),
    )


class ServiceEndpointsController(Controller):
    """Wakes the Services that select a pod when it changes."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.services: Informer = self.watch(
            SERVICES, on_add=self.enqueue, on_update=lambda _, new: self.enqueue(new), on_delete=self.enqueue
        )
        self.pods: Informer = self.watch(
            PODS, on_add=self._pod_changed, on_update=self._pod_updated, on_delete=self._pod_changed
        )

    def _pod_changed(self, pod: Object) -> None:
        labels = pod["metadata"].get("labels") or {}
        for service in self.services.list(pod["metadata"]["namespace"]):
            selector = service["spec"].get("selector")
            if selector and selector.items() <= labels.items():
                self.enqueue(service)

    def _pod_updated(self, old: Object, new: Object) -> None:
        relabelled = old["metadata"].get("labels") != new["metadata"].get("labels")
        if relabelled:
            self._pod_changed(old)
        if relabelled or _relevant(old) != _relevant(new):
            self._pod_changed(new)

    def selected(self, service: Object) -> list[Object]:
        """The Service's pods that have an address and have not ended, in the order of their names."""
        selector = selectors.from_map(service["spec"].get("selector"))
        return sorted(
            (
                pod
                for pod in self.pods.list(service["metadata"]["namespace"])
                if selectors.matches(selector, pod["metadata"].get("labels") or {})
                and pod_ips(pod)
                and not pod_state.is_finished(pod)
            ),
            key=key_of,
        )
