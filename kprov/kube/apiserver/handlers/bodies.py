"""Request bodies into objects, checked against the URL that they were sent to."""

from __future__ import annotations

from typing import Any

import orjson

from kprov.kube.api import errors
from kprov.kube.apiserver import protobuf
from kprov.kube.apiserver.handlers import yaml_body
from kprov.kube.apiserver.handlers.conformance import conform
from kprov.kube.apiserver.http.message import Request
from kprov.kube.apiserver.request_options import options_kind, wrong_option
from kprov.kube.apiserver.resources.info import ResourceInfo
from kprov.kube.apiserver.strategy.base import FieldError
from kprov.kube.apiserver.versions import to_storage

Object = dict[str, Any]


def media_type(request: Request) -> str:
    """The body's media type, without parameters; JSON where none is given."""
    return request.headers.get("Content-Type", "").partition(";")[0].strip().lower() or "application/json"


def decode(request: Request) -> Object:
    """The body as an object.

    Raises:
        ApiError: it is not JSON or YAML, or not an object.
    """
    kind = media_type(request)
    try:
        if kind in ("application/yaml", "application/apply-patch+yaml", "application/x-yaml"):
            obj = yaml_body.load(request.body)
        elif kind in ("application/json", "text/plain", "application/octet-stream"):
            obj = orjson.loads(request.body)
        elif kind == protobuf.MEDIA_TYPE:
            obj = protobuf.decode(request.body)
        else:
            raise errors.unsupported_media_type(
                f"the body of the request was in an unknown format - accepted media types include: "
                f"application/json, application/yaml, {protobuf.MEDIA_TYPE}; got {kind}"
            )
    except (orjson.JSONDecodeError, ValueError) as error:
        raise errors.bad_request(f"the request's body cannot be read: {error}") from None
    if not isinstance(obj, dict):
        raise errors.bad_request("the request's body is not an object")
    return obj


def check_kind(obj: Object, info: ResourceInfo, version: str) -> None:
    """Hold an object's apiVersion and kind against the URL's; what is missing is filled in."""
    api_version, kind = info.api_version(version), info.kind
    if obj.get("kind", kind) != kind or obj.get("apiVersion", api_version) != api_version:
        given = str(obj.get("apiVersion", ""))
        what = f"{given.rpartition('/')[2]}.{obj.get('kind', '')}"
        raise errors.bad_request(
            f'{obj.get("kind", "")} in version "{given}" cannot be handled as a {kind}: converting ({what}) to '
            f'({info.group.partition(".")[0] or "core"}.{kind}): expected {kind} in version "{api_version}"'
        )
    if not isinstance(obj.get("metadata") or {}, dict):
        raise errors.bad_request("metadata is not an object")
    obj["apiVersion"], obj["kind"] = api_version, kind
    obj["metadata"] = obj.get("metadata") or {}


def check_place(obj: Object, info: ResourceInfo, namespace: str, name: str) -> None:
    """Hold an object's namespace and name against the URL's; a missing namespace is filled in."""
    metadata = obj["metadata"]
    if info.namespaced:
        if (metadata.get("namespace") or namespace) != namespace:
            raise errors.bad_request(
                "the namespace of the provided object does not match the namespace sent on the request"
            )
        metadata["namespace"] = namespace
    else:
        metadata.pop("namespace", None)
    if name and (metadata.get("name") or name) != name:
        raise errors.bad_request(
            f"the name of the object ({metadata['name']}) does not match the name on the URL ({name})"
        )
    if name:
        metadata["name"] = name


def check_named(obj: Object, name: str) -> None:
    """See that what replaces an object says which one it is. Raises ApiError (400): an empty body replaces nothing."""
    metadata = obj.get("metadata")
    if not isinstance(metadata, dict) or not metadata.get("name"):
        told = f"the name of the object ({name} based on URL) was undeterminable: name must be provided"
        raise errors.bad_request(told)


def without_nulls(value: Any) -> Any:
    """A copy of a value without members that are null: typed servers drop them as they decode."""
    try:
        raw = orjson.dumps(value)
    except orjson.JSONEncodeError:  # nested more deeply than it goes: what is unknown down there may still be dropped
        return _without_nulls(value)
    return _without_nulls(value) if b"null" in raw else orjson.loads(raw)


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_without_nulls(item) for item in value]
    return value


def decode_object(request: Request, info: ResourceInfo, name: str = "", known: Object | None = None) -> Object:
    """The body as an object of the URL's kind, in the version that is stored; ``known`` as ``conform`` takes it."""
    obj = decode(request)
    version = request.info.api_version
    check_kind(obj, info, version)
    if name:
        check_named(obj, name)
    check_place(obj, info, request.info.namespace, name)
    obj = conform(obj, info, version, request.query.get("fieldValidation", ""), request.warnings, known=known)
    return to_storage(info, version, obj)


def dry_run(request: Request, options: Object | None = None) -> bool:
    """Whether nothing may be kept. Raises ApiError for a value other than All."""
    wanted = request.query.getall("dryRun", []) or (options or {}).get("dryRun") or []
    if any(value != "All" for value in wanted):
        told = f'Unsupported value: {orjson.dumps(list(wanted)).decode()}: supported values: "All"'
        raise wrong_option(options_kind(request.method), FieldError("dryRun", "FieldValueNotSupported", told))
    return bool(wanted)
