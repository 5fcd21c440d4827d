"""What upstream fills in."""

from __future__ import annotations

import pytest

from kprov.kube.apiserver.request import UserInfo
from kprov.kube.apiserver.resources import RESOURCES
from kprov.kube.apiserver.strategy import StrategyContext
from kprov.kube.apiserver.strategy.lookup import strategy_of
from kprov.kube.apiserver.strategy.pod_defaults import pull_policy
from kprov.kube.apiserver.strategy.qos import qos_class

CONTAINER = {
    "terminationMessagePath": "/dev/termination-log",
    "terminationMessagePolicy": "File",
    "imagePullPolicy": "Always",
    "resources": {},
}
POD_SPEC = {
    "restartPolicy": "Always",
    "dnsPolicy": "ClusterFirst",
    "schedulerName": "default-scheduler",
    "terminationGracePeriodSeconds": 30,
    "securityContext": {},
}


def template(**spec):
    return {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}], **spec}}


def filled_template(**spec):
    return {
        "metadata": {"labels": {"a": "b"}},
        "spec": {"containers": [{"name": "c", "image": "i", **CONTAINER}], **POD_SPEC, **spec},
    }


@pytest.mark.parametrize(
    ("image", "policy"),
    [
        ("nginx", "Always"), ("nginx:latest", "Always"), ("nginx:1", "IfNotPresent"), ("host:5000/nginx", "Always"),
        ("host:5000/nginx:1", "IfNotPresent"), ("nginx@sha256:abc", "IfNotPresent"), ("nginx:latest@sha256:abc",
         "Always"),
    ],
)  # fmt: skip
def test_pull_policy(image, policy):
    assert pull_policy(image) == policy


def default(group, plural, obj):
    strategy_of(group, plural).default(obj)
    return obj


def test_pods():
    made = default("", "pods", {"metadata": {"name": "p"}, "spec": template()["spec"]})
    assert made["spec"] == {**filled_template()["spec"], "enableServiceLinks": True}


