"""The patches that a PATCH request may carry."""

from __future__ import annotations

from typing import Any

import orjson

from kprov.kube.api import errors
from kprov.kube.api.patches import PatchError, apply_json_patch, apply_merge_patch, apply_strategic_merge_patch
from kprov.kube.apiserver.extensions import kinds
from kprov.kube.apiserver.handlers import bodies
from kprov.kube.apiserver.http.message import Request
from kprov.kube.apiserver.resources.info import ResourceInfo

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
