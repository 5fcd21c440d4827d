"""Which requests a policy records, and what is wrong with policies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from kprov.kube.apiserver.audit.policy import PolicyError, Rule, read_policy
from kprov.kube.apiserver.request import UserInfo, parse_request_info

ALICE = UserInfo("alice", groups=("dev", "system:authenticated"))


def policy(tmp_path: Path, rules: Any, **more: Any) -> Path:
    path = tmp_path / "policy.yaml"
    path.write_text(yaml.safe_dump({"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": rules, **more}))
    return path


def rule_for(path: Path, method: str, url: str) -> Rule:
    return read_policy(path).rule_for(ALICE, parse_request_info(method, url, {}))


PODS = "/api/v1/namespaces/default/pods"


@pytest.mark.parametrize(
    ("row", "method", "url", "matches"),
    [
        ({}, "GET", PODS, True),
        ({"users": ["alice"]}, "GET", PODS, True),
        ({"users": ["bob"]}, "GET", PODS, False),
        ({"userGroups": ["ops", "dev"]}, "GET", PODS, True),
        ({"userGroups": ["ops"]}, "GET", PODS, False),
        ({"verbs": ["list"]}, "GET", PODS, True),
        ({"verbs": ["create"]}, "GET", PODS, False),
        ({"namespaces": ["default"]}, "GET", PODS, True),
        ({"namespaces": ["kube-system"]}, "GET", PODS, False),
        ({"namespaces": [""]}, "GET", "/api/v1/nodes", True),
        ({"namespaces": ["default"]}, "GET", "/healthz", False),
        ({"resources": [{"group": "", "resources": ["pods"]}]}, "GET", PODS, True),
        ({"resources": [{"group": "", "resources": ["pods"]}]}, "GET", f"{PODS}/a/log", False),
        ({"resources": [{"group": "", "resources": ["pods/log"]}]}, "GET", f"{PODS}/a/log", True),
        ({"resources": [{"group": "", "resources": ["pods/*"]}]}, "GET", f"{PODS}/a/log", True),
        ({"resources": [{"group": "", "resources": ["*/log"]}]}, "GET", f"{PODS}/a/log", True),
        ({"resources": [{"group": "", "resources": ["*"]}]}, "GET", f"{PODS}/a/log", True),
        ({"resources": [{"group": ""}]}, "GET", PODS, True),
        ({"resources": [{"group": "apps"}]}, "GET", PODS, False),
        ({"resources": [{"group": "", "resources": ["pods"], "resourceNames": ["a"]}]}, "GET", f"{PODS}/a", True),
        ({"resources": [{"group": "", "resources": ["pods"], "resourceNames": ["a"]}]}, "GET", f"{PODS}/b", False),
        ({"nonResourceURLs": ["/healthz*"]}, "GET", "/healthz/etcd", True),
        ({"nonResourceURLs": ["/version"]}, "GET", "/version", True),
        ({"nonResourceURLs": ["*"]}, "GET", PODS, False),
    ],
)
def test_a_rule_is_for_what_it_names(tmp_path: Path, row: Any, method: str, url: str, matches: bool) -> None:
    found = rule_for(policy(tmp_path, [{"level": "Metadata", **row}]), method, url)
    assert found.level.wire == ("Metadata" if matches else "None")


def test_the_first_rule_that_matches_holds(tmp_path: Path) -> None:
    rows = [
        {"level": "None", "verbs": ["watch"]},
        {"level": "Request", "omitStages": ["ResponseStarted"]},
        {"level": "RequestResponse"},
    ]
    found = rule_for(policy(tmp_path, rows, omitStages=["RequestReceived"]), "GET", PODS)
    assert found.level.wire == "Request"
    assert found.omitted_stages == {"RequestReceived", "ResponseStarted"}


def test_what_is_remembered_is_told_apart(tmp_path: Path) -> None:
    rows = [
        {"level": "None", "resources": [{"group": "", "resources": ["pods"], "resourceNames": ["quiet"]}]},
        {"level": "Request", "namespaces": ["b"]},
        {"level": "RequestResponse", "nonResourceURLs": ["/version"]},
        {"level": "Metadata"},
    ]
    rules = read_policy(policy(tmp_path, rows))

    def level(url: str) -> str:
        return rules.rule_for(ALICE, parse_request_info("GET", url, {})).level.wire

    asked = {
        "/api/v1/namespaces/a/pods/quiet": "None",
        "/api/v1/namespaces/a/pods/loud": "Metadata",
        "/api/v1/namespaces/b/pods/loud": "Request",
        "/version": "RequestResponse",
        "/versions": "Metadata",
    }
    for _ in range(2):
        assert {url: level(url) for url in asked} == asked
    for number in range(10_000):  # made-up names
        level(f"/api/v1/namespaces/a/pods/{number}")
    assert len(rules._remembered) <= 4096


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ([], "rules must be a list, and not empty"),
        ([{}], r"rules\[0\]\.level must be one of None, Metadata"),
        ([{"level": "Metadata", "user": ["a"]}], "unknown key user"),
        ([{"level": "Metadata", "verbs": "get"}], "verbs must be a list of strings"),
        ([{"level": "Metadata", "omitStages": ["Begin"]}], "there is no stage Begin"),
        ([{"level": "Metadata", "resources": [{"resourceNames": ["a"]}]}], "resourceNames need resources"),
        ([{"level": "Metadata", "namespaces": ["a"], "nonResourceURLs": ["/x"]}], "not for both"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, rules: Any, message: str) -> None:
    with pytest.raises(PolicyError, match=message):
        read_policy(policy(tmp_path, rules))
