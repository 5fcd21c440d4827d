"""Where a Service is reached from this machine: webhooks and other API servers are named by their Services."""

from __future__ import annotations

import random

from kprov.kube.apiserver.authentication.objects import GroupResource, ObjectReader

SERVICES: GroupResource = ("", "services")
ENDPOINTS: GroupResource = ("", "endpoints")


class Unresolved(Exception):
    """A Service leads nowhere; the text says why."""


class ServiceResolver:
    """Finds the address of a Service.

    Args:
        store: Services, and Endpoints where they are asked for.
        to_endpoints: go to an endpoint's own address (--enable-aggregator-routing), not to the cluster IP.
    """

    def __init__(self, store: ObjectReader, *, to_endpoints: bool = False) -> None:
        self._store = store
        self._to_endpoints = to_endpoints

    def resolve(self, namespace: str, name: str, port: int) -> tuple[str, int]:
        """The host and port to connect to. Raises Unresolved."""
        found = self._store.cached_get(SERVICES, namespace, name)
        if found is None:
            raise Unresolved(f'service "{name}" not found')
        spec = found.get("spec") or {}
        if spec.get("type") == "ExternalName":
            return str(spec.get("externalName")), port
        wanted = next((each for each in spec.get("ports") or () if each.get("port") == port), None)
        if wanted is None:
            raise Unresolved(f'no service port {port} found for service "{name}"')
        if self._to_endpoints:
            return self._endpoint(namespace, name, wanted.get("name") or "")
        if spec.get("clusterIP") in (None, "", "None"):
            raise Unresolved('cannot route to service with ClusterIP "None"')
        return str(spec["clusterIP"]), port

    def _endpoint(self, namespace: str, name: str, port_name: str) -> tuple[str, int]:
        endpoints = self._store.cached_get(ENDPOINTS, namespace, name) or {}
        found = [
            (str(address["ip"]), int(port["port"]))
            for subset in endpoints.get("subsets") or ()
            for port in subset.get("ports") or ()
            if (port.get("name") or "") == port_name
            for address in subset.get("addresses") or ()
        ]
        if not found:
            raise Unresolved(f'no endpoints available for service "{name}"')
        return random.choice(found)


def authority(host: str, port: int) -> str:
    """ "HOST:PORT" for a URL."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
