"""What is wrong with a pod, or with the template of one."""

from __future__ import annotations

import ipaddress
from typing import Any

from kprov.kube.apiserver.strategy.affinity_validation import (
    validate_affinity,
    validate_tolerations,
    validate_topology_spread,
)
from kprov.kube.apiserver.strategy.base import (
    FieldError,
    dns_label_error,
    dns_subdomain_error,
    invalid,
    not_supported,
    required,
)
from kprov.kube.apiserver.strategy.container_validation import validate_containers
from kprov.kube.apiserver.strategy.fields import annotation_errors, label_errors, name_errors, qualified_name_errors
from kprov.kube.apiserver.strategy.security_validation import id_errors, seccomp_errors
from kprov.kube.apiserver.strategy.volume_validation import validate_volumes

Object = dict[str, Any]

RESTART_POLICIES = ["Always", "Never", "OnFailure"]
_DNS_POLICIES = ["ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"]
_PREEMPTION = ["Never", "PreemptLowerPriority"]


def validate_pod(pod: Object) -> list[FieldError]:
    """What is wrong with a pod."""
    return validate_pod_spec(pod.get("spec") or {}, "spec")


def validate_pod_template(template: Object, path: str) -> list[FieldError]:
    """What is wrong with a pod template: the metadata that its pods get, and their spec."""
    metadata = template.get("metadata") or {}
    found = label_errors(metadata.get("labels"), f"{path}.labels")
    found += annotation_errors(metadata.get("annotations"), f"{path}.annotations")
    found += validate_pod_spec(template.get("spec") or {}, f"{path}.spec")
    if (template.get("spec") or {}).get("ephemeralContainers"):
        message = "ephemeral containers not allowed in pod template"
        from kprov.kube.apiserver.strategy.base import forbidden

        found.append(forbidden(f"{path}.spec.ephemeralContainers", message))
    return found


def validate_pod_spec(spec: Object, path: str) -> list[FieldError]:
    """What is wrong with a pod's spec."""
    volumes, found = validate_volumes(spec.get("volumes") or [], f"{path}.volumes")
    found += validate_containers(spec, path, volumes)
    found += _word(spec, "restartPolicy", RESTART_POLICIES, path)
    found += _word(spec, "dnsPolicy", _DNS_POLICIES, path)
    found += label_errors(spec.get("nodeSelector"), f"{path}.nodeSelector")
    found += _validate_security(spec, path)
    for index, secret in enumerate(spec.get("imagePullSecrets") or ()):
        if not secret.get("name"):
            found.append(required(f"{path}.imagePullSecrets[{index}].name"))
    found += validate_affinity(spec.get("affinity"), f"{path}.affinity")
    found += _validate_dns(spec, f"{path}.dnsConfig")
    for index, gate in enumerate(spec.get("readinessGates") or ()):
        kind = gate.get("conditionType") or ""
        here = f"{path}.readinessGates[{index}].conditionType"
        found += [invalid(here, kind, problem) for problem in qualified_name_errors(kind)]
    found += validate_topology_spread(spec.get("topologySpreadConstraints") or [], f"{path}.topologySpreadConstraints")
    found += _validate_names(spec, path)
    deadline = spec.get("activeDeadlineSeconds")
    if deadline is not None and not 1 <= deadline <= 2147483647:
        found.append(invalid(f"{path}.activeDeadlineSeconds", deadline, "must be between 1 and 2147483647, inclusive"))
    grace = spec.get("terminationGracePeriodSeconds")
    if isinstance(grace, int) and grace < 0:
        found.append(invalid(f"{path}.terminationGracePeriodSeconds", grace, "must be greater than or equal to 0"))
    found += validate_tolerations(spec.get("tolerations") or [], f"{path}.tolerations")
    found += _validate_host_aliases(spec.get("hostAliases") or [], f"{path}.hostAliases")
    if spec.get("preemptionPolicy") is not None:
        found += _word(spec, "preemptionPolicy", _PREEMPTION, path)
    return found


def _word(spec: Object, field: str, allowed: list[str], path: str) -> list[FieldError]:
    value = spec.get(field)
    if value in allowed:
        return []
    return [not_supported(f"{path}.{field}", value, allowed)] if value else [required(f"{path}.{field}")]


