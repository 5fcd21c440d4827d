"""Defaults of a pod's spec: what upstream fills in, for pods and for the templates that pods are made from."""

from __future__ import annotations

from typing import Any

from kprov.kube.apiserver.strategy.quantities import normalize_requirements

Object = dict[str, Any]

_GRACE_SECONDS = 30
_FILE_MODE = 420  # 0644
_HOUR = 3600
_SOURCE_DEFAULTS: dict[str, Object] = {
    "secret": {"defaultMode": _FILE_MODE},
    "configMap": {"defaultMode": _FILE_MODE},
    "downwardAPI": {"defaultMode": _FILE_MODE},
    "projected": {"defaultMode": _FILE_MODE},
    "hostPath": {"type": ""},
    "iscsi": {"iscsiInterface": "default"},
    "rbd": {"pool": "rbd", "user": "admin", "keyring": "/etc/ceph/keyring"},
    "scaleIO": {"storageMode": "ThinProvisioned", "fsType": "xfs"},
    "azureDisk": {"cachingMode": "ReadWrite", "kind": "Shared", "fsType": "ext4", "readOnly": False},
}


def containers_of(spec: Object) -> list[Object]:
    """Every container of a pod's spec: init containers first, ephemeral ones last."""
    return [
        container
        for field in ("initContainers", "containers", "ephemeralContainers")
        for container in spec.get(field) or ()
        if isinstance(container, dict)
    ]


def default_pod_template(template: Object | None) -> None:
    """Fill in a template's pod spec."""
    if isinstance(template, dict) and isinstance(template.get("spec"), dict):
        default_pod_spec(template["spec"])


def default_pod(pod: Object) -> None:
    """Fill in a pod: its spec, and what only pods get and templates do not."""
    spec = pod.setdefault("spec", {})
    default_pod_spec(spec)
    spec.setdefault("enableServiceLinks", True)
    for container in containers_of(spec):
        _requests_from_limits(container.get("resources"))
    _requests_from_limits(spec.get("resources"))


def _requests_from_limits(resources: Object | None) -> None:
    if resources and resources.get("limits"):
        requests = resources["requests"] = resources.get("requests") or {}
        for name, quantity in resources["limits"].items():
            requests.setdefault(name, quantity)


def default_pod_spec(spec: Object) -> None:
    """Fill in a pod spec."""
    _set(spec, "restartPolicy", "Always")
    _set(spec, "dnsPolicy", "ClusterFirst")
    _set(spec, "schedulerName", "default-scheduler")
    if spec.get("terminationGracePeriodSeconds") is None:
        spec["terminationGracePeriodSeconds"] = _GRACE_SECONDS
    if spec.get("securityContext") is None:
        spec["securityContext"] = {}
    # The old name of the field and the new one are the same fact.
    account = spec.get("serviceAccountName") or spec.get("serviceAccount")
    if account:
        spec["serviceAccountName"] = spec["serviceAccount"] = account
    for container in containers_of(spec):
        _default_container(container)
        if spec.get("hostNetwork") is True:
            for port in container.get("ports") or ():
                if not port.get("hostPort"):
                    port["hostPort"] = port.get("containerPort")
    for volume in spec.get("volumes") or ():
        _default_volume(volume)
    normalize_requirements(spec.get("resources"))


def _set(obj: Object, field: str, value: Any) -> None:
    """Set a field whose empty value means "not given"."""
    if not obj.get(field):
        obj[field] = value


def pull_policy(image: str) -> str:
    """Always for a tag that moves (latest, given or implied), IfNotPresent for one that stays."""
    name, _, digest = image.partition("@")
    last = name.rpartition("/")[2]
    tag = last.partition(":")[2]
    return "Always" if tag == "latest" or (not tag and not digest) else "IfNotPresent"


def _default_container(container: Object) -> None:
    _set(container, "imagePullPolicy", pull_policy(str(container.get("image") or "")))
    _set(container, "terminationMessagePath", "/dev/termination-log")
    _set(container, "terminationMessagePolicy", "File")
    if container.get("resources") is None:
        container["resources"] = {}
    normalize_requirements(container["resources"])
    for port in container.get("ports") or ():
        _set(port, "protocol", "TCP")
    for variable in container.get("env") or ():
        _default_variable(variable)
    for probe in ("livenessProbe", "readinessProbe", "startupProbe"):
        if isinstance(container.get(probe), dict):
            _default_probe(container[probe])
    for hook in (container.get("lifecycle") or {}).values():
        _default_http(hook)


def _default_variable(variable: Object) -> None:
    reference = (variable.get("valueFrom") or {}).get("fieldRef")
    if reference is not None:
        _set(reference, "apiVersion", "v1")
    resource = (variable.get("valueFrom") or {}).get("resourceFieldRef")
    if resource is not None and not resource.get("divisor"):
        resource["divisor"] = "0"


def _default_probe(probe: Object) -> None:
    for field, value in (
        ("timeoutSeconds", 1),
        ("periodSeconds", 10),
        ("successThreshold", 1),
        ("failureThreshold", 3),
    ):
        _set(probe, field, value)
    if isinstance(probe.get("grpc"), dict):
        probe["grpc"].setdefault("service", "")
    _default_http(probe)


def _default_http(handler: Any) -> None:
    action = handler.get("httpGet") if isinstance(handler, dict) else None
    if isinstance(action, dict):
        _set(action, "path", "/")
        _set(action, "scheme", "HTTP")


def _default_items(source: Object) -> None:
    for item in source.get("items") or ():
        if item.get("fieldRef"):
            _set(item["fieldRef"], "apiVersion", "v1")
        if item.get("resourceFieldRef") and not item["resourceFieldRef"].get("divisor"):
            item["resourceFieldRef"]["divisor"] = "0"


def default_claim_spec(spec: Object) -> None:
    """Fill in a PersistentVolumeClaim's spec, also where a template holds it."""
    if not spec.get("volumeMode"):
        spec["volumeMode"] = "Filesystem"
    normalize_requirements(spec.get("resources"))


def _default_volume(volume: Object) -> None:
    kinds = [field for field, value in volume.items() if field != "name" and value is not None]
    if not kinds:
        volume["emptyDir"] = {}
        return
    for kind in kinds:
        source = volume[kind]
        if not isinstance(source, dict):
            continue
        for field, value in _SOURCE_DEFAULTS.get(kind, {}).items():
            if source.get(field) is None:
                source[field] = value
        if kind == "downwardAPI":
            _default_items(source)
        elif kind == "projected":
            for projection in source.get("sources") or ():
                _default_items(projection.get("downwardAPI") or {})
                token = projection.get("serviceAccountToken")
                if token is not None and token.get("expirationSeconds") is None:
                    token["expirationSeconds"] = _HOUR
        elif kind == "ephemeral":
            claim = (source.get("volumeClaimTemplate") or {}).get("spec")
            if claim:
                default_claim_spec(claim)
