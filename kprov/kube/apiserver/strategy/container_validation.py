"""What is wrong with a container."""

from __future__ import annotations

import re
from typing import Any

from kprov.kube.apiserver.strategy.base import (
    FieldError,
    duplicate,
    forbidden,
    invalid,
    not_found,
    not_supported,
    required,
)
from kprov.kube.apiserver.strategy.environment_validation import validate_env, validate_env_from
from kprov.kube.apiserver.strategy.fields import (
    name_errors,
    not_negative,
    port_errors,
    port_name_errors,
    port_or_name_errors,
)
from kprov.kube.apiserver.strategy.path_validation import descending_path_errors
from kprov.kube.apiserver.strategy.resource_validation import validate_requirements
from kprov.kube.apiserver.strategy.security_validation import validate_security

Object = dict[str, Any]

PROTOCOLS = ["SCTP", "TCP", "UDP"]
_PULL_POLICIES = ["Always", "IfNotPresent", "Never"]
_HEADER = re.compile(r"[-A-Za-z0-9]+")
_HEADER_MESSAGE = (
    "a valid HTTP header must consist of alphanumeric characters or '-' (e.g. 'X-Header-Name', regex used for "
    "validation "
    "is '[-A-Za-z0-9]+')"
)
_HANDLERS = ("exec", "httpGet", "tcpSocket", "grpc")
_INIT_FORBIDDEN = ("lifecycle", "livenessProbe", "readinessProbe", "startupProbe")
_EPHEMERAL_FORBIDDEN = ("ports", "livenessProbe", "readinessProbe", "startupProbe", "lifecycle", "resources")


def validate_containers(spec: Object, path: str, volumes: dict[str, Object]) -> list[FieldError]:
    """What is wrong with all containers of a pod's spec.

    Args:
        spec: the pod's spec.
        path: its path.
        volumes: its volumes by name.
    """
    containers, init = spec.get("containers") or [], spec.get("initContainers") or []
    found: list[FieldError] = []
    if not containers:
        found.append(required(f"{path}.containers"))
    names: set[str] = set()
    for index, container in enumerate(containers):
        found += _validate_container(container, f"{path}.containers[{index}]", volumes)
        found += _unique_name(container, f"{path}.containers[{index}]", names)
    found += _port_conflicts(containers, f"{path}.containers")
    for index, container in enumerate(init):
        here = f"{path}.initContainers[{index}]"
        found += _validate_container(container, here, volumes)
        found += _unique_name(container, here, names)
        restarts = container.get("restartPolicy") == "Always"  # a sidecar: it runs beside the others
        for field in () if restarts else _INIT_FORBIDDEN:
            if container.get(field):
                found.append(invalid(f"{here}.{field}", container[field], "must not be set for init containers"))
    for index, container in enumerate(spec.get("ephemeralContainers") or ()):
        found += _validate_ephemeral(container, f"{path}.ephemeralContainers[{index}]", volumes, names)
    return found


def _unique_name(container: Object, path: str, names: set[str]) -> list[FieldError]:
    name = container.get("name")
    if not name:
        return []
    if name in names:
        return [duplicate(f"{path}.name", name)]
    names.add(name)
    return []


def _validate_ephemeral(container: Object, path: str, volumes: dict[str, Object], names: set[str]) -> list[FieldError]:
    found = _validate_container(container, path, volumes)
    target = container.get("targetContainerName")
    if target and target not in names:
        found.append(not_found(f"{path}.targetContainerName", target))
    found += _unique_name(container, path, names)
    for field in _EPHEMERAL_FORBIDDEN:
        if container.get(field):
            found.append(forbidden(f"{path}.{field}", "cannot be set for an Ephemeral Container"))
    return found


def _validate_container(container: Object, path: str, volumes: dict[str, Object]) -> list[FieldError]:
    found = name_errors(container.get("name"), f"{path}.name", label=True)
    if not container.get("image"):
        found.append(required(f"{path}.image"))
    for hook in ("postStart", "preStop"):
        handler = (container.get("lifecycle") or {}).get(hook)
        if handler is not None:
            found += _validate_handler(handler, f"{path}.lifecycle.{hook}", (*_HANDLERS[:3], "sleep"))
    for probe in ("livenessProbe", "startupProbe", "readinessProbe"):
        if container.get(probe) is not None:
            found += _validate_probe(container[probe], f"{path}.{probe}", probe)
    policy = container.get("terminationMessagePolicy")
    if policy not in ("File", "FallbackToLogsOnError"):
        message = "must be 'File' or 'FallbackToLogsOnError'"
        where = f"{path}.terminationMessagePolicy"
        found.append(invalid(where, policy, message) if policy else required(where, message))
    found += _validate_ports(container.get("ports") or [], f"{path}.ports")
    found += validate_env(container.get("env") or [], f"{path}.env")
    found += validate_env_from(container.get("envFrom") or [], f"{path}.envFrom")
    found += _validate_mounts(container, volumes, path)
    pull = container.get("imagePullPolicy")
    if pull not in _PULL_POLICIES:
        where = f"{path}.imagePullPolicy"
        found.append(not_supported(where, pull, _PULL_POLICIES) if pull else required(where))
    found += validate_requirements(container.get("resources") or {}, f"{path}.resources")
    found += validate_security(container.get("securityContext"), f"{path}.securityContext")
    return found


