"""Users' kinds in several versions, converted by a webhook: read, listed, watched, patched, applied, and what fails."""

from __future__ import annotations

import copy
import json
import subprocess
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from hook_server import Hooks

Object = dict[str, Any]


def convert(obj: Object, version: str) -> Object:
    """v1 has spec.host "a:80", v2 has spec.name and spec.port."""
    out = copy.deepcopy(obj)
    out["apiVersion"] = version
    spec = out.get("spec") or {}
    if version.endswith("/v2") and "host" in spec:
        name, _, port = spec.pop("host").partition(":")
        spec |= {"name": name, "port": int(port or 0)}
    elif version.endswith("/v1") and "name" in spec:
        spec["host"] = f"{spec.pop('name')}:{spec.pop('port', 0)}"
    out["metadata"]["uid"] = obj["metadata"].get("uid", "")
    return out


def answer(request: Object) -> Object:
    converted = [convert(each, request["desiredAPIVersion"]) for each in request["objects"]]
    return {"convertedObjects": converted, "result": {"status": "Success"}}


class Kind:
    """A kind of its own for each test."""

    def __init__(self, kubectl: Any, hooks: Hooks) -> None:
        self.kubectl, self.hooks = kubectl, hooks
        self.group = f"c{uuid.uuid4().hex[:6]}.example.org"
        hooks.answers["/convert"] = answer
        self.apply_definition("v1")
        kubectl("wait", "--for=condition=Established", f"crd/ends.{self.group}", "--timeout=150s")

    def apply_definition(self, stored: str) -> None:
        spec_of = {
            "v1": {"host": {"type": "string"}},
            "v2": {"name": {"type": "string", "maxLength": 9}, "port": {"type": "integer"}},
        }
        versions = [
            {
                "name": version, "served": True, "storage": version == stored,
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {
                    "spec": {"type": "object", "properties": {**properties, "replicas": {"type": "integer"}}},
                    "status": {"type": "object", "properties": {"replicas": {"type": "integer"}}}}}},
                "subresources": {"status": {}, "scale": {"specReplicasPath": ".spec.replicas",
                                                         "statusReplicasPath": ".status.replicas"}},
                "additionalPrinterColumns": [
                    {"name": name.title(), "type": properties[name]["type"], "jsonPath": f".spec.{name}"}
                    for name in properties],
            }
            for version, properties in spec_of.items()
        ]  # fmt: skip
        url = f"https://127.0.0.1:{self.hooks.server.server_port}/convert"
        webhook = {"clientConfig": {"url": url, "caBundle": self.hooks.bundle}, "conversionReviewVersions": ["v1"]}
        definition = {
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": f"ends.{self.group}"},
            "spec": {"group": self.group, "scope": "Namespaced", "names": {"plural": "ends", "kind": "End"},
                     "versions": versions, "conversion": {"strategy": "Webhook", "webhook": webhook}},
        }  # fmt: skip
        self.kubectl("apply", "-f", "-", stdin=json.dumps(definition))

    def make(self, version: str, name: str, /, **spec: object) -> str:
        return json.dumps(
            {"apiVersion": f"{self.group}/{version}", "kind": "End", "metadata": {"name": name}, "spec": spec}
        )

    def get(self, version: str, name: str, *more: str) -> Object:
        found: Object = json.loads(self.kubectl("get", f"ends.{version}.{self.group}", name, "-o", "json", *more))
        assert found["apiVersion"] == f"{self.group}/{version}"
        return found


@pytest.fixture
def kind(kubectl, hooks: Hooks) -> Iterator[Kind]:  # type: ignore[no-untyped-def]
    made = Kind(kubectl, hooks)
    yield made
    kubectl("delete", "crd", f"ends.{made.group}", "--ignore-not-found")


def test_every_version_shows_every_object(kubectl, kind: Kind) -> None:  # type: ignore[no-untyped-def]
    kubectl("create", "-f", "-", stdin=kind.make("v1", "a", host="one:80"))
    kubectl("create", "-f", "-", stdin=kind.make("v2", "b", name="two", port=81))
    assert kind.get("v2", "a")["spec"] == {"name": "one", "port": 80}
    assert kind.get("v1", "b")["spec"] == {"host": "two:81"}
    kind.apply_definition("v2")
    kubectl("create", "-f", "-", stdin=kind.make("v1", "c", host="three:82"))
    for version, specs in (
        ("v1", [{"host": "one:80"}, {"host": "two:81"}, {"host": "three:82"}]),
        ("v2", [{"name": "one", "port": 80}, {"name": "two", "port": 81}, {"name": "three", "port": 82}]),
    ):
        listed = json.loads(kubectl("get", "--raw", f"/apis/{kind.group}/{version}/ends"))["items"]
        assert [each["spec"] for each in listed] == specs
        assert {each["apiVersion"] for each in listed} == {f"{kind.group}/{version}"}
    assert [line.split() for line in kubectl("get", f"ends.v2.{kind.group}").splitlines()] == [
        ["NAME", "NAME", "PORT"], ["a", "one", "80"], ["b", "two", "81"], ["c", "three", "82"]
    ]  # fmt: skip
    status = json.loads(kubectl("get", "crd", f"ends.{kind.group}", "-o", "json"))["status"]
    assert status["storedVersions"] == ["v1", "v2"]
    # who has rewritten every object takes the old version from the list; the stored one stays
    forget = ("patch", "crd", f"ends.{kind.group}", "--subresource=status", "--type=merge", "-p")
    refused = kubectl(*forget, '{"status": {"storedVersions": ["v1"]}}', ok=False)
    assert "status.storedVersions: Invalid value" in refused and "must have the storage version v2" in refused
    kubectl(*forget, '{"status": {"storedVersions": ["v2"]}}')
    kubectl("delete", f"ends.v1.{kind.group}", "a")


