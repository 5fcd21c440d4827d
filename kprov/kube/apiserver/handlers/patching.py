"""PATCH, and the patches that a request may carry."""

from __future__ import annotations

from typing import Any

import orjson

from kprov.kube.api import errors
from kprov.kube.api.patches import PatchError, apply_json_patch, apply_merge_patch, apply_strategic_merge_patch
from kprov.kube.apiserver.extensions import kinds
from kprov.kube.apiserver.handlers import bodies
from kprov.kube.apiserver.handlers.conformance import conform
from kprov.kube.apiserver.handlers.parts import Parts
from kprov.kube.apiserver.handlers.update import Update
from kprov.kube.apiserver.http.message import Request, Response
from kprov.kube.apiserver.output.render import Renderer
from kprov.kube.apiserver.request_options import wrong_option
from kprov.kube.apiserver.resources.info import ResourceInfo
from kprov.kube.apiserver.strategy.base import forbidden
from kprov.kube.apiserver.versions import from_storage, to_storage

Object = dict[str, Any]

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_MERGE_PATCH = "application/strategic-merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"


class Patch:
    """A patch, ready to be applied as often as needed."""

    def __init__(self, kind: str, value: Any, info: ResourceInfo, version: str) -> None:
        self._kind = kind
        self._value = value
        self._info = info
        self._version = version
        self._custom = kinds.find(*info.key) is not None

    @classmethod
    def of(cls, request: Request, info: ResourceInfo) -> Patch:
        """The patch of a request. Raises ApiError where it cannot be read."""
        kind = bodies.media_type(request)
        custom = kinds.find(*info.key) is not None
        if kind not in (JSON_PATCH, MERGE_PATCH, STRATEGIC_MERGE_PATCH, APPLY_PATCH) or (
            custom and kind == STRATEGIC_MERGE_PATCH
        ):
            strategic = "" if custom else f"{STRATEGIC_MERGE_PATCH}, "
            raise errors.unsupported_media_type(
                "the body of the request was in an unknown format - accepted media types include: "
                f"{JSON_PATCH}, {MERGE_PATCH}, {strategic}{APPLY_PATCH}"
            )
        if kind == APPLY_PATCH:  # of a Scale: of objects themselves it is no patch of this kind
            value: Any = bodies.decode(request)
        else:
            try:
                value = orjson.loads(request.body)
            except orjson.JSONDecodeError as error:
                raise errors.bad_request(f"error decoding patch: {error}") from None
        return cls(kind, value, info, request.info.api_version)

    def apply(self, obj: Object) -> Object:
        """A patched copy. Raises ApiError where the patch does not fit."""
        schema = f"{self._info.group}/{self._version}/{self._info.kind}"
        try:
            if self._kind == JSON_PATCH:
                new = apply_json_patch(obj, self._value)
            elif self._kind == MERGE_PATCH:
                new = apply_merge_patch(obj, self._value)
            else:
                new = apply_strategic_merge_patch(obj, self._value, schema)
        except PatchError as error:
            if error.unprocessable:
                raise errors.make(422, "Invalid", f"the server rejected our request due to an error in our request: {error}") from None  # fmt: skip # noqa: E501
            raise errors.bad_request(str(error)) from None
        if not isinstance(new, dict) or not isinstance(new.get("metadata"), dict):
            raise errors.bad_request("the patched object is not an object with metadata")
        if self._custom:  # a custom kind may know null
            return new
        return {
            name: value if value is obj.get(name) else bodies.without_nulls(value)
            for name, value in new.items()
            if value is not None
        }


async def patch(parts: Parts, request: Request, info: ResourceInfo) -> Response:
    """PATCH: change what the patch names."""
    renderer = Renderer(request, info)
    change = Patch.of(request, info)
    dry = bodies.dry_run(request)
    if "force" in request.query:
        raise wrong_option("PatchOptions", forbidden("force", "may not be specified for non-apply patch"))
    version = request.info.api_version

    def make_new(current: Object) -> Object:
        shown = from_storage(info, version, current)
        new = change.apply(shown)
        bodies.check_kind(new, info, version)
        bodies.check_named(new, request.info.name)
        bodies.check_place(new, info, request.info.namespace, request.info.name)
        noted: list[str] = []
        validation = request.query.get("fieldValidation", "")
        new = conform(new, info, version, validation, noted, patched=True, known=shown)
        request.warnings.extend(text for text in noted if text not in request.warnings)
        return to_storage(info, version, new)

    entry = await Update(parts, request, info, dry_run=dry, options_kind="PatchOptions").run(make_new)
    return renderer.entry(entry)
