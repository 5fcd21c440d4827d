"""The scale subresource of kinds that have replicas."""

from __future__ import annotations

from typing import Any

from kprov.kube.api import errors
from kprov.kube.api.selectors import from_label_selector, from_map
from kprov.kube.apiserver.admission.attributes import AdmissionAttributes
from kprov.kube.apiserver.extensions import json_path, kinds
from kprov.kube.apiserver.extensions.kinds import ScalePaths
from kprov.kube.apiserver.handlers import bodies
from kprov.kube.apiserver.handlers.conformance import conform
from kprov.kube.apiserver.handlers.parts import Parts
from kprov.kube.apiserver.handlers.patching import Patch
from kprov.kube.apiserver.handlers.update import Update
from kprov.kube.apiserver.http.message import Request, Response, json_response
from kprov.kube.apiserver.resources.info import ResourceInfo

Object = dict[str, Any]
_SCALE = ResourceInfo("autoscaling", ("v1",), "scales", "Scale", "scale", True)
_SPOKEN = ("autoscaling/v1", "extensions/v1beta1", "apps/v1beta1", "apps/v1beta2")  # of one shape, but for selectors
_COPIED = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")


def scale_of(obj: Object, paths: ScalePaths | None = None) -> Object:
    """The Scale of an object; of a custom kind's by its paths."""
    if paths is not None:
        return _custom_scale(obj, paths)
    metadata, spec, status = obj["metadata"], obj.get("spec") or {}, obj.get("status") or {}
    selector = spec.get("selector") or {}
    parsed = from_map(selector) if obj["kind"] == "ReplicationController" else from_label_selector(selector)
    scaled: Object = {"replicas": status.get("replicas", 0)}
    if str(parsed):
        scaled["selector"] = str(parsed)
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {name: metadata[name] for name in _COPIED if name in metadata},
        "spec": {"replicas": spec.get("replicas", 0)} if spec.get("replicas", 0) else {},
        "status": scaled,
    }


def _custom_scale(obj: Object, paths: ScalePaths) -> Object:
    metadata = obj["metadata"]
    wanted, present = (json_path.find(obj, path) for path in (paths.spec_replicas, paths.status_replicas))
    scaled: Object = {"replicas": present[0] if present else 0}
    selector = json_path.find(obj, paths.label_selector) if paths.label_selector else []
    if selector and selector[0]:
        scaled["selector"] = str(selector[0])
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {name: metadata[name] for name in _COPIED if name in metadata},
        "spec": {"replicas": wanted[0]} if wanted and wanted[0] else {},
        "status": scaled,
    }


def _replicas(scale: Object, info: ResourceInfo, name: str) -> int:
    replicas = (scale.get("spec") or {}).get("replicas") or 0
    if not isinstance(replicas, int) or replicas < 0:
        raise errors.invalid(
            "Scale",
            name,
            [
                {
                    "reason": "FieldValueInvalid",
                    "field": "spec.replicas",
                    "message": f"Invalid value: {replicas}: must be greater than or equal to 0",
                }
            ],
            group="autoscaling",
        )
    return replicas


def _check_kind(obj: Object) -> None:
    if obj.get("kind", "Scale") != "Scale" or obj.get("apiVersion", "autoscaling/v1") not in _SPOKEN:
        given = f"{obj.get('apiVersion', '')}, Kind={obj.get('kind', '')}"
        raise errors.bad_request(f"expected a Scale of autoscaling/v1, not {given}")


async def scale(parts: Parts, request: Request, info: ResourceInfo) -> Response:
    """GET, PUT or PATCH of a Scale."""
    namespace, name = request.info.namespace, request.info.name
    custom = kinds.find(*info.key)
    paths = custom.scale.get(request.info.api_version) if custom else None
    if custom is not None and paths is None:
        raise errors.path_not_found()
    if request.info.verb == "get":
        entry = await parts.store.get_entry(info, namespace, name)
        entry = await parts.conversion.entry(info, entry, request.info.api_version)
        return json_response(scale_of(entry.object(), paths))
    if request.info.verb == "patch":
        change: Patch | None = Patch.of(request, info)
        given: Object = {}
    else:
        change, given = None, bodies.decode(request)
        bodies.check_named(given, name)
        _check_kind(given)
        given = conform(given, _SCALE, "v1", request.query.get("fieldValidation", ""), request.warnings)

    def make_new(current: Object) -> Object:
        wanted = given
        if change:
            wanted = change.apply(scale_of(current, paths))
            _check_kind(wanted)
            wanted = conform(wanted, _SCALE, "v1", "Ignore", [])
        metadata = wanted.get("metadata") or {}
        if metadata.get("name", name) != name:
            raise errors.bad_request(f"the name of the object ({metadata['name']}) does not match the URL's ({name})")
        for field in ("uid", "resourceVersion"):
            if metadata.get(field) and metadata[field] != current["metadata"][field]:
                raise errors.conflict(info, name)
        return _scaled(current, _replicas(wanted, info, name), paths)

    update = _ScaleUpdate(parts, request, info, paths, dry_run=bodies.dry_run(request))
    entry = await update.run(make_new)
    return json_response(scale_of(entry.object(), paths))


class _ScaleUpdate(Update):
    """An update of the whole object that came through its scale.

    It is validated as an update of the object; admission sees the two Scales, as upstream's does.
    """

    def __init__(
        self, parts: Parts, request: Request, info: ResourceInfo, paths: ScalePaths | None, *, dry_run: bool
    ) -> None:
        super().__init__(parts, request, info, dry_run=dry_run)
        self._subresource, self._paths = "", paths

    def _attributes(self, obj: Object, current: Object) -> AdmissionAttributes:
        attrs = super()._attributes(obj, current)
        attrs.subresource = "scale"
        attrs.obj, attrs.old_obj = scale_of(obj, self._paths), scale_of(current, self._paths)
        return attrs

    def _admitted(self, attrs: AdmissionAttributes, obj: Object) -> Object:
        given, admitted = scale_of(obj, self._paths), attrs.obj or {}
        if given["spec"] == admitted.get("spec"):
            return obj
        return _scaled(obj, _replicas(admitted, self._info, obj["metadata"]["name"]), self._paths)


def _scaled(obj: Object, replicas: int, paths: ScalePaths | None) -> Object:
    """An object with other replicas."""
    out = {**obj, "spec": {**(obj.get("spec") or {})}, "metadata": dict(obj["metadata"])}
    if paths is None:
        out["spec"]["replicas"] = replicas
    else:
        json_path.put(out, paths.spec_replicas, replicas)
    return out