def test_changes_come_in_the_version_of_who_makes_them(kubectl, kind: Kind) -> None:  # type: ignore[no-untyped-def]
    resource = f"ends.v2.{kind.group}"
    kubectl("create", "-f", "-", stdin=kind.make("v1", "a", host="one:80"))
    kubectl("patch", resource, "a", "--type=merge", "-p", '{"spec": {"port": 90}}')
    assert kind.get("v1", "a")["spec"] == {"host": "one:90"}
    kubectl("patch", resource, "a", "--type=json", "-p", '[{"op": "replace", "path": "/spec/name", "value": "uno"}]')
    assert kind.get("v1", "a")["spec"] == {"host": "uno:90"}
    refused = kubectl("patch", resource, "a", "--type=merge", "-p", '{"spec": {"name": "much-too-long"}}', ok=False)
    assert "spec.name: Too long" in refused or "should be at most 9 chars long" in refused
    kubectl("scale", resource, "a", "--replicas=3")
    kubectl("patch", resource, "a", "--subresource=status", "--type=merge", "-p", '{"status": {"replicas": 2}}')
    found = kind.get("v1", "a")
    assert found["spec"]["replicas"] == 3 and found["status"] == {"replicas": 2}
    generation = found["metadata"]["generation"]
    kubectl("label", f"ends.v1.{kind.group}", "a", "seen=yes")
    assert kind.get("v2", "a")["metadata"]["labels"] == {"seen": "yes"}
    assert kind.get("v2", "a")["metadata"]["generation"] == generation


def test_apply_knows_managers_of_other_versions(kubectl, kind: Kind) -> None:  # type: ignore[no-untyped-def]
    apply = ("apply", "--server-side", "-f", "-")
    kubectl(*apply, "--field-manager=first", stdin=kind.make("v1", "a", host="one:80"))
    kubectl(*apply, "--field-manager=second", stdin=kind.make("v2", "a", replicas=1))
    conflict = kubectl(*apply, "--field-manager=third", stdin=kind.make("v1", "a", host="other:80"), ok=False)
    assert 'conflict with "first"' in conflict and ".spec.host" in conflict
    kubectl(*apply, "--field-manager=third", "--force-conflicts", stdin=kind.make("v2", "a", name="other", port=81))
    assert kind.get("v1", "a")["spec"] == {"host": "other:81", "replicas": 1}
    managed = {
        each["manager"]: each["apiVersion"]
        for each in kind.get("v1", "a", "--show-managed-fields")["metadata"]["managedFields"]
    }
    assert managed["second"] == managed["third"] == f"{kind.group}/v2"


def test_watches_are_converted(kubectl, kind: Kind) -> None:  # type: ignore[no-untyped-def]
    kubectl("create", "-f", "-", stdin=kind.make("v1", "a", host="one:80"))
    line = kubectl.line("get", f"ends.v2.{kind.group}", "--watch", "-o", "jsonpath={.spec}{'\\n'}")
    watch = subprocess.Popen(line, stdout=subprocess.PIPE, text=True)
    try:
        assert watch.stdout is not None
        assert json.loads(watch.stdout.readline()) == {"name": "one", "port": 80}
        kubectl("patch", f"ends.v1.{kind.group}", "a", "--type=merge", "-p", '{"spec": {"host": "one:81"}}')
        assert json.loads(watch.stdout.readline()) == {"name": "one", "port": 81}
    finally:
        watch.kill()
        watch.communicate()


def test_what_the_webhook_does_wrong_is_told(kubectl, kind: Kind) -> None:  # type: ignore[no-untyped-def]
    kubectl("create", "-f", "-", stdin=kind.make("v1", "a", host="one:80"))

    def ask() -> str:
        return str(kubectl("get", "--raw", f"/apis/{kind.group}/v2/namespaces/default/ends/a", ok=False))

    begun = f"conversion webhook for {kind.group}/v1, Kind=End"

    def spoiled(**changes: object) -> Any:
        def told(request: Object) -> Object:
            response = answer(request)
            response["convertedObjects"][0] |= changes
            return response

        return told

    for wrong, words in (
        ({"result": {"status": "Failure", "message": "not on a Sunday"}}, f"{begun} failed: not on a Sunday"),
        ({"result": {}}, f"{begun} failed: response.result.status was '', not 'Success'"),
        ({"result": {"status": "Success"}}, f"{begun} returned 0 objects, expected 1"),
        (
            spoiled(kind="Start"),
            f"{begun} returned invalid object at index 0: invalid kind (expected End, received Start)",
        ),
        (spoiled(metadata={"name": "b"}), f"{begun} returned invalid object: must have the same name: a != b"),
    ):
        kind.hooks.answers["/convert"] = wrong
        assert words in ask()
    kind.hooks.answers["/convert"] = spoiled(metadata={"name": "a", "namespace": "default", "labels": {"new": "1"},
                                                       "finalizers": ["x/y"]})  # fmt: skip
    # of metadata a webhook changes labels and annotations, nothing else (a wrong uid is refused)
    assert "must have the same UID" in ask()
    kubectl("get", "--raw", f"/apis/{kind.group}/v1/namespaces/default/ends/a")
    kind.hooks.answers["/convert"] = answer
    definition = json.loads(kubectl("get", "crd", f"ends.{kind.group}", "-o", "json"))
    definition["spec"]["conversion"]["webhook"]["conversionReviewVersions"] = ["v7"]
    said = kubectl("replace", "-f", "-", stdin=json.dumps(definition), ok=False)
    assert (
        "spec.conversion.webhook.conversionReviewVersions" in said
        and "must include at least one of v1, v1beta1" in said
    )
