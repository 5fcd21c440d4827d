"""Webhooks of a real HTTPS server: they change, refuse, warn, fail and take their time."""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hook_server import Hooks

from kprov.lab.control_plane.authority import Authority


@pytest.fixture
def place(kubectl) -> Iterator[str]:  # type: ignore[no-untyped-def]
    """A namespace, and a name for configurations, both gone afterwards."""
    name = f"hooks-{uuid.uuid4().hex[:6]}"
    kubectl("create", "namespace", name)
    yield name
    for kind in ("mutatingwebhookconfiguration", "validatingwebhookconfiguration"):
        kubectl("delete", kind, name, "--ignore-not-found")
    kubectl("delete", "namespace", name, "--wait=false")


def patch(*operations: dict[str, Any]) -> dict[str, Any]:
    return {"patchType": "JSONPatch", "patch": base64.b64encode(json.dumps(operations).encode()).decode()}


def test_webhooks_change_objects_and_are_asked_again(kubectl, hooks: Hooks, place: str) -> None:  # type: ignore[no-untyped-def]
    hooks.answers["/first"] = patch({"op": "add", "path": "/data/first", "value": "1"})
    hooks.answers["/second"] = patch({"op": "add", "path": "/data/second", "value": "2"})
    text = hooks.configuration(
        "MutatingWebhookConfiguration", place, "/first", "/second", namespace=place, reinvocationPolicy="IfNeeded"
    )
    kubectl("create", "-f", "-", stdin=text)
    kubectl("create", "configmap", "a", "-n", place, "--from-literal=own=0")
    found = json.loads(kubectl("get", "configmap", "a", "-n", place, "-o", "json"))
    assert found["data"] == {"own": "0", "first": "1", "second": "2"}
    assert [path for path, _ in hooks.asked] == ["/first", "/second", "/first"]
    request = hooks.asked[0][1]["request"]
    assert request["operation"] == "CREATE" and request["object"]["data"] == {"own": "0"}
    assert request["resource"] == {"group": "", "version": "v1", "resource": "configmaps"}
    assert request["userInfo"]["username"] and request["namespace"] == place


def test_webhooks_refuse_and_warn(kubectl, hooks: Hooks, place: str) -> None:  # type: ignore[no-untyped-def]
    kubectl("create", "configmap", "kept", "-n", place)
    kubectl(
        "create", "-f", "-", stdin=hooks.configuration("ValidatingWebhookConfiguration", place, "/no", namespace=place)
    )
    hooks.answers["/no"] = {"allowed": False, "status": {"code": 403, "message": "not on a Sunday"}}
    said = kubectl("create", "configmap", "b", "-n", place, ok=False)
    assert 'admission webhook "no.hooks.example.org" denied the request: not on a Sunday' in said
    assert "denied the request" in kubectl("delete", "configmap", "kept", "-n", place, ok=False)
    assert hooks.asked[-1][1]["request"]["oldObject"]["metadata"]["name"] == "kept"
    kubectl("create", "configmap", "elsewhere")
    kubectl("delete", "configmap", "elsewhere")
    hooks.answers["/no"] = {"allowed": True, "warnings": ["this will be refused on Sundays"]}
    kubectl("create", "configmap", "c", "-n", place, "--dry-run=server")
    assert hooks.asked[-1][1]["request"]["dryRun"] is True


@pytest.mark.parametrize(("policy", "passes"), [("Fail", False), ("Ignore", True)])
def test_what_fails_is_refused_or_passed_over(kubectl, hooks: Hooks, place: str, policy: str, passes: bool) -> None:  # type: ignore[no-untyped-def]
    text = hooks.configuration(
        "ValidatingWebhookConfiguration", place, "/slow", namespace=place, failurePolicy=policy, timeoutSeconds=1
    )
    kubectl("create", "-f", "-", stdin=text)
    said = kubectl("create", "configmap", "d", "-n", place, ok=passes)
    assert passes or 'failed calling webhook "slow.hooks.example.org"' in said