@pytest.mark.parametrize(
    ("container", "expected"),
    [
        ({"ports": [{"containerPort": 80}]}, {"ports": [{"containerPort": 80, "protocol": "TCP"}]}),
        (
            {"livenessProbe": {"httpGet": {"port": 80}}},
            {
                "livenessProbe": {
                    "httpGet": {"port": 80, "path": "/", "scheme": "HTTP"},
                    "timeoutSeconds": 1,
                    "periodSeconds": 10,
                    "successThreshold": 1,
                    "failureThreshold": 3,
                }
            },
        ),
        (
            {"resources": {"limits": {"cpu": "1000m", "memory": "1024Mi"}, "requests": {"cpu": "0.5"}}},
            {"resources": {"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m", "memory": "1Gi"}}},
        ),
        (
            {"env": [{"name": "N", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]},
            {"env": [{"name": "N", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name", "apiVersion": "v1"}}}]},
        ),
    ],
)
def test_containers(container, expected):
    pod = default("", "pods", {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", **container}]}})
    assert {key: pod["spec"]["containers"][0][key] for key in expected} == expected


@pytest.mark.parametrize(
    ("volume", "expected"),
    [
        ({}, {"emptyDir": {}}),
        ({"secret": {"secretName": "s"}}, {"secret": {"secretName": "s", "defaultMode": 420}}),
        ({"hostPath": {"path": "/"}}, {"hostPath": {"path": "/", "type": ""}}),
        (
            {"projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}},
            {
                "projected": {
                    "sources": [{"serviceAccountToken": {"path": "t", "expirationSeconds": 3600}}],
                    "defaultMode": 420,
                }
            },
        ),
    ],
)
def test_volumes(volume, expected):
    spec = {"containers": [], "volumes": [{"name": "v", **volume}]}
    assert default("", "pods", {"spec": spec})["spec"]["volumes"] == [{"name": "v", **expected}]


def test_host_network_ports_and_the_old_name_of_the_account():
    spec = {
        "hostNetwork": True,
        "serviceAccount": "app",
        "containers": [{"name": "c", "ports": [{"containerPort": 80}]}],
    }
    made = default("", "pods", {"spec": spec})["spec"]
    assert made["containers"][0]["ports"][0]["hostPort"] == 80
    assert made["serviceAccountName"] == "app"


SELECTOR = {"matchLabels": {"a": "b"}}


@pytest.mark.parametrize(
    ("group", "plural", "given", "expected"),
    [
        (
            "apps",
            "deployments",
            {"selector": SELECTOR, "template": template()},
            {
                "replicas": 1,
                "revisionHistoryLimit": 10,
                "progressDeadlineSeconds": 600,
                "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "25%", "maxSurge": "25%"}},
                "selector": SELECTOR,
                "template": filled_template(),
            },
        ),
        ("apps", "deployments", {"strategy": {"type": "Recreate"}}, {"strategy": {"type": "Recreate"}}),
        ("apps", "replicasets", {}, {"replicas": 1}),
        (
            "apps",
            "daemonsets",
            {},
            {
                "revisionHistoryLimit": 10,
                "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0}},
            },
        ),
        (
            "apps",
            "statefulsets",
            {},
            {
                "replicas": 1,
                "revisionHistoryLimit": 10,
                "podManagementPolicy": "OrderedReady",
                "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}},
            },
        ),
        ("batch", "jobs", {}, {"completions": 1, "parallelism": 1, "backoffLimit": 6, "completionMode": "NonIndexed"}),
        ("batch", "jobs", {"parallelism": 3}, {"parallelism": 3, "completions": None}),
        (
            "batch",
            "cronjobs",
            {},
            {
                "concurrencyPolicy": "Allow",
                "suspend": False,
                "successfulJobsHistoryLimit": 3,
                "failedJobsHistoryLimit": 1,
            },
        ),
        (
            "",
            "services",
            {"ports": [{"port": 80}]},
            {
                "type": "ClusterIP",
                "sessionAffinity": "None",
                "internalTrafficPolicy": "Cluster",
                "ports": [{"port": 80, "protocol": "TCP", "targetPort": 80}],
                "externalTrafficPolicy": None,
            },
        ),
        ("", "services", {"type": "NodePort"}, {"externalTrafficPolicy": "Cluster"}),
        (
            "",
            "services",
            {"sessionAffinity": "ClientIP"},
            {"sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 10800}}},
        ),
        ("", "services", {"clusterIP": "None"}, {"clusterIPs": ["None"]}),
        ("", "persistentvolumes", {}, {"persistentVolumeReclaimPolicy": "Retain", "volumeMode": "Filesystem"}),
        ("networking.k8s.io", "networkpolicies", {"egress": [{}]}, {"policyTypes": ["Ingress", "Egress"]}),
        ("autoscaling", "horizontalpodautoscalers", {}, {"minReplicas": 1}),
    ],
)
def test_specs(group, plural, given, expected):
    spec = default(group, plural, {"metadata": {"name": "x"}, "spec": given})["spec"]
    assert {key: spec.get(key) for key in expected} == expected


def test_secrets_and_replication_controllers():
    secret = default("", "secrets", {"metadata": {"name": "s"}, "stringData": {"a": "b"}, "data": {"c": "ZA=="}})
    assert secret == {"metadata": {"name": "s"}, "type": "Opaque", "data": {"a": "Yg==", "c": "ZA=="}}
    controller = default("", "replicationcontrollers", {"metadata": {"name": "r"}, "spec": {"template": template()}})
    assert controller["spec"]["selector"] == controller["metadata"]["labels"] == {"a": "b"}


def context(group, plural, **more):
    return StrategyContext(UserInfo("jane", "7", ("dev",)), RESOURCES[(group, plural)], "v1", **more)


def test_what_a_new_object_starts_with():
    pod = {"metadata": {"name": "p"}, "spec": {"containers": []}, "status": {"phase": "Running"}}
    strategy_of("", "pods").prepare_for_create(pod, context("", "pods"))
    assert pod["status"] == {"phase": "Pending", "qosClass": "BestEffort"}
    namespace = {"metadata": {"name": "n"}}
    strategy_of("", "namespaces").prepare_for_create(namespace, context("", "namespaces"))
    assert namespace == {
        "metadata": {"name": "n", "labels": {"kubernetes.io/metadata.name": "n"}},
        "spec": {"finalizers": ["kubernetes"]},
        "status": {"phase": "Active"},
    }
    bare = {"spec": template()["spec"]}
    job = {"metadata": {"name": "j", "uid": "u"}, "spec": {"template": bare}}
    strategy_of("batch", "jobs").prepare_for_create(job, context("batch", "jobs"))
    assert job["spec"]["selector"] == {"matchLabels": {"batch.kubernetes.io/controller-uid": "u"}}
    assert job["spec"]["template"]["metadata"]["labels"]["job-name"] == "j"
    request = {"metadata": {"name": "r"}, "spec": {"username": "root", "extra": {"a": ["b"]}}}
    key = ("certificates.k8s.io", "certificatesigningrequests")
    strategy_of(*key).prepare_for_create(request, context(*key))
    assert request["spec"] == {"username": "jane", "uid": "7", "groups": ["dev"]}


def test_a_daemon_set_counts_its_templates():
    strategy, key = strategy_of("apps", "daemonsets"), "deprecated.daemonset.template.generation"
    old = {"metadata": {"name": "d"}, "spec": {"template": template()}}
    strategy.prepare_for_create(old, context("apps", "daemonsets"))
    assert old["metadata"]["annotations"] == {key: "1"}
    new = {"metadata": {"name": "d"}, "spec": {"template": template(hostNetwork=True)}}
    strategy.prepare_for_update(new, old, context("apps", "daemonsets"))
    assert new["metadata"]["annotations"] == {key: "2"}


@pytest.mark.parametrize(
    ("containers", "expected"),
    [
        ([{}], "BestEffort"),
        ([{"requests": {"cpu": "1"}}], "Burstable"),
        ([{"limits": {"cpu": "1", "memory": "1"}, "requests": {"cpu": "1", "memory": "1"}}], "Guaranteed"),
        ([{"limits": {"cpu": "1", "memory": "1"}, "requests": {"cpu": "1", "memory": "1"}}, {}], "Burstable"),
        ([{"limits": {"cpu": "2", "memory": "1"}, "requests": {"cpu": "1", "memory": "1"}}], "Burstable"),
        ([{"requests": {"example.com/gpu": "1"}}], "BestEffort"),
    ],
)
def test_quality_of_service(containers, expected):
    assert qos_class({"containers": [{"name": "c", "resources": each} for each in containers]}) == expected


def test_an_update_of_a_service_keeps_what_was_given_out():
    strategy = strategy_of("", "services")
    ports = [{"port": 80, "protocol": "TCP", "nodePort": 30001}]
    old = {"spec": {"type": "NodePort", "clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1"], "ports": ports}}
    new = {"metadata": {"name": "s"}, "spec": {"type": "NodePort", "ports": [{"port": 80, "protocol": "TCP"}]}}
    strategy.prepare_for_update(new, old, context("", "services"))
    assert (new["spec"]["clusterIP"], new["spec"]["ports"][0]["nodePort"]) == ("10.0.0.1", 30001)
    plain = {"metadata": {"name": "s"}, "spec": {**old["spec"], "type": "ClusterIP", "ports": [dict(ports[0])]}}
    strategy.prepare_for_update(plain, old, context("", "services"))
    assert "nodePort" not in plain["spec"]["ports"][0]
