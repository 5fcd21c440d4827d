"""AdmissionReview: the question that a webhook is asked about a write, and its answer."""

from __future__ import annotations

import base64
import binascii
import uuid
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import orjson

from kprov.kube.api import errors
from kprov.kube.api.errors import ApiError
from kprov.kube.api.patches import PatchError, apply_json_patch
from kprov.kube.apiserver.admission.attributes import AdmissionAttributes
from kprov.kube.apiserver.admission.webhooks.configured import Webhook
from kprov.kube.apiserver.handlers.conformance import held_against
from kprov.kube.apiserver.services.failures import CallFailed

Object = dict[str, Any]
_SPOKEN = ("v1", "v1beta1")
_NO_MORE_CODES = 600


@dataclass(frozen=True, slots=True)
class Answer:
    """What a webhook says of a write."""

    refusal: ApiError | None = None
    patch: list[Any] | None = None
    warnings: list[str] = field(default_factory=list)
    notes: dict[str, str] = field(default_factory=dict)  # for the audit log


def review_version(hook: Webhook) -> str:
    """The version of AdmissionReview to speak. Raises CallFailed where there is none in common."""
    for version in hook.review_versions:
        if version in _SPOKEN:
            return version
    raise CallFailed(f"it speaks AdmissionReview {', '.join(hook.review_versions)}, not v1 or v1beta1")


def question(attrs: AdmissionAttributes, version: str, obj: Object | None, old_obj: Object | None) -> Object:
    """The AdmissionReview that asks about a write, its objects in the version that the webhook wants; whoever sends it
    says in which version it is itself."""
    info = attrs.resource_info

    shown = obj or old_obj or {}

    def kind(of: str) -> Object:
        if shown.get("kind", info.kind) != info.kind and "apiVersion" in shown:  # a subresource's own
            group, _, version = str(shown["apiVersion"]).rpartition("/")
            return {"group": group, "version": version, "kind": shown["kind"]}
        return {"group": info.group, "version": of, "kind": info.kind}

    def resource(of: str) -> Object:
        return {"group": info.group, "version": of, "resource": info.plural}

    request: Object = {
        "uid": str(uuid.uuid4()),
        "kind": kind(version),
        "resource": resource(version),
        "requestKind": kind(attrs.version),
        "requestResource": resource(attrs.version),
        "name": attrs.name,
        "operation": attrs.operation,
        "userInfo": attrs.user.as_dict(),
        "object": obj,
        "oldObject": old_obj,
        "dryRun": attrs.dry_run,
        "options": attrs.options or None,
    }
    if attrs.subresource:
        request |= {"subResource": attrs.subresource, "requestSubResource": attrs.subresource}
    if attrs.namespace:
        request["namespace"] = attrs.namespace
    return {"kind": "AdmissionReview", "request": request}


def read_answer(hook: Webhook, asked: Object, told: Object) -> Answer:
    """What a webhook's AdmissionReview says. Raises CallFailed where it says nothing that is to be understood."""
    response = told.get("response")
    if not isinstance(response, dict):
        raise CallFailed("its answer has no response")
    strict = asked["apiVersion"].endswith("/v1")
    if strict and (told.get("apiVersion"), told.get("kind")) != (asked["apiVersion"], "AdmissionReview"):
        raise CallFailed(f"expected webhook response of {asked['apiVersion']}, Kind=AdmissionReview")
    try:  # "false" is no answer, and must not be taken for yes
        response = held_against("admission.v1.AdmissionResponse", response, "its response")
    except ApiError as error:
        raise CallFailed(error.message) from None
    if strict and response.get("uid") != asked["request"]["uid"]:
        raise CallFailed(f'expected response.uid="{asked["request"]["uid"]}", got "{response.get("uid")}"')
    warnings: list[str] = response.get("warnings") or []
    notes = {f"{hook.name}/{key}": text for key, text in (response.get("auditAnnotations") or {}).items()}
    if not response.get("allowed"):
        return Answer(_refusal(hook, response.get("status") or {}), None, warnings, notes)
    if not response.get("patch"):
        return Answer(None, None, warnings, notes)
    if response.get("patchType", None if strict else "JSONPatch") != "JSONPatch":
        raise CallFailed(f"its patchType is {response.get('patchType')!r}, only JSONPatch is known")
    try:
        patch = orjson.loads(base64.b64decode(response["patch"], validate=True))
    except (binascii.Error, TypeError, ValueError):
        raise CallFailed("its patch is not a JSON patch in base64") from None
    return Answer(None, patch, warnings, notes)


def _refusal(hook: Webhook, said: Object) -> ApiError:
    begun = f'admission webhook "{hook.name}" denied the request'
    words = said.get("message") or said.get("reason")
    text = f"{begun}: {words}" if words else f"{begun} without explanation"
    code = said.get("code") or 0
    code = code if HTTPStatus.BAD_REQUEST <= code < _NO_MORE_CODES else int(HTTPStatus.BAD_REQUEST)
    return errors.make(code, said.get("reason") or "", text, **(said.get("details") or {}))


def _namespace(obj: Object) -> Any:
    return (obj.get("metadata") or {}).get("namespace")


def patched(obj: Object, patch: list[Any]) -> Object:
    """An object with a webhook's patch. Raises CallFailed where the patch does not fit, or makes another's object."""
    try:
        new = apply_json_patch(obj, patch)
    except PatchError as error:
        raise CallFailed(f"its patch can't be applied: {error}") from None
    if not isinstance(new, dict) or not isinstance(new.get("metadata"), dict):
        raise CallFailed("its patch leaves no object with metadata")
    for place, before, after in (
        ("kind", obj.get("kind"), new.get("kind")),
        ("apiVersion", obj.get("apiVersion"), new.get("apiVersion")),
        ("metadata.namespace", _namespace(obj), _namespace(new)),
    ):
        if before and before != after:
            raise CallFailed(f"its patch changes {place} from {before!r} to {after!r}")
    return new
