"""Kinds that are served in several versions: conversion to and from the one that is stored.

A kind without a function here has the same shape in all its versions: only apiVersion differs.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from kprov.kube.apiserver import autoscaler_versions
from kprov.kube.apiserver.extensions import kinds
from kprov.kube.apiserver.extensions.conversion import converted
from kprov.kube.apiserver.extensions.schema import default
from kprov.kube.apiserver.resources.info import ResourceInfo

Object = dict[str, Any]
Convert = Callable[[Object], Object]


def _event_to_core(obj: Object) -> Object:
    """events.k8s.io/v1 -> v1."""
    out = dict(obj)
    for new, old in (("regarding", "involvedObject"), ("note", "message"), ("deprecatedSource", "source"),
                     ("deprecatedFirstTimestamp", "firstTimestamp"), ("deprecatedLastTimestamp", "lastTimestamp"),
                     ("deprecatedCount", "count"), ("reportingController", "reportingComponent")):  # fmt: skip
        if new in out:
            out[old] = out.pop(new)
    return out


def _event_from_core(obj: Object) -> Object:
    """v1 -> events.k8s.io/v1."""
    out = dict(obj)
    for new, old in (("regarding", "involvedObject"), ("note", "message"), ("deprecatedSource", "source"),
                     ("deprecatedFirstTimestamp", "firstTimestamp"), ("deprecatedLastTimestamp", "lastTimestamp"),
                     ("deprecatedCount", "count"), ("reportingController", "reportingComponent")):  # fmt: skip
        if old in out:
            out[new] = out.pop(old)
    return out


def _slice_to_v1(obj: Object) -> Object:
    """discovery.k8s.io/v1beta1 -> v1: topology became nodeName and zone."""
    out = dict(obj)
    endpoints = []
    for endpoint in out.get("endpoints") or ():
        endpoint = dict(endpoint)
        topology = dict(endpoint.pop("topology", None) or {})
        if "kubernetes.io/hostname" in topology:
            endpoint.setdefault("nodeName", topology.pop("kubernetes.io/hostname"))
        if "topology.kubernetes.io/zone" in topology:
            endpoint["zone"] = topology.pop("topology.kubernetes.io/zone")
        if topology:
            endpoint["deprecatedTopology"] = topology
        endpoints.append(endpoint)
    out["endpoints"] = endpoints
    return out


def _slice_from_v1(obj: Object) -> Object:
    """discovery.k8s.io/v1 -> v1beta1."""
    out = dict(obj)
    endpoints = []
    for endpoint in out.get("endpoints") or ():
        endpoint = dict(endpoint)
        topology = dict(endpoint.pop("deprecatedTopology", None) or {})
        if "nodeName" in endpoint:
            topology["kubernetes.io/hostname"] = endpoint["nodeName"]
        if "zone" in endpoint:
            topology["topology.kubernetes.io/zone"] = endpoint.pop("zone")
        if topology:
            endpoint["topology"] = topology
        endpoints.append(endpoint)
    out["endpoints"] = endpoints
    return out


def _csr_to_v1(obj: Object) -> Object:
    """certificates.k8s.io/v1beta1 -> v1: what could be left out then gets the default that it had."""
    spec = dict(obj.get("spec") or {})
    spec.setdefault("signerName", "kubernetes.io/legacy-unknown")
    spec.setdefault("usages", ["digital signature", "key encipherment"])
    out = {**obj, "spec": spec}
    conditions = (obj.get("status") or {}).get("conditions")
    if conditions:
        filled = [{"status": "True", **condition} for condition in conditions]
        out["status"] = {**obj["status"], "conditions": filled}
    return out


def _backend_to_v1(backend: Object) -> Object:
    service = {"name": backend.get("serviceName", "")}
    port = backend.get("servicePort")
    if port is not None:
        service["port"] = {"name": port} if isinstance(port, str) else {"number": port}
    out = {key: value for key, value in backend.items() if key not in ("serviceName", "servicePort")}
    return {**out, "service": service} if "serviceName" in backend else out


def _backend_from_v1(backend: Object) -> Object:
    service = backend.get("service")
    if service is None:
        return dict(backend)
    out = {key: value for key, value in backend.items() if key != "service"}
    port = service.get("port") or {}
    return {**out, "serviceName": service.get("name", ""), "servicePort": port.get("name") or port.get("number", 0)}


def _ingress(obj: Object, of: str, to: str, backend: Convert, default_type: str) -> Object:
    """An Ingress with every backend converted, the default one under its other name."""
    out, spec = dict(obj), dict(obj.get("spec") or {})
    if of in spec:
        spec[to] = backend(spec.pop(of))
    rules = []
    for rule in spec.get("rules") or ():
        http = rule.get("http")
        if http is not None:
            paths = [{**path, "backend": backend(path.get("backend") or {})} for path in http.get("paths") or ()]
            if default_type:
                paths = [{"pathType": default_type, **path} for path in paths]
            rule = {**rule, "http": {**http, "paths": paths}}
        rules.append(rule)
    if rules:
        spec["rules"] = rules
    return {**out, "spec": spec}


def _ingress_to_v1(obj: Object) -> Object:
    """extensions/v1beta1 and networking.k8s.io/v1beta1 -> networking.k8s.io/v1."""
    return _ingress(obj, "backend", "defaultBackend", _backend_to_v1, "ImplementationSpecific")


def _ingress_from_v1(obj: Object) -> Object:
    """networking.k8s.io/v1 -> v1beta1."""
    return _ingress(obj, "defaultBackend", "backend", _backend_from_v1, "")


# policy/v1beta1 takes an empty selector for none of the pods, v1 for all of them: each says the other's in these words
# (k8s.io/kubernetes/pkg/apis/policy/v1beta1/conversion.go).
_EMPTY_KEY = "pdb.kubernetes.io/deprecated-v1beta1-empty-selector-match"
_NO_PODS = {"matchExpressions": [{"key": _EMPTY_KEY, "operator": "Exists"}]}
_ALL_PODS = {"matchExpressions": [{"key": _EMPTY_KEY, "operator": "DoesNotExist"}]}


def _selecting(obj: Object, changes: tuple[tuple[Object, Object], ...]) -> Object:
    spec = obj.get("spec")
    if not isinstance(spec, dict) or not isinstance(spec.get("selector"), dict):
        return dict(obj)
    selector = {key: value for key, value in spec["selector"].items() if value}
    for of, to in changes:
        if selector == of:
            return {**obj, "spec": {**spec, "selector": dict(to)}}
    return dict(obj)


def _budget_to_v1(obj: Object) -> Object:
    return _selecting(obj, (({}, _NO_PODS), (_ALL_PODS, {})))


def _budget_from_v1(obj: Object) -> Object:
    return _selecting(obj, (({}, _ALL_PODS), (_NO_PODS, {})))


def _renamed_shares(obj: Object, of: str, to: str) -> Object:
    spec: Object = obj.get("spec") or {}
    limited = spec.get("limited")
    if not isinstance(limited, dict) or of not in limited:
        return dict(obj)
    renamed = {to if key == of else key: value for key, value in limited.items()}
    return {**obj, "spec": {**spec, "limited": renamed}}


def _level_to_v1(obj: Object) -> Object:
    """flowcontrol.apiserver.k8s.io/v1beta1 and v1beta2 -> v1."""
    return _renamed_shares(obj, "assuredConcurrencyShares", "nominalConcurrencyShares")


def _level_from_v1(obj: Object) -> Object:
    return _renamed_shares(obj, "nominalConcurrencyShares", "assuredConcurrencyShares")


def _definition_to_v1(obj: Object) -> Object:
    from kprov.kube.apiserver.extensions.definition_versions import to_v1  # rare

    return to_v1(obj)


def _definition_from_v1(obj: Object) -> Object:
    from kprov.kube.apiserver.extensions.definition_versions import to_v1beta1  # rare

    return to_v1beta1(obj)


_CONVERSIONS: dict[tuple[str, str, str], tuple[Convert, Convert]] = {
    ("extensions", "ingresses", "v1beta1"): (_ingress_to_v1, _ingress_from_v1),
    ("networking.k8s.io", "ingresses", "v1beta1"): (_ingress_to_v1, _ingress_from_v1),
    ("events.k8s.io", "events", "v1"): (_event_to_core, _event_from_core),
    ("events.k8s.io", "events", "v1beta1"): (_event_to_core, _event_from_core),
    ("autoscaling", "horizontalpodautoscalers", "v1"): (autoscaler_versions.to_v2, autoscaler_versions.from_v2),
    ("discovery.k8s.io", "endpointslices", "v1beta1"): (_slice_to_v1, _slice_from_v1),
    ("certificates.k8s.io", "certificatesigningrequests", "v1beta1"): (_csr_to_v1, dict),
    ("policy", "poddisruptionbudgets", "v1beta1"): (_budget_to_v1, _budget_from_v1),
    ("flowcontrol.apiserver.k8s.io", "prioritylevelconfigurations", "v1beta1"): (_level_to_v1, _level_from_v1),
    ("flowcontrol.apiserver.k8s.io", "prioritylevelconfigurations", "v1beta2"): (_level_to_v1, _level_from_v1),
    ("apiextensions.k8s.io", "customresourcedefinitions", "v1beta1"): (_definition_to_v1, _definition_from_v1),
}


def is_converted(info: ResourceInfo, version: str) -> bool:
    """Whether a version has another shape than the one that is stored."""
    return (info.group, info.plural, version) in _CONVERSIONS


def is_storage_version(info: ResourceInfo, version: str) -> bool:
    """Whether objects go out in a version just as they are stored."""
    custom = kinds.find(*info.key)
    if custom is not None and not custom.as_stored:
        return False
    return info.api_version(version) == info.storage_api_version


def to_storage(info: ResourceInfo, version: str, obj: Object) -> Object:
    """An object that a client sent, in the version that is stored; of a user's kind in the one that it came in."""
    if kinds.find(*info.key) is not None:  # converted last of all, see extensions/conversion.py
        return {**obj, "apiVersion": info.api_version(version), "kind": info.kind}
    conversion = _CONVERSIONS.get((info.group, info.plural, version))
    out = conversion[0](obj) if conversion else dict(obj)
    return {**out, "apiVersion": info.storage_api_version, "kind": info.kind}


def from_storage(info: ResourceInfo, version: str, obj: Object) -> Object:
    """A stored object in the version that a client speaks. Raises NotConverted where a webhook must be asked."""
    custom = kinds.find(*info.key)
    if custom is not None:
        out = copy.deepcopy(converted(custom, version, obj))
        default(out, custom.schema(version))
        return out
    conversion = _CONVERSIONS.get((info.group, info.plural, version))
    out = conversion[1](obj) if conversion else dict(obj)
    return {**out, "apiVersion": info.api_version(version)}
