"""matchConditions: expressions in CEL that say whether a webhook wants to hear of a write."""

from __future__ import annotations

from typing import Any

from kprov.kube.apiserver.cel.expressions import CelError, compiled

Object = dict[str, Any]

VARIABLES = ("object", "oldObject", "request")
_REQUEST = ("kind", "resource", "requestKind", "requestResource", "operation", "dryRun", "options")
_TEXTS = ("name", "namespace", "subResource", "requestSubResource")


class ConditionFailed(Exception):
    """A condition can't be evaluated; the text names it."""


def hold(conditions: tuple[Object, ...], request: Object) -> bool:
    """Whether all of a webhook's conditions hold for an AdmissionReview's request.

    Raises:
        ConditionFailed: one can't be evaluated, and no other says no.
    """
    user = {"username": "", "uid": "", "groups": [], "extra": {}, **request["userInfo"]}
    told = {**{name: request.get(name) for name in _REQUEST}, **{name: request.get(name) or "" for name in _TEXTS}}
    values = {"object": request["object"], "oldObject": request["oldObject"], "request": {**told, "userInfo": user}}
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
