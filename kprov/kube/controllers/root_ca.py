"""The cluster's root certificate, in a ConfigMap of every namespace, for pods that talk to the API server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kprov.kube.api.errors import ApiError, is_already_exists, is_not_found
from kprov.kube.api.kinds import CONFIG_MAPS, NAMESPACES
from kprov.kube.controllers.controller import Context, Controller
from kprov.kube.controllers.pod_control import namespace_is_terminating

CONFIG_MAP = "kube-root-ca.crt"
DESCRIPTION = {
    "kubernetes.io/description": "Contains a CA bundle that can be used to verify the kube-apiserver when using "
    "internal endpoints such as the internal service IP or kubernetes.default.svc. No other usage is guaranteed across "
    "distributions of Kubernetes clusters."
}


class RootCertificatePublisher(Controller):
    """Keeps ``kube-root-ca.crt`` as the file of --root-ca-file says."""

    name = "root-ca-cert-publisher"
    account = "root-ca-cert-publisher"
    workers = 1

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._data = {"ca.crt": Path(context.options.root_ca_file).read_text()}
        self.namespaces = self.watch(NAMESPACES, on_add=self.enqueue, on_update=lambda _, new: self.enqueue(new))
        self.maps = self.watch(
            CONFIG_MAPS,
            field_selector=f"metadata.name={CONFIG_MAP}",
            on_update=lambda _, new: self._map_changed(new),
            on_delete=self._map_changed,
        )

    def _map_changed(self, config_map: dict[str, Any]) -> None:
        self.queue.add(config_map["metadata"]["namespace"])

    async def reconcile(self, key: str) -> None:
        """Create the map, or put its data right."""
        namespace = self.namespaces.get(key)
        if namespace is None or namespace["metadata"].get("deletionTimestamp"):
            return
        current = self.maps.get(f"{key}/{CONFIG_MAP}")
        if current is not None:
            annotated = DESCRIPTION.items() <= (current["metadata"].get("annotations") or {}).items()
            if current.get("data") == self._data and annotated:
                return
            annotations = {**(current["metadata"].get("annotations") or {}), **DESCRIPTION}
            metadata = {**current["metadata"], "annotations": annotations}
            await self.client.update(CONFIG_MAPS, {**current, "metadata": metadata, "data": self._data})
            return
        metadata = {"name": CONFIG_MAP, "namespace": key, "annotations": DESCRIPTION}
        config_map = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": self._data}
        try:
            await self.client.create(CONFIG_MAPS, config_map, key)
        except ApiError as error:
            if not (is_already_exists(error) or is_not_found(error) or namespace_is_terminating(error)):
                raise
