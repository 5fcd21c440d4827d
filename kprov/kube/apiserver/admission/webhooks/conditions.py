"""matchConditions: expressions in CEL that say whether a webhook wants to hear of a write."""

from __future__ import annotations

from typing import Any

from kprov.kube.apiserver.cel import authorizer
from kprov.kube.apiserver.cel.expressions import CelError, compiled

Object = dict[str, Any]

VARIABLES = ("object", "oldObject", "request", "authorizer")
_REQUEST = ("kind", "resource", "requestKind", "requestResource", "operation", "dryRun", "options")
_TEXTS = ("name", "namespace", "subResource", "requestSubResource")


class ConditionFailed(Exception):
    """A condition can't be evaluated; the text names it."""


def values_of(request: Object) -> Object:
    """What expressions see of an AdmissionReview's request."""
    user = {"username": "", "uid": "", "groups": [], "extra": {}, **request["userInfo"]}
    told = {**{name: request.get(name) for name in _REQUEST}, **{name: request.get(name) or "" for name in _TEXTS}}
    asked = {
        "group": request["requestResource"]["group"], "resource": request["requestResource"]["resource"],
        "subresource": request.get("subResource"), "namespace": request.get("namespace"), "name": request.get("name"),
    }  # fmt: skip
    return {
        "object": request["object"],
        "oldObject": request["oldObject"],
        "request": {**told, "userInfo": user},
        authorizer.VARIABLE: authorizer.variable({key: value for key, value in asked.items() if value}),
    }


def hold(conditions: tuple[Object, ...], request: Object) -> bool:
    """Whether all of a webhook's conditions hold for an AdmissionReview's request.

    Raises:
        ConditionFailed: one can't be evaluated, and no other says no.
    """
    values = values_of(request)
    failed: list[str] = []
    for each in conditions:
        try:
            if compiled(each["expression"], VARIABLES).evaluate(values) is not True:
                return False
        except CelError as error:
            failed.append(f"expression '{each['expression']}' resulted in error: {error}")
    if failed:
        raise ConditionFailed(failed[0] if len(failed) == 1 else f"[{', '.join(failed)}]")
    return True
