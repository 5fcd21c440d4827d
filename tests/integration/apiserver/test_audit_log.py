"""What real requests leave in the audit log."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from kprov.lab.control_plane.plane import ControlPlane

POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [
        {"level": "None", "nonResourceURLs": ["/readyz*", "/api*", "/openapi*", "/version"]},
        {"level": "Metadata", "resources": [{"group": "", "resources": ["secrets"]}]},
        {
            "level": "RequestResponse",
            "resources": [{"group": "", "resources": ["configmaps"]}],
            "omitManagedFields": True,
        },
        {"level": "None"},
    ],
}


def test_requests_are_recorded_as_the_policy_says(plane: ControlPlane, kubectl, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    policy, log = tmp_path / "policy.yaml", tmp_path / "audit.log"
    policy.write_text(json.dumps(POLICY))
    with plane.second_apiserver(f"--audit-policy-file={policy}", f"--audit-log-path={log}") as url:
        at = f"--server={url}"
        kubectl(at, "create", "configmap", "seen", "--from-literal=a=1")
        kubectl(at, "create", "secret", "generic", "unseen", "--from-literal=word=open-sesame")
        kubectl(at, "get", "configmaps", "--as=nobody", ok=False)
        kubectl(at, "get", "nodes")
        watched = kubectl(at, "get", "--raw", "/api/v1/namespaces/default/configmaps?watch=1&timeoutSeconds=1")
        kubectl(at, "delete", "configmap/seen", "secret/unseen")
    text = log.read_text()
    events: list[dict[str, Any]] = [json.loads(line) for line in text.splitlines()]

    def found(verb: str, resource: str) -> dict[str, Any]:
        return next(event for event in events if (event["verb"], event["objectRef"]["resource"]) == (verb, resource))

    created = found("create", "configmaps")
    assert created["level"] == "RequestResponse" and created["stage"] == "ResponseComplete"
    assert created["user"]["username"] and created["sourceIPs"] == ["127.0.0.1"]
    assert created["responseStatus"]["code"] == 201
    assert created["requestObject"]["data"] == created["responseObject"]["data"] == {"a": "1"}
    assert "managedFields" not in created["responseObject"]["metadata"]
    assert created["annotations"]["authorization.k8s.io/decision"] == "allow"

    assert '"ADDED"' in watched and '"name":"seen"' in watched
    stages = [event["stage"] for event in events if event["verb"] == "watch"]
    assert stages == ["ResponseStarted", "ResponseComplete"]

    secret = found("create", "secrets")
    assert secret["level"] == "Metadata" and "requestObject" not in secret
    assert "sesame" not in text and "b3Blbi1zZXNhbWU=" not in text

    refused = found("list", "configmaps")
    assert refused["impersonatedUser"]["username"] == "nobody"
    assert (refused["responseStatus"]["code"], refused["responseStatus"]["reason"]) == (403, "Forbidden")
    assert refused["annotations"]["authorization.k8s.io/decision"] == "forbid"
    assert not [event for event in events if event.get("objectRef", {}).get("resource") == "nodes"]
