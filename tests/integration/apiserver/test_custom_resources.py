"""Kinds of the users' own, by kubectl: defined, used, watched, and gone with all their objects; at two servers."""

from __future__ import annotations

import json
import subprocess

TOOL = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "tools.example.com"},
    "spec": {
        "group": "example.com",
        "scope": "Namespaced",
        "names": {"plural": "tools", "kind": "Tool", "shortNames": ["tl"], "categories": ["all"]},
        "versions": [
            {
                "name": version,
                "served": True,
                "storage": version == "v1",
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "description": "A tool of ours",
                        "properties": {
                            "spec": {
                                "type": "object",
                                "required": ["size"],
                                "properties": {
                                    "size": {"type": "integer", "maximum": 5},
                                    "mode": {"type": "string", "default": "safe"},
                                },
                            },
                            "status": {"type": "object", "properties": {"size": {"type": "integer"}}},
                        },
                    }
                },
                "subresources": {
                    "status": {},
                    "scale": {"specReplicasPath": ".spec.size", "statusReplicasPath": ".status.size"},
                },
                "additionalPrinterColumns": [{"name": "Size", "type": "integer", "jsonPath": ".spec.size"}],
            }
            for version in ("v1", "v1beta1")
        ],
    },
}


def _tool(name: str, **spec: object) -> str:
    return json.dumps({"apiVersion": "example.com/v1", "kind": "Tool", "metadata": {"name": name}, "spec": spec})


