"""The environment of a container: services, envFrom, env, with references resolved."""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from kprov.kube.kubelet.pods.expansion import expand
from kprov.kube.kubelet.pods.fields import FieldError, field_value, resource_value

Pod = dict[str, Any]
# (kind, namespace, name) -> the object, or None where it does not exist
Lookup = Callable[[str, str, str], Awaitable[dict[str, Any] | None]]


class ContainerConfigError(Exception):
    """The container cannot be configured; the pod waits with CreateContainerConfigError and this message."""


def service_environment(services: Iterable[dict[str, Any]], namespace: str, links: bool) -> dict[str, str]:
    """The variables that name services: ``kubernetes`` always, the namespace's own ones where ``links``."""
    chosen: dict[str, dict[str, Any]] = {}
    for service in services:
        meta = service["metadata"]
        master = meta["name"] == "kubernetes" and meta["namespace"] == "default"
        own = links and meta["namespace"] == namespace
        if (own or (master and meta["name"] not in chosen)) and service["spec"].get("clusterIP") not in (
            None,
            "",
            "None",
        ):
            chosen[meta["name"]] = service
    found: dict[str, str] = {}
    for name, service in sorted(chosen.items()):
        ports = service["spec"].get("ports") or []
        if not ports:
            continue
        address = service["spec"]["clusterIP"]
        prefix = name.upper().replace("-", "_")
        found[f"{prefix}_SERVICE_HOST"] = address
        found[f"{prefix}_SERVICE_PORT"] = str(ports[0]["port"])
        for port in ports:
            if port.get("name"):
                found[f"{prefix}_SERVICE_PORT_{port['name'].upper().replace('-', '_')}"] = str(port["port"])
        for index, port in enumerate(ports):
            protocol = port.get("protocol", "TCP")
            url = f"{protocol.lower()}://{address}:{port['port']}"
            if index == 0:
                found[f"{prefix}_PORT"] = url
            stem = f"{prefix}_PORT_{port['port']}_{protocol}"
            found |= {
                stem: url,
                f"{stem}_PROTO": protocol.lower(),
                f"{stem}_PORT": str(port["port"]),
                f"{stem}_ADDR": address,
            }
    return found


async def container_environment(
    pod: Pod, container: dict[str, Any], lookup: Lookup, services: dict[str, str], allocatable: dict[str, int]
) -> dict[str, str]:
    """All variables of a container; what ``env`` says wins over ``envFrom``, and that over the services.

    Raises ContainerConfigError where something referred to does not exist, and what ``lookup`` raises.
    """
    namespace = pod["metadata"]["namespace"]
    found: dict[str, str] = {}
    for source in container.get("envFrom") or []:
        kind = "ConfigMap" if "configMapRef" in source else "Secret"
        reference = source.get("configMapRef") or source["secretRef"]
        content = await lookup(kind, namespace, reference["name"])
        if content is None:
            if reference.get("optional"):
                continue
            raise ContainerConfigError(f'{kind.lower()} "{reference["name"]}" not found')
        for key, text in _strings(kind, content).items():
            found[source.get("prefix", "") + key] = text
    for entry in container.get("env") or []:
        source = entry.get("valueFrom")
        if source is None:
            found[entry["name"]] = expand(entry.get("value", ""), found, services)
            continue
        value = await _referred(pod, container, source, lookup, allocatable)
        if value is not None:
            found[entry["name"]] = value
    return {**services, **found}


async def _referred(
    pod: Pod, container: dict[str, Any], source: dict[str, Any], lookup: Lookup, allocatable: dict[str, int]
) -> str | None:
    try:
        if "fieldRef" in source:
            return field_value(pod, source["fieldRef"]["fieldPath"])
        if "resourceFieldRef" in source:
            reference = source["resourceFieldRef"]
            return resource_value(_named(pod, reference.get("containerName")) or container, reference, allocatable)
    except FieldError as error:
        raise ContainerConfigError(str(error)) from None
    kind = "ConfigMap" if "configMapKeyRef" in source else "Secret"
    reference = source.get("configMapKeyRef") or source["secretKeyRef"]
    namespace = pod["metadata"]["namespace"]
    content = await lookup(kind, namespace, reference["name"])
    if content is None:
        if reference.get("optional"):
            return None
        raise ContainerConfigError(f'{kind.lower()} "{reference["name"]}" not found')
    values = _strings(kind, content)
    if reference["key"] not in values:
        if reference.get("optional"):
            return None
        raise ContainerConfigError(f"couldn't find key {reference['key']} in {kind} {namespace}/{reference['name']}")
    return values[reference["key"]]


def _named(pod: Pod, name: str | None) -> dict[str, Any] | None:
    spec = pod["spec"]
    return next(
        (each for each in [*spec["containers"], *(spec.get("initContainers") or [])] if each["name"] == name), None
    )


def _strings(kind: str, content: dict[str, Any]) -> dict[str, str]:
    data = content.get("data") or {}
    if kind == "ConfigMap":
        return dict(data)
    return {key: base64.b64decode(text).decode(errors="surrogateescape") for key, text in data.items()}
