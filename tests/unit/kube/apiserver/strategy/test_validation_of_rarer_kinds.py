"""What upstream refuses of autoscalers, drivers, webhooks, limits: which fields it names, and for which cause."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from kprov.kube.apiserver.strategy.lookup import strategy_of

Object = dict[str, Any]
TEMPLATE: Object = {
    "metadata": {"labels": {"a": "b"}},
    "spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]},
}


def scaler(*metrics: Object, **spec: Any) -> Object:
    target = {"kind": "Deployment", "name": "x"}
    return {
        "metadata": {"name": "x"},
        "spec": {"maxReplicas": 3, "scaleTargetRef": target, "metrics": [*metrics], **spec},
    }


def cpu(**target: Any) -> Object:
    return {"type": "Resource", "resource": {"name": "cpu", "target": target}}


def external(**target: Any) -> Object:
    return {"type": "External", "external": {"metric": {"name": "jobs"}, "target": target}}


def behavior(**rules: Any) -> Object:
    return scaler(behavior={"scaleUp": {"selectPolicy": "Max", **rules}})


def webhook(**more: Any) -> Object:
    rule = {"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}
    hook = {
        "name": "a.example.com",
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "clientConfig": {"url": "https://a.example.com"},
        "rules": [{**rule, **more.pop("rule", {})}],
        **more,
    }
    return {"metadata": {"name": "x"}, "webhooks": [hook]}


def drivers(*each: Object) -> Object:
    return {"metadata": {"name": "x"}, "spec": {"drivers": [*each]}}


def limits(**limit: Any) -> Object:
    return {"metadata": {"name": "x"}, "spec": {"limits": [limit]}}


def job(**spec: Any) -> Object:
    return {"metadata": {"name": "j", "uid": "u"}, "spec": {"template": TEMPLATE, **spec}}


SCALERS, HOOKS = (
    ("autoscaling", "horizontalpodautoscalers"),
    ("admissionregistration.k8s.io", "validatingwebhookconfigurations"),
)
STORAGE = "storage.k8s.io"
METRIC, RULE = "spec.metrics[0]", "webhooks[0].rules[0]"
ONE = {"type": "Pods", "value": 1, "periodSeconds": 15}

REFUSED: list[tuple[tuple[str, str], Object, set[tuple[str, str]]]] = [
    (
        SCALERS,
        scaler(cpu(type="Utilization", averageUtilization=0)),
        {(f"{METRIC}.resource.target.averageUtilization", "Invalid")},
    ),
    (
        SCALERS,
        scaler(cpu(type="AverageValue", averageValue="-1")),
        {(f"{METRIC}.resource.target.averageValue", "Invalid")},
    ),
    (SCALERS, scaler(cpu(type="Utilization")), {(f"{METRIC}.resource.target.averageUtilization", "Required")}),
    (SCALERS, scaler(cpu(type="Best", averageUtilization=5)), {(f"{METRIC}.resource.target.type", "Invalid")}),
    (SCALERS, scaler({"type": "Guess"}), {(f"{METRIC}.type", "NotSupported")}),
    (SCALERS, scaler({}), {(f"{METRIC}.type", "Required")}),
    (SCALERS, scaler({"type": "Pods"}), {(f"{METRIC}.pods", "Required")}),
    (
        SCALERS,
        scaler({**cpu(type="Utilization", averageUtilization=5), "pods": {}}),
        {(f"{METRIC}.pods", "Forbidden")},
    ),
    (SCALERS, scaler(external(type="Value")), {(f"{METRIC}.external.target.averageValue", "Required")}),
    (
        SCALERS,
        scaler(external(type="Value", value="1", averageValue="2")),
        {(f"{METRIC}.external.target.value", "Forbidden")},
    ),
    (
        SCALERS,
        scaler(scaleTargetRef={"kind": "a/b", "name": ""}),
        {("spec.scaleTargetRef.kind", "Invalid"), ("spec.scaleTargetRef.name", "Required")},
    ),
    (SCALERS, behavior(policies=[]), {("spec.behavior.scaleUp.policies", "Required")}),
    (
        SCALERS,
        behavior(policies=[{**ONE, "periodSeconds": 1801}], stabilizationWindowSeconds=3601),
        {
            ("spec.behavior.scaleUp.policies[0].periodSeconds", "Invalid"),
            ("spec.behavior.scaleUp.stabilizationWindowSeconds", "Invalid"),
        },
    ),
    (SCALERS, behavior(policies=[{**ONE, "value": 0}]), {("spec.behavior.scaleUp.policies[0].value", "Invalid")}),
    (HOOKS, webhook(name="short"), {("webhooks[0].name", "Invalid")}),
    (HOOKS, webhook(admissionReviewVersions=["v9"]), {("webhooks[0].admissionReviewVersions", "Invalid")}),
    (HOOKS, webhook(rule={"operations": ["*", "CREATE"]}), {(f"{RULE}.operations", "Invalid")}),
    (HOOKS, webhook(rule={"operations": ["WATCH"]}), {(f"{RULE}.operations[0]", "NotSupported")}),
    (
        HOOKS,
        webhook(rule={"apiGroups": [], "apiVersions": [""]}),
        {(f"{RULE}.apiGroups", "Required"), (f"{RULE}.apiVersions[0]", "Required")},
    ),
    (HOOKS, webhook(rule={"resources": ["*/*", "pods"]}), {(f"{RULE}.resources", "Invalid")}),
    (HOOKS, webhook(rule={"scope": "Half"}), {(f"{RULE}.scope", "NotSupported")}),
    (
        (STORAGE, "csidrivers"),
        {"metadata": {"name": "x"}, "spec": {"fsGroupPolicy": "Y"}},
        {("spec.fsGroupPolicy", "NotSupported")},
    ),
    (
        (STORAGE, "csinodes"),
        drivers({"name": "", "nodeID": ""}, {"name": "a", "nodeID": "x"}, {"name": "a", "nodeID": "y" * 193}),
        {
            ("spec.drivers[0].name", "Required"),
            ("spec.drivers[0].nodeID", "Required"),
            ("spec.drivers[2].name", "Duplicate"),
            ("spec.drivers[2].nodeID", "Invalid"),
        },
    ),
    (
        ("node.k8s.io", "runtimeclasses"),
        {"metadata": {"name": "x"}, "handler": "h", "overhead": {"podFixed": {"cpu": "-1"}}},
        {("overhead.podFixed[cpu]", "Invalid")},
    ),
    (("", "limitranges"), limits(type="PersistentVolumeClaim"), {("spec.limits[0].limits", "Required")}),
    (
        ("", "resourcequotas"),
        {"metadata": {"name": "x"}, "spec": {"hard": {"foo": "1"}}},
        {("spec.hard[foo]", "Invalid")},
    ),
    (("batch", "jobs"), job(selector={"matchLabels": {"a": "b"}}), {("spec.selector", "Invalid")}),
    (
        ("", "pods"),
        {
            "metadata": {"name": "p", "namespace": "d"},
            "spec": {**TEMPLATE["spec"], "ephemeralContainers": [{"name": "e", "image": "i"}]},
        },
        {("spec.ephemeralContainers", "Forbidden")},
    ),
    (
        ("", "pods"),
        {
            "metadata": {"name": "p", "namespace": "d"},
            "spec": {**TEMPLATE["spec"], "securityContext": {"supplementalGroups": [-1]}},
        },
        {("spec.securityContext.supplementalGroups[0]", "Invalid")},
    ),
    (
        ("apps", "deployments"),
        {
            "metadata": {"name": "d", "namespace": "d"},
            "spec": {
                "selector": {"matchLabels": {"a": "b"}},
                "template": {**TEMPLATE, "spec": {"containers": [{"name": "c", "image": "i"}]}},
                "strategy": {"type": "Recreate", "rollingUpdate": {}},
            },
        },
        {("spec.strategy.rollingUpdate", "Forbidden")},
    ),
]

FINE: list[tuple[tuple[str, str], Object]] = [
    (SCALERS, scaler(cpu(type="Utilization", averageUtilization=60), external(type="AverageValue", averageValue="30"))),
    (SCALERS, behavior(policies=[ONE])),
    (SCALERS, scaler(behavior={"scaleDown": {"stabilizationWindowSeconds": 0}})),
    (HOOKS, webhook(rule={"operations": ["*"], "resources": ["pods", "pods/status", "*/scale"]})),
    (HOOKS, webhook(admissionReviewVersions=["v9", "v1beta1"])),
    ((STORAGE, "csinodes"), drivers({"name": "a.example.com", "nodeID": "n", "topologyKeys": ["example.com/zone"]})),
    (("", "limitranges"), limits(type="PersistentVolumeClaim", max={"storage": "1Gi"})),
    (
        ("", "resourcequotas"),
        {
            "metadata": {"name": "x"},
            "spec": {"hard": {"count/pods": "1", "requests.example.com/gpu": "1", "pods": "1"}},
        },
    ),
    (("batch", "jobs"), job()),
    (("batch", "jobs"), job(selector={"matchLabels": {"controller-uid": "u"}})),
    (("batch", "jobs"), job(manualSelector=True, selector={"matchLabels": {"a": "b"}})),
]


def _checked(kind: tuple[str, str], obj: Object) -> set[tuple[str, str]]:
    strategy, given = strategy_of(*kind), copy.deepcopy(obj)
    strategy.default(given)
    if kind == ("batch", "jobs"):
        strategy.prepare_for_create(given, None)  # type: ignore[arg-type]
    return {(each.field, each.reason.removeprefix("FieldValue")) for each in strategy.validate(given)}


@pytest.mark.parametrize(("kind", "obj", "found"), REFUSED)
def test_refused(kind: tuple[str, str], obj: Object, found: set[tuple[str, str]]) -> None:
    assert _checked(kind, obj) == found


@pytest.mark.parametrize(("kind", "obj"), FINE)
def test_accepted(kind: tuple[str, str], obj: Object) -> None:
    assert _checked(kind, obj) == set()