def _validate_names(spec: Object, path: str) -> list[FieldError]:
    found: list[FieldError] = []
    for field in ("serviceAccountName", "nodeName", "priorityClassName", "runtimeClassName"):
        if spec.get(field):
            error = dns_subdomain_error(spec[field])
            found += [invalid(f"{path}.{field}", spec[field], error)] if error else []
    for field in ("hostname", "subdomain"):
        if spec.get(field):
            error = dns_label_error(spec[field])
            found += [invalid(f"{path}.{field}", spec[field], error)] if error else []
    return found


def _validate_security(spec: Object, path: str) -> list[FieldError]:
    found: list[FieldError] = []
    if spec.get("hostNetwork"):
        for index, container in enumerate(spec.get("containers") or ()):
            for position, port in enumerate(container.get("ports") or ()):
                if port.get("hostPort") != port.get("containerPort"):
                    here = f"{path}.containers[{index}].ports[{position}].containerPort"
                    message = "must match `hostPort` when `hostNetwork` is true"
                    found.append(invalid(here, port.get("containerPort"), message))
    context, here = spec.get("securityContext") or {}, f"{path}.securityContext"
    found += id_errors(context, ("fsGroup", "runAsUser", "runAsGroup"), here)
    for index, group in enumerate(context.get("supplementalGroups") or ()):
        found += id_errors({f"supplementalGroups[{index}]": group}, (f"supplementalGroups[{index}]",), here)
    if spec.get("shareProcessNamespace") and spec.get("hostPID"):
        message = "ShareProcessNamespace and HostPID cannot both be enabled"
        found.append(invalid(f"{here}.shareProcessNamespace", True, message))
    found += _validate_sysctls(context.get("sysctls") or [], f"{here}.sysctls")
    if context.get("fsGroupChangePolicy") not in (None, "Always", "OnRootMismatch"):
        allowed = ["Always", "OnRootMismatch"]
        found.append(not_supported(f"{here}.fsGroupChangePolicy", context["fsGroupChangePolicy"], allowed))
    return found + seccomp_errors(context.get("seccompProfile"), f"{here}.seccompProfile")


def _validate_sysctls(sysctls: list[Object], path: str) -> list[FieldError]:
    import re

    pattern = r"[a-z0-9]([-_a-z0-9]*[a-z0-9])?([\./][a-z0-9]([-_a-z0-9]*[a-z0-9])?)*"
    found: list[FieldError] = []
    for index, each in enumerate(sysctls):
        name, here = each.get("name") or "", f"{path}[{index}].name"
        if not name:
            found.append(required(here))
        elif len(name) > 253 or not re.fullmatch(pattern, name):
            found.append(invalid(here, name, f"must have at most 253 characters and match regex ^{pattern}$"))
    return found


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _validate_host_aliases(aliases: list[Object], path: str) -> list[FieldError]:
    found: list[FieldError] = []
    for alias in aliases:
        if not _is_address(alias.get("ip") or ""):
            found.append(invalid(f"{path}.ip", alias.get("ip") or "", "must be valid IP address"))
        for name in alias.get("hostnames") or ():
            found += name_errors(name, f"{path}.hostnames")
    return found


def _validate_dns(spec: Object, path: str) -> list[FieldError]:
    config = spec.get("dnsConfig")
    if spec.get("dnsPolicy") == "None":
        if config is None:
            return [required(path, "must provide `dnsConfig` when `dnsPolicy` is None")]
        if not config.get("nameservers"):
            message = "must provide at least one DNS nameserver when `dnsPolicy` is None"
            return [required(f"{path}.nameservers", message)]
    config = config or {}
    found: list[FieldError] = []
    servers, searches = config.get("nameservers") or [], config.get("searches") or []
    if len(servers) > 3:
        found.append(invalid(f"{path}.nameservers", servers, "must not have more than 3 nameservers"))
    for index, server in enumerate(servers):
        if not _is_address(server):
            found.append(invalid(f"{path}.nameservers[{index}]", server, "must be valid IP address"))
    if len(searches) > 32:
        found.append(invalid(f"{path}.searches", searches, "must not have more than 32 search paths"))
    if len(" ".join(searches)) > 2048:
        message = "must not have more than 2048 characters (including spaces) in the search list"
        found.append(invalid(f"{path}.searches", searches, message))
    for index, search in enumerate(searches):
        if search != ".":
            found += name_errors(search.removesuffix("."), f"{path}.searches[{index}]")
    for index, option in enumerate(config.get("options") or ()):
        if not option.get("name"):
            found.append(required(f"{path}.options[{index}]", "must not be empty"))
    return found
