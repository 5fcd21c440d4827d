"""Questions that are answered and not stored: who is this, and may they?"""

from __future__ import annotations

import inspect
from typing import Any

from kprov.kube.api import errors
from kprov.kube.apiserver.handlers import bodies
from kprov.kube.apiserver.handlers.conformance import conform
from kprov.kube.apiserver.handlers.parts import Parts
from kprov.kube.apiserver.http.message import Request, Response, json_response
from kprov.kube.apiserver.request import RequestInfo, UserInfo
from kprov.kube.apiserver.resources.info import ResourceInfo

Object = dict[str, Any]


async def review(parts: Parts, request: Request, info: ResourceInfo) -> Response:
    """Answer a review of any kind."""
    obj = bodies.decode(request)
    bodies.check_kind(obj, info, request.info.api_version)
    spec = _spec(obj, request, info)
    match info.plural:
        case "tokenreviews":
            if not spec.get("token"):
                raise errors.bad_request("token is required for TokenReview in authentication")
            status = parts.authenticator.review_token(spec["token"], tuple(spec.get("audiences") or ()))
            obj["status"] = await status if inspect.isawaitable(status) else status
        case "selfsubjectreviews":
            obj["status"] = {"userInfo": request.user.as_dict()}
        case "selfsubjectrulesreviews":
            obj["status"] = await _rules(parts, request.user, spec)
        case "selfsubjectaccessreviews":
            obj["status"] = await _access(parts, request.user, spec)
        case _:
            obj["status"] = await _access(parts, _user(spec), _local(spec, info, request))
    obj["metadata"].setdefault("creationTimestamp", None)
    return json_response(obj, 201)


def _spec(obj: Object, request: Request, info: ResourceInfo) -> Object:
    """What is asked, held against its type. Raises ApiError (400)."""
    asked = obj.get("spec")
    if isinstance(asked, dict) and "group" in asked and request.info.api_version == "v1beta1":
        asked = {**asked, "groups": asked["group"]}  # what v1 calls it
        del asked["group"]
    version, validation = request.info.api_version, request.query.get("fieldValidation", "")
    if asked is not None:  # a SelfSubjectReview has none
        obj = {**obj, "spec": asked}
    typed = conform(obj, info, version, validation, request.warnings)
    return typed.get("spec") or {}


def _user(spec: Object) -> UserInfo:
    groups = spec.get("groups") or ()
    if not spec.get("user") and not groups:
        told = 'Invalid value: "": at least one of user or group must be specified'
        raise _invalid("spec.user", told)
    return UserInfo(spec.get("user") or "", spec.get("uid") or "", tuple(groups), spec.get("extra") or {})


def _invalid(field: str, told: str) -> errors.ApiError:
    cause = {"reason": "FieldValueInvalid", "message": told, "field": field}
    return errors.invalid("SubjectAccessReview", "", [cause], group="authorization.k8s.io")


def _local(spec: Object, info: ResourceInfo, request: Request) -> Object:
    if info.plural == "localsubjectaccessreviews":
        attributes = spec.get("resourceAttributes") or {}
        if attributes.get("namespace", "") != request.info.namespace:
            told = f'Invalid value: "{attributes.get("namespace", "")}": must match metadata.namespace'
            raise _invalid("spec.resourceAttributes.namespace", told)
    return spec


async def _access(parts: Parts, user: UserInfo, spec: Object) -> Object:
    resource, other = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    if (resource is None) == (other is None):
        if resource is not None:
            told = "cannot be specified in combination with resourceAttributes"
            raise _invalid("spec.nonResourceAttributes", f"Invalid value: {told}")
        told = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
        raise _invalid("spec.resourceAttributes", f"Invalid value: null: {told}")
    if resource is not None:
        asked = RequestInfo.of_attributes(resource, resource.get("version", ""))
    else:
        asked = RequestInfo(verb=(other or {}).get("verb", ""), path=(other or {}).get("path", ""))
    decision = await parts.authorizer.authorize(user, asked)
    status: Object = {"allowed": decision.allowed}
    if decision.reason:
        status["reason"] = decision.reason
    if getattr(decision, "denied", False) and not decision.allowed:
        status["denied"] = True
    return status


async def _rules(parts: Parts, user: UserInfo, spec: Object) -> Object:
    if not spec.get("namespace"):
        raise errors.bad_request("no namespace on request")
    found = parts.authorizer.rules_for(user, spec["namespace"])
    found = await found if inspect.isawaitable(found) else found
    status: Object = {
        "resourceRules": found.resource_rules,
        "nonResourceRules": found.non_resource_rules,
        "incomplete": found.incomplete,
    }
    if found.error:
        status["evaluationError"] = found.error
    return status
