"""ValidatingAdmissionPolicies by kubectl, with parameters and somebody who may more than others."""

from __future__ import annotations

import json

POLICY = {
    "apiVersion": "admissionregistration.k8s.io/v1",
    "kind": "ValidatingAdmissionPolicy",
    "metadata": {"name": "limited.example.com"},
    "spec": {
        "paramKind": {"apiVersion": "v1", "kind": "ConfigMap"},
        "matchConstraints": {
            "resourceRules": [
                {
                    "apiGroups": [""],
                    "apiVersions": ["v1"],
                    "operations": ["CREATE", "UPDATE"],
                    "resources": ["configmaps"],
                }
            ],
            "objectSelector": {"matchLabels": {"limited": "yes"}},
        },
        "matchConditions": [
            {
                "name": "not-who-may-bless",
                "expression": "!authorizer.group('').resource('configmaps').check('bless').allowed()",
            }
        ],
        "variables": [{"name": "most", "expression": "int(params.data.most)"}],
        "validations": [
            {
                "expression": "size(object.data) <= variables.most",
                "messageExpression": "'at most ' + string(variables.most)",
                "reason": "Forbidden",
            }
        ],
    },
}
BINDING = {
    "apiVersion": "admissionregistration.k8s.io/v1",
    "kind": "ValidatingAdmissionPolicyBinding",
    "metadata": {"name": "limited.example.com"},
    "spec": {
        "policyName": "limited.example.com",
        "validationActions": ["Deny"],
        "paramRef": {"name": "limits", "namespace": "default", "parameterNotFoundAction": "Deny"},
    },
}


def _map(name: str, *keys: str) -> str:
    metadata = {"name": name, "labels": {"limited": "yes"}}
    return json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": dict.fromkeys(keys, "x")})


def test_a_policy_with_parameters(kubectl) -> None:  # type: ignore[no-untyped-def]
    kubectl("create", "clusterrole", "maps", "--verb=create,get,delete", "--resource=configmaps")
    kubectl("create", "clusterrolebinding", "maps", "--clusterrole=maps", "--user=jane")
    kubectl("create", "-f", "-", stdin=json.dumps(POLICY))
    kubectl("create", "-f", "-", stdin=json.dumps(BINDING))
    try:
        as_jane = ("create", "--as=jane", "-f", "-")
        assert "no params found" in kubectl(*as_jane, stdin=_map("two", "a", "b"), ok=False)
        kubectl("create", "configmap", "limits", "--from-literal=most=1")
        told = kubectl(*as_jane, stdin=_map("two", "a", "b"), ok=False)
        assert "(Forbidden)" in told and told.rstrip().endswith("denied request: at most 1")
        kubectl(*as_jane, stdin=_map("one", "a"))
        kubectl("create", "-f", "-", stdin=_map("two", "a", "b"))  # an administrator may bless
    finally:
        kinds = "validatingadmissionpolicies,validatingadmissionpolicybindings"
        kubectl("delete", kinds, "limited.example.com")
        kubectl("delete", "clusterrole,clusterrolebinding", "maps")
        kubectl("delete", "configmap", "limits", "one", "two", "--ignore-not-found")