def test_a_webhook_of_an_unknown_authority_is_not_believed(kubectl, hooks: Hooks, place: str, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    other = tmp_path / "other"
    Authority(other)
    hooks.bundle = base64.b64encode((other / "ca.crt").read_bytes()).decode()
    kubectl(
        "create", "-f", "-", stdin=hooks.configuration("ValidatingWebhookConfiguration", place, "/x", namespace=place)
    )
    assert "certificate verify failed" in kubectl("create", "configmap", "e", "-n", place, ok=False).lower()
    assert not hooks.asked


def test_what_webhooks_add_is_completed_by_the_others(kubectl, hooks: Hooks, place: str) -> None:  # type: ignore[no-untyped-def]
    """A container that a webhook adds gets the defaults of a LimitRange, whose plugin is asked before webhooks."""
    limit = {"type": "Container", "default": {"cpu": "1"}, "defaultRequest": {"cpu": "500m"}}
    ranged = {"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "l"}, "spec": {"limits": [limit]}}
    kubectl("create", "-n", place, "-f", "-", stdin=json.dumps(ranged))
    kubectl("create", "serviceaccount", "default", "-n", place)
    hooks.answers["/add"] = patch({"op": "add", "path": "/spec/containers/-", "value": {"name": "side", "image": "x"}})
    configuration = json.loads(hooks.configuration("MutatingWebhookConfiguration", place, "/add", namespace=place))
    configuration["webhooks"][0]["rules"][0] |= {"resources": ["pods"], "operations": ["CREATE"]}
    configuration["webhooks"][0]["matchConditions"] = [
        {"name": "marked", "expression": "has(object.metadata.labels) && 'side' in object.metadata.labels"}
    ]
    kubectl("create", "-f", "-", stdin=json.dumps(configuration))
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "labels": {"side": "yes"}},
           "spec": {"containers": [{"name": "main", "image": "x"}]}}  # fmt: skip
    kubectl("create", "-n", place, "-f", "-", stdin=json.dumps(pod))
    found = json.loads(kubectl("get", "pod", "a", "-n", place, "-o", "json"))["spec"]["containers"]
    assert [(each["name"], each["resources"]["requests"]["cpu"]) for each in found] == [
        ("main", "500m"),
        ("side", "500m"),
    ]
    assert all(len(each["volumeMounts"]) == 1 for each in found)  # the account's token, by ServiceAccount
    pod["metadata"] = {"name": "b"}
    kubectl("create", "-n", place, "-f", "-", stdin=json.dumps(pod))
    found = json.loads(kubectl("get", "pod", "b", "-n", place, "-o", "json"))["spec"]["containers"]
    assert len(found) == 1 and len(hooks.asked) == 1


def test_webhooks_hear_of_scales_as_scales(kubectl, hooks: Hooks, place: str) -> None:  # type: ignore[no-untyped-def]
    kubectl("create", "deployment", "web", "--image=x", "-n", place)
    configuration = json.loads(hooks.configuration("MutatingWebhookConfiguration", place, "/scale", namespace=place))
    rule = {"apiGroups": ["apps"], "resources": ["deployments/scale"], "operations": ["UPDATE"]}
    configuration["webhooks"][0]["rules"][0] |= rule
    kubectl("create", "-f", "-", stdin=json.dumps(configuration))
    hooks.answers["/scale"] = patch({"op": "replace", "path": "/spec/replicas", "value": 2})
    kubectl("scale", "deployment", "web", "--replicas=5", "-n", place)
    assert kubectl("get", "deployment", "web", "-n", place, "-o", "jsonpath={.spec.replicas}") == "2"
    (asked,) = [request["request"] for _, request in hooks.asked]
    assert asked["kind"] == {"group": "autoscaling", "version": "v1", "kind": "Scale"}
    assert asked["resource"]["resource"] == "deployments" and asked["subResource"] == "scale"
    assert asked["object"]["spec"] == {"replicas": 5} and asked["oldObject"]["spec"] == {"replicas": 1}
    kubectl("set", "image", "deployment/web", "x=y", "-n", place)  # no scale: not heard of
    assert len(hooks.asked) == 1
