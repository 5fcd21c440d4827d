"""LimitRanger: requests and limits that a namespace gives by default, and those that it bounds."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from kprov.kube.api.quantity import format_of, format_quantity, parse
from kprov.kube.apiserver.admission.attributes import CREATE, AdmissionAttributes
from kprov.kube.apiserver.admission.plugin import Object, Plugin, Surroundings, forbid

_RANGES = ("", "limitranges")
_PODS, _CLAIMS = ("", "pods"), ("", "persistentvolumeclaims")
_ANNOTATION = "kubernetes.io/limit-ranger"


class LimitRanger(Plugin):
    """See the module."""

    name = "LimitRanger"
    resources = frozenset((_PODS, _CLAIMS))
    caches = (_RANGES,)

    def __init__(self, around: Surroundings) -> None:
        super().__init__(around)
        self._ranges: dict[str, dict[str, Object]] = {}
        around.store.subscribe(_RANGES, self._changed)

    def _changed(self, old: Object | None, new: Object | None) -> None:
        metadata = (new or old or {})["metadata"]
        ranges = self._ranges.setdefault(metadata["namespace"], {})
        if new is not None:
            ranges[metadata["name"]] = new
        elif ranges.pop(metadata["name"], None) is not None and not ranges:
            del self._ranges[metadata["namespace"]]

    def _items(self, attrs: AdmissionAttributes) -> Iterator[list[Object]]:
        """The limits that bear on a write, range by range. Pods keep their resources, so updates are not looked at."""
        if attrs.resource_info.key == _PODS and attrs.operation != CREATE:
            return
        if (attrs.old_obj or {}).get("metadata", {}).get("deletionTimestamp"):
            return
        for _, found in sorted(self._ranges.get(attrs.namespace, {}).items()):
            yield (found.get("spec") or {}).get("limits") or []

    async def mutate(self, attrs: AdmissionAttributes) -> None:
        """Give containers what they do not say."""
        if attrs.resource_info.key != _PODS or attrs.obj is None:
            return
        for items in self._items(attrs):
            _give_defaults(attrs.obj, items)

    async def validate(self, attrs: AdmissionAttributes) -> None:
        """Hold everything against the bounds."""
        for items in self._items(attrs):
            problems = list(dict.fromkeys(_problems(attrs.obj or {}, attrs.resource_info.key == _PODS, items)))
            if problems:
                message = problems[0] if len(problems) == 1 else f"[{', '.join(problems)}]"
                raise forbid(attrs, message)


def _give_defaults(pod: Object, items: list[Object]) -> None:
    requests: Object = {}
    limits: Object = {}
    for item in items:
        if item.get("type") == "Container":
            requests.update(item.get("defaultRequest") or {})
            limits.update(item.get("default") or {})
    said: list[str] = []
    for field, title in (("containers", "container"), ("initContainers", "init container")):
        for container in pod["spec"].get(field) or ():
            resources = container["resources"] = container.get("resources") or {}
            for kind, defaults in (("requests", requests), ("limits", limits)):
                given = resources.get(kind) or {}
                missing = sorted(name for name in defaults if name not in given)
                if missing:
                    resources[kind] = {**given, **{name: defaults[name] for name in missing}}
                    said.append(f"{', '.join(missing)} {kind[:-1]} for {title} {container['name']}")
    if said:
        annotations = pod["metadata"]["annotations"] = dict(pod["metadata"].get("annotations") or {})
        annotations[_ANNOTATION] = "LimitRanger plugin set: " + "; ".join(said)


def _problems(obj: Object, is_pod: bool, items: list[Object]) -> Iterator[str]:
    spec = obj.get("spec") or {}
    for item in items:
        kind = item.get("type")
        if not is_pod:
            if kind == "PersistentVolumeClaim":
                yield from _claim_problems((spec.get("resources") or {}).get("requests") or {}, item)
        elif kind == "Container":
            for field in ("containers", "initContainers"):
                for container in spec.get(field) or ():
                    yield from _bounds(item, container.get("resources") or {})
        elif kind == "Pod":
            yield from _bounds(item, {kind: _total(spec, kind) for kind in ("requests", "limits")})


def _claim_problems(requests: Object, item: Object) -> Iterator[str]:
    for name, bound in (item.get("min") or {}).items():
        yield from _low(item, name, bound, requests, {})
    for name, bound in (item.get("max") or {}).items():
        start = f"maximum {name} usage per {item['type']} is {bound}"
        if name not in requests:
            yield f"{start}.  No request is specified"
        elif parse(requests[name]) > parse(bound):
            yield f"{start}, but request is {requests[name]}"


def _bounds(item: Object, resources: Object) -> Iterator[str]:
    requests, limits = resources.get("requests") or {}, resources.get("limits") or {}
    for name, bound in (item.get("min") or {}).items():
        yield from _low(item, name, bound, requests, limits)
    for name, bound in (item.get("max") or {}).items():
        start = f"maximum {name} usage per {item['type']} is {bound}"
        if name not in limits:
            yield f"{start}.  No limit is specified"
        elif parse(limits[name]) > parse(bound):
            yield f"{start}, but limit is {limits[name]}"
        elif name in requests and parse(requests[name]) > parse(bound):
            yield f"{start}, but request is {requests[name]}"
    for name, bound in (item.get("maxLimitRequestRatio") or {}).items():
        start = f"{name} max limit to request ratio per {item['type']} is {bound}"
        request, limit = parse(requests.get(name, 0)), parse(limits.get(name, 0))
        if not request:
            yield f"{start}, but no request is specified or request is 0"
        elif not limit:
            yield f"{start}, but no limit is specified or limit is 0"
        elif Fraction(limit) / Fraction(request) > parse(bound):
            yield f"{start}, but provided ratio is {float(Fraction(limit) / Fraction(request)):f}"


def _low(item: Object, name: str, bound: Any, requests: Object, limits: Object) -> Iterator[str]:
    start = f"minimum {name} usage per {item['type']} is {bound}"
    if name not in requests:
        yield f"{start}.  No request is specified"
    elif parse(requests[name]) < parse(bound):
        yield f"{start}, but request is {requests[name]}"
    elif name in limits and parse(limits[name]) < parse(bound):
        yield f"{start}, but limit is {limits[name]}"


def _total(spec: Object, kind: str) -> Object:
    """A pod's total: all containers together, or the largest init container where that is more.

    A resource that not every container names has no total.
    """
    given = [(container.get("resources") or {}).get(kind) or {} for container in spec.get("containers") or ()]
    names = {name for each in given for name in each if all(name in other for other in given)}
    total = {name: sum(parse(each[name]) for each in given) for name in names}
    style = {name: format_of(given[0][name]) for name in names}
    for container in spec.get("initContainers") or ():
        for name, quantity in ((container.get("resources") or {}).get(kind) or {}).items():
            if name not in total or parse(quantity) > total[name]:
                total[name], style[name] = parse(quantity), format_of(quantity)
    return {name: format_quantity(amount, style[name]) for name, amount in total.items()}