def _validate_probe(probe: Object, path: str, kind: str) -> list[FieldError]:
    found = _validate_handler(probe, path, _HANDLERS)
    for field in ("initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"):
        found += not_negative(probe.get(field), f"{path}.{field}")
    if kind != "readinessProbe" and probe.get("successThreshold", 1) != 1:
        found.append(invalid(f"{path}.successThreshold", probe["successThreshold"], "must be 1"))
    grace = probe.get("terminationGracePeriodSeconds")
    if grace is not None:
        if kind == "readinessProbe":
            found.append(invalid(f"{path}.terminationGracePeriodSeconds", grace, "must not be set for readinessProbes"))
        elif grace <= 0:
            found.append(invalid(f"{path}.terminationGracePeriodSeconds", grace, "must be greater than 0"))
    return found


def _validate_handler(handler: Object, path: str, kinds: tuple[str, ...]) -> list[FieldError]:
    given = [kind for kind in kinds if handler.get(kind) is not None]
    if not given:
        return [required(path, "must specify a handler type")]
    found = [forbidden(f"{path}.{kind}", "may not specify more than 1 handler type") for kind in given[1:]]
    kind, action = given[0], handler[given[0]]
    here = f"{path}.{kind}"
    if kind == "exec" and not action.get("command"):
        found.append(required(f"{here}.command"))
    elif kind == "httpGet":
        if not action.get("path"):
            found.append(required(f"{here}.path"))
        found += port_or_name_errors(action.get("port"), f"{here}.port")
        if action.get("scheme") not in ("HTTP", "HTTPS"):
            found.append(not_supported(f"{here}.scheme", action.get("scheme") or "", ["HTTP", "HTTPS"]))
        for header in action.get("httpHeaders") or ():
            if not _HEADER.fullmatch(header.get("name") or ""):
                found.append(invalid(f"{here}.httpHeaders", header.get("name") or "", _HEADER_MESSAGE))
    elif kind == "tcpSocket":
        found += port_or_name_errors(action.get("port"), f"{here}.port")
    elif kind == "grpc":
        found += port_errors(action.get("port"), f"{here}.port")
    return found


def _validate_ports(ports: list[Object], path: str) -> list[FieldError]:
    found, names = [], set()
    for index, port in enumerate(ports):
        here = f"{path}[{index}]"
        if name := port.get("name"):
            problems = port_name_errors(name)
            found += [invalid(f"{here}.name", name, problem) for problem in problems]
            if not problems and name in names:
                found.append(duplicate(f"{here}.name", name))
            names.add(name)
        if not port.get("containerPort"):
            found.append(required(f"{here}.containerPort"))
        else:
            found += port_errors(port["containerPort"], f"{here}.containerPort")
        if port.get("hostPort"):
            found += port_errors(port["hostPort"], f"{here}.hostPort")
        if not port.get("protocol"):
            found.append(required(f"{here}.protocol"))
        elif port["protocol"] not in PROTOCOLS:
            found.append(not_supported(f"{here}.protocol", port["protocol"], PROTOCOLS))
    return found


def _port_conflicts(containers: list[Object], path: str) -> list[FieldError]:
    found, taken = [], set()
    for index, container in enumerate(containers):
        for position, port in enumerate(container.get("ports") or ()):
            if not port.get("hostPort"):
                continue
            key = f"{port.get('protocol')}/{port.get('hostIP') or ''}/{port['hostPort']}"
            if key in taken:
                found.append(duplicate(f"{path}[{index}].ports[{position}].hostPort", key))
            taken.add(key)
    return found


def _validate_mounts(container: Object, volumes: dict[str, Object], path: str) -> list[FieldError]:
    found: list[FieldError] = []
    devices = container.get("volumeDevices") or []
    device_names = {device.get("name") for device in devices}
    device_paths = {device.get("devicePath") for device in devices}
    taken: set[str] = set()
    for index, mount in enumerate(container.get("volumeMounts") or ()):
        here, name, place = f"{path}.volumeMounts[{index}]", mount.get("name") or "", mount.get("mountPath") or ""
        if not name:
            found.append(required(f"{here}.name"))
        if name not in volumes:
            found.append(not_found(f"{here}.name", name))
        if not place:
            found.append(required(f"{here}.mountPath"))
        if place in taken:
            found.append(invalid(f"{here}.mountPath", place, "must be unique"))
        taken.add(place)
        if name in device_names:
            found.append(invalid(f"{here}.name", name, "must not already exist in volumeDevices"))
        if place in device_paths:
            found.append(invalid(f"{here}.mountPath", place, "must not already exist as a path in volumeDevices"))
        if mount.get("subPath") and mount.get("subPathExpr"):
            found.append(
                invalid(f"{here}.subPathExpr", mount["subPathExpr"], "subPathExpr and subPath are mutually exclusive")
            )
        for field in ("subPath", "subPathExpr"):
            found += descending_path_errors(mount.get(field), f"{path}.volumeMounts.{field}")
        found += _validate_propagation(mount, container, f"{path}.volumeMounts.mountPropagation")
    for index, device in enumerate(devices):
        here = f"{path}.volumeDevices[{index}]"
        if not device.get("name"):
            found.append(required(f"{here}.name"))
        elif device["name"] not in volumes:
            found.append(not_found(f"{here}.name", device["name"]))
        if not device.get("devicePath"):
            found.append(required(f"{here}.devicePath"))
    return found


def _validate_propagation(mount: Object, container: Object, path: str) -> list[FieldError]:
    wanted = mount.get("mountPropagation")
    if wanted is None or wanted in ("HostToContainer", "None"):
        return []
    if wanted != "Bidirectional":
        return [not_supported(path, wanted, ["Bidirectional", "HostToContainer", "None"])]
    if not (container.get("securityContext") or {}).get("privileged"):
        return [forbidden(path, "Bidirectional mount propagation is available only to privileged containers")]
    return []
