"""Which writes a webhook hears of, and which answers of one are no answers."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from kprov.kube.apiserver.admission.attributes import AdmissionAttributes
from kprov.kube.apiserver.admission.webhooks.conditions import ConditionFailed, hold
from kprov.kube.apiserver.admission.webhooks.configured import Configured, Webhook
from kprov.kube.apiserver.admission.webhooks.reinvocation import Invocations
from kprov.kube.apiserver.admission.webhooks.review import patched, question, read_answer
from kprov.kube.apiserver.request import UserInfo
from kprov.kube.apiserver.resources import RESOURCES
from kprov.kube.apiserver.services.failures import CallFailed


class Source:
    def __init__(self, configuration: dict[str, Any]) -> None:
        self._configuration = configuration

    def cached_get(self, resource: object, namespace: str, name: str) -> None:
        return None

    def subscribe(self, resource: object, callback: Any) -> None:
        callback(None, self._configuration)


def webhook(rule: dict[str, Any], **more: Any) -> Webhook:
    whole = {"operations": ["*"], "apiGroups": ["*"], "apiVersions": ["*"], "resources": ["*"], "scope": "*", **rule}
    hook = {"name": "h", "rules": [whole], "admissionReviewVersions": ["v1"], **more}
    (found,) = Configured(
        Source({"metadata": {"name": "c"}, "webhooks": [hook]}), ("admissionregistration.k8s.io", "x")
    ).webhooks()
    return found


def write(group: str, plural: str, **more: Any) -> AdmissionAttributes:
    return AdmissionAttributes(
        **{
            "user": UserInfo("a"),
            "operation": "CREATE",
            "resource_info": RESOURCES[group, plural],
            "namespace": "default" if RESOURCES[group, plural].namespaced else "",
            "obj": {"kind": "x", "metadata": {"labels": {"a": "1"}}},
            **more,
        }
    )


@pytest.mark.parametrize(
    ("rule", "attrs", "heard"),
    [
        ({}, write("", "pods"), True),
        ({"operations": ["UPDATE"]}, write("", "pods"), False),
        ({"apiGroups": [""]}, write("apps", "deployments"), False),
        ({"apiGroups": ["apps"], "resources": ["deployments"]}, write("apps", "deployments"), True),
        ({"resources": ["pods"]}, write("", "pods", subresource="status"), False),
        ({"resources": ["pods/status"]}, write("", "pods", subresource="status"), True),
        ({"resources": ["pods/*"]}, write("", "pods", subresource="exec"), True),
        ({"resources": ["*/*"]}, write("", "pods", subresource="exec"), True),
        ({"scope": "Cluster"}, write("", "pods"), False),
        ({"scope": "Cluster"}, write("", "namespaces", namespace="default"), True),
        ({"scope": "Namespaced"}, write("", "nodes"), False),
        ({}, write("admissionregistration.k8s.io", "validatingwebhookconfigurations"), False),
    ],
)
def test_rules_name_writes(rule: dict[str, Any], attrs: AdmissionAttributes, heard: bool) -> None:
    assert (webhook(rule).version_for(attrs) is not None) is heard


def test_other_versions_of_a_kind_are_heard_of_unless_the_match_is_exact() -> None:
    attrs = write("autoscaling", "horizontalpodautoscalers", version="v2")
    rule = {"apiVersions": ["v1"]}
    assert webhook(rule).version_for(attrs) == "v1"
    assert webhook(rule, matchPolicy="Exact").version_for(attrs) is None


@pytest.mark.parametrize(
    ("selectors", "namespace", "selected"),
    [
        ({}, {}, True),
        ({"namespaceSelector": {"matchLabels": {"n": "1"}}}, {}, False),
        ({"namespaceSelector": {"matchLabels": {"n": "1"}}}, {"n": "1"}, True),
        ({"namespaceSelector": {"matchLabels": {"n": "1"}}}, None, True),
        ({"objectSelector": {"matchLabels": {"a": "1"}}}, {}, True),
        ({"objectSelector": {"matchLabels": {"a": "2"}}}, {}, False),
    ],
)
def test_selectors_take_writes(selectors: dict[str, Any], namespace: dict[str, str] | None, selected: bool) -> None:
    assert webhook({}, **selectors).selects(write("", "pods"), namespace) is selected


def test_what_has_no_labels_is_not_selected_by_them() -> None:
    without = {"matchExpressions": [{"key": "a", "operator": "DoesNotExist"}]}
    assert webhook({}, objectSelector=without).selects(write("", "pods", obj={"metadata": {}}), {})
    for obj in (None, {"kind": "PodExecOptions"}):
        assert not webhook({}, objectSelector=without).selects(write("", "pods", obj=obj), {})
        assert webhook({}).selects(write("", "pods", obj=obj), {})


@pytest.mark.parametrize(
    ("expressions", "holds"),
    [
        (["object.metadata.labels.a == '1'"], True),
        (["request.operation == 'CREATE'", "request.userInfo.username != 'a'"], False),
        (["request.userInfo.groups.size() == 0 && request.namespace == 'default' && oldObject == null"], True),
        (["object.metadata.nope == 1", "false"], False),  # who says no decides, whatever else fails
    ],
)
def test_conditions_choose_writes(expressions: list[str], holds: bool) -> None:
    conditions = tuple({"name": f"c{index}", "expression": text} for index, text in enumerate(expressions))
    attrs = write("", "pods")
    assert hold(conditions, question(attrs, "v1", attrs.obj, None)["request"]) is holds
    failing, request = ({"name": "x", "expression": "object.nope == 1"},), question(attrs, "v1", attrs.obj, None)
    with pytest.raises(ConditionFailed, match="no such key: nope"):
        hold(failing, request["request"])


def test_who_saw_an_object_before_it_changed_is_asked_again_once() -> None:
    asked = Invocations(earlier={("c", "first")})
    asked.changed()
    asked.earlier.add(("c", "second"))
    asked.end({"x": 1})
    asked.begin_second({"x": 1})
    assert asked.due == {("c", "first")}
    asked.begin_second({"x": 2})  # by another plugin, between the rounds
    assert asked.due == {("c", "first"), ("c", "second")}


ASKED = {"apiVersion": "admission.k8s.io/v1", "request": {"uid": "u"}}


def told(response: Any, **more: Any) -> dict[str, Any]:
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response, **more}


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ({}, "no response"),
        (told({"uid": "u", "allowed": True}, apiVersion="admission.k8s.io/v1beta1"), "expected webhook response"),
        (told({"uid": "other", "allowed": True}), 'expected response.uid="u"'),
        (told({"uid": "u", "allowed": True, "patch": "W10="}), "patchType"),
        (told({"uid": "u", "allowed": True, "patch": "%", "patchType": "JSONPatch"}), "patch: illegal base64 data"),
        (told({"uid": "u", "allowed": "false"}), "allowed of type bool"),
        (told({"uid": "u", "allowed": True, "warnings": "no"}), "warnings of type"),
        (told({"uid": "u", "allowed": True, "warnings": [3]}), "of type string"),
        (told({"uid": "u", "allowed": True, "auditAnnotations": {"a": 1}}), "of type string"),
        (told({"uid": "u", "allowed": False, "status": {"details": "x"}}), "details of type"),
    ],
)
def test_an_answer_that_is_none_is_a_failure(answer: dict[str, Any], message: str) -> None:
    with pytest.raises(CallFailed, match=message):
        read_answer(webhook({}), ASKED, answer)


@pytest.mark.parametrize("code", [200, 0, -1, 999, 9999])
def test_a_refusal_is_an_error_whatever_code_it_names(code: int) -> None:
    answer = read_answer(webhook({}), ASKED, told({"uid": "u", "allowed": False, "status": {"code": code}}))
    assert answer.refusal is not None
    assert answer.refusal.code == 400
    assert answer.refusal.message == 'admission webhook "h" denied the request without explanation'


@pytest.mark.parametrize(
    "patch", [[{"op": "remove", "path": "/metadata"}], [{"op": "test", "path": "/a", "value": 1}], {}]
)
def test_a_patch_that_does_not_fit_is_a_failure(patch: Any) -> None:
    with pytest.raises(CallFailed):
        patched({"metadata": {"name": "a"}}, patch)


def test_a_patch_is_read_from_base64() -> None:
    packed = base64.b64encode(b'[{"op":"add","path":"/x","value":1}]').decode()
    answer = read_answer(
        webhook({}), ASKED, told({"uid": "u", "allowed": True, "patch": packed, "patchType": "JSONPatch"})
    )
    assert answer.patch is not None
    assert patched({"metadata": {}}, answer.patch) == {"metadata": {}, "x": 1}


@pytest.mark.parametrize(
    ("place", "value"), [("/metadata/namespace", "kube-system"), ("/kind", "Pod"), ("/apiVersion", "apps/v1")]
)
def test_no_patch_makes_another_object(place: str, value: str) -> None:
    shown = {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "a", "namespace": "n"}}
    with pytest.raises(CallFailed, match="its patch changes"):
        patched(shown, [{"op": "replace", "path": place, "value": value}])


def test_what_a_webhook_has_to_say_to_the_audit_log() -> None:
    answer = read_answer(webhook({}), ASKED, told({"uid": "u", "allowed": True, "auditAnnotations": {"who": "me"}}))
    assert answer.notes == {"h/who": "me"}