def test_a_kind_from_its_definition_to_its_end(kubectl, plane) -> None:  # type: ignore[no-untyped-def]
    kubectl("create", "-f", "-", stdin=json.dumps(TOOL))
    kubectl("wait", "--for=condition=Established", "crd/tools.example.com", "--timeout=150s")
    assert "tools" in kubectl("api-resources", "--api-group=example.com")
    kubectl("apply", "-f", "-", stdin=_tool("a", size=2))
    assert "unchanged" in kubectl("apply", "-f", "-", stdin=_tool("a", size=2))
    assert "configured" in kubectl("apply", "-f", "-", stdin=_tool("a", size=3))
    assert kubectl("get", "tl").split() == ["NAME", "SIZE", "a", "3"]
    assert json.loads(kubectl("get", "tools.v1beta1.example.com", "a", "-o", "json"))["spec"]["mode"] == "safe"
    refusal = kubectl("apply", "-f", "-", stdin=_tool("a", size=9), ok=False)
    assert "spec.size: Invalid value: 9: spec.size in body should be less than or equal to 5" in refusal
    assert 'unknown field "spec.typo"' in kubectl("apply", "-f", "-", stdin=_tool("b", size=1, typo=1), ok=False)
    kubectl("scale", "tool/a", "--replicas=4")
    kubectl("patch", "tool/a", "--subresource=status", "--type=merge", "-p", '{"status": {"size": 4}}')
    found = json.loads(kubectl("get", "tool/a", "-o", "json"))
    assert (found["spec"]["size"], found["status"]["size"], found["metadata"]["generation"]) == (4, 4, 3)
    assert "A tool of ours" in kubectl("explain", "tools")
    kubectl("apply", "--server-side", "-f", "-", stdin=_tool("c", size=1))
    assert "tool.example.com/c" in kubectl("get", "all")

    with plane.second_apiserver() as other:
        assert "a " in kubectl("get", "tools", f"--server={other}")
        more = json.loads(json.dumps(TOOL).replace("tool", "thing").replace("Tool", "Thing").replace('"tl"', '"th"'))
        kubectl("create", "-f", "-", f"--server={other}", stdin=json.dumps(more))
        kubectl("wait", "--for=condition=Established", "crd/things.example.com", f"--server={other}", "--timeout=150s")
        # what one server has said, the other one knows
        assert json.loads(kubectl("get", "--raw=/apis/example.com/v1/things"))["kind"] == "ThingList"
        kubectl("delete", "crd", "things.example.com", f"--server={other}", "--timeout=150s")

    kubectl("patch", "tool/c", "--type=merge", "-p", '{"metadata": {"finalizers": ["example.com/hold"]}}')
    watcher = subprocess.Popen(
        kubectl.line("get", "tools", "--watch", "-o", "name"), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    kubectl("delete", "crd", "tools.example.com", "--wait=false")
    kubectl("wait", "--for=delete", "tool/a", "--timeout=150s")
    terminating = "jsonpath={.status.conditions[?(@.type=='Terminating')].status}"
    assert kubectl("get", "crd", "tools.example.com", "-o", terminating) == "True"
    assert "not supported" in kubectl("create", "-f", "-", stdin=_tool("late", size=1), ok=False)
    kubectl("patch", "tool/c", "--type=merge", "-p", '{"metadata": {"finalizers": null}}')
    kubectl("wait", "--for=delete", "crd/tools.example.com", "--timeout=150s")
    assert watcher.wait(120) is not None  # a watch of what is no more ends
    assert "could not find" in kubectl("get", "--raw=/apis/example.com/v1/tools", ok=False)
    assert "example.com" not in kubectl("get", "--raw=/apis")


def test_names_that_are_taken(kubectl) -> None:  # type: ignore[no-untyped-def]
    kubectl("create", "-f", "-", stdin=json.dumps(TOOL))
    second = json.loads(json.dumps(TOOL).replace("tools", "gears"))  # another plural, the same kind
    kubectl("create", "-f", "-", stdin=json.dumps(second))
    kubectl("wait", "--for=condition=NamesAccepted=False", "crd/gears.example.com", "--timeout=150s")
    said = kubectl("get", "crd", "gears.example.com", "-o", "jsonpath={.status.conditions[*].message}")
    assert '"tool" is already in use' in said or '"Tool" is already in use' in said or '"tl" is already in use' in said
    kubectl("delete", "crd", "tools.example.com", "--timeout=150s")
    kubectl("wait", "--for=condition=Established", "crd/gears.example.com", "--timeout=150s")
    kubectl("delete", "crd", "gears.example.com", "--timeout=150s")


def test_bodies_that_make_no_sense_are_refused(kubectl) -> None:  # type: ignore[no-untyped-def]
    schema: dict[str, object] = {"type": "object"}
    for _ in range(450):
        schema = {"type": "object", "properties": {"a": schema}}
    deep = json.loads(json.dumps(TOOL))
    for version in deep["spec"]["versions"]:
        version["schema"] = {"openAPIV3Schema": schema}
    refusal = kubectl("create", "--validate=false", "-f", "-", stdin=json.dumps(deep), ok=False)
    assert "nested too deeply" in refusal or "exceeded max depth" in refusal
    nameless = json.loads(json.dumps(TOOL))
    del nameless["spec"]["versions"][0]["name"]
    refusal = kubectl("create", "--validate=false", "-f", "-", stdin=json.dumps(nameless), ok=False)
    assert "spec.versions[0].name: Required value" in refusal


def test_rules_are_kept(kubectl) -> None:  # type: ignore[no-untyped-def]
    rules = [
        {"rule": "self.low <= self.high", "messageExpression": "'low is above ' + string(self.high)"},
        {"rule": "self.name == oldSelf.name", "message": "the name stays", "fieldPath": ".name"},
    ]
    number = {"type": "integer"}
    spec = {"type": "object", "properties": {"low": number, "high": number, "name": {"type": "string"}},
            "x-kubernetes-validations": rules}  # fmt: skip
    schema = {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec}}}
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "spans.rules.example.com"},
        "spec": {"group": "rules.example.com", "scope": "Cluster", "names": {"plural": "spans", "kind": "Span"},
                 "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema}]},
    }  # fmt: skip
    kubectl("create", "-f", "-", stdin=json.dumps(definition))
    kubectl("wait", "--for=condition=Established", "crd/spans.rules.example.com", "--timeout=150s")

    def span(low: int, high: int, name: str = "a") -> str:
        head = {"apiVersion": "rules.example.com/v1", "kind": "Span", "metadata": {"name": "s"}}
        return json.dumps({**head, "spec": {"low": low, "high": high, "name": name}})

    refused = kubectl("create", "-f", "-", stdin=span(3, 2), ok=False)
    assert 'The Span "s" is invalid: spec: Invalid value: "object": low is above 2' in refused
    kubectl("create", "-f", "-", stdin=span(1, 2))
    refused = kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=span(1, 2, "b"), ok=False)
    assert 'spec.name: Invalid value: "object": the name stays' in refused
    kubectl("patch", "span", "s", "--type=merge", "-p", '{"spec": {"high": 9}}')
    definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["x-kubernetes-validations"] = [  # type: ignore[index]
        {"rule": "self.nope >"}
    ]
    assert "compilation failed" in kubectl("apply", "-f", "-", stdin=json.dumps(definition), ok=False)
    kubectl("delete", "crd", "spans.rules.example.com")
