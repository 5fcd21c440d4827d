"""What a client of autoscaling/v1 writes back takes nothing away that only v2 knows."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from kprov.kube.apiserver.autoscaler_versions import from_v2, to_v2

Object = dict[str, Any]

METRICS: list[Object] = [
    {"type": "Resource", "resource": {"name": "memory", "target": {"type": "AverageValue", "averageValue": "100Mi"}}},
    {
        "type": "ContainerResource",
        "containerResource": {
            "name": "cpu",
            "container": "app",
            "target": {"type": "Utilization", "averageUtilization": 70},
        },
    },
    {
        "type": "Object",
        "object": {
            "describedObject": {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "name": "web"},
            "metric": {"name": "hits", "selector": {"matchLabels": {"verb": "GET"}}},
            "target": {"type": "Value", "value": "2k"},
        },
    },
    {"type": "Pods", "pods": {"metric": {"name": "queue"}, "target": {"type": "AverageValue", "averageValue": "30"}}},
    {
        "type": "External",
        "external": {
            "metric": {"name": "jobs", "selector": {"matchLabels": {"queue": "a"}}},
            "target": {"type": "AverageValue", "averageValue": "30"},
        },
    },
    {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 60}}},
]
WHOLE: Object = {
    "metadata": {"name": "web", "annotations": {"mine": "kept"}},
    "spec": {
        "minReplicas": 1,
        "maxReplicas": 5,
        "metrics": METRICS,
        "behavior": {
            "scaleDown": {
                "stabilizationWindowSeconds": 10,
                "selectPolicy": "Max",
                "policies": [{"type": "Percent", "value": 100, "periodSeconds": 15}],
            }
        },
    },
    "status": {
        "desiredReplicas": 2,
        "currentMetrics": [
            {
                "type": "Resource",
                "resource": {"name": "cpu", "current": {"averageUtilization": 40, "averageValue": "4m"}},
            },
            {
                "type": "Object",
                "object": {
                    "describedObject": {"kind": "Ingress", "name": "web"},
                    "metric": {"name": "hits"},
                    "current": {"value": "1k"},
                },
            },
        ],
        "conditions": [{"type": "AbleToScale", "status": "True"}],
    },
}


def test_v1_there_and_back_loses_nothing() -> None:
    given = copy.deepcopy(WHOLE)
    old = from_v2(given)
    assert given == WHOLE  # stored objects are shared
    assert old["spec"]["targetCPUUtilizationPercentage"] == 60
    assert old["status"]["currentCPUUtilizationPercentage"] == 40
    assert not {"metrics", "behavior"} & set(old["spec"]) and not {"conditions", "currentMetrics"} & set(old["status"])
    assert to_v2(old) == WHOLE


@pytest.mark.parametrize("metric", METRICS[:-1], ids=lambda metric: str(metric["type"]))
def test_each_metric(metric: Object) -> None:
    obj = {"metadata": {"name": "web"}, "spec": {"metrics": [metric]}, "status": {}}
    assert to_v2(from_v2(obj)) == obj


def test_the_annotations_are_upstreams() -> None:
    notes = from_v2(WHOLE)["metadata"]["annotations"]
    metrics = json.loads(notes["autoscaling.alpha.kubernetes.io/metrics"])
    assert metrics[0] == {"type": "Resource", "resource": {"name": "memory", "targetAverageValue": "100Mi"}}
    assert metrics[2]["object"]["targetValue"] == "2k" and metrics[2]["object"]["target"]["kind"] == "Ingress"
    assert metrics[4]["external"]["metricSelector"] == {"matchLabels": {"queue": "a"}}
    behavior = json.loads(notes["autoscaling.alpha.kubernetes.io/behavior"])
    assert behavior["ScaleDown"]["Policies"] == [{"Type": "Percent", "Value": 100, "PeriodSeconds": 15}]
    assert notes["mine"] == "kept"


def test_what_v1_alone_says_is_converted() -> None:
    old = {"metadata": {"name": "web"}, "spec": {"targetCPUUtilizationPercentage": 50}, "status": {}}
    target = {"type": "Utilization", "averageUtilization": 50}
    assert to_v2(old)["spec"] == {"metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]}
    assert from_v2(to_v2(old)) == old


@pytest.mark.parametrize("text", ["", "{", "7", '["x"]', '[{"type":"Pods","pods":3}]', "null"])
def test_annotations_that_cannot_be_read_are_no_error(text: str) -> None:
    notes = {f"autoscaling.alpha.kubernetes.io/{name}": text for name in ("metrics", "current-metrics", "behavior")}
    out = to_v2({"metadata": {"annotations": notes}, "spec": {"targetCPUUtilizationPercentage": 50}})
    assert "annotations" not in out["metadata"]
    assert out["spec"]["metrics"][-1]["resource"]["target"]["averageUtilization"] == 50
