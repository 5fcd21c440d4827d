"""What upstream refuses, in its words."""

from __future__ import annotations

import copy

import pytest

from kprov.kube.apiserver.resources import RESOURCES
from kprov.kube.apiserver.strategy.cron import schedule_error
from kprov.kube.apiserver.strategy.lookup import strategy_of


def container(**more):
    return {"name": "c", "image": "i", **more}


def pod(**spec):
    return {"metadata": {"name": "p", "namespace": "default"}, "spec": {"containers": [container()], **spec}}


def template(labels=None, **spec):
    return {
        "metadata": {"labels": {"a": "b"} if labels is None else labels},
        "spec": {"containers": [container()], **spec},
    }


def workload(**spec):
    base = {"selector": {"matchLabels": {"a": "b"}}, "template": template()}
    return {"metadata": {"name": "w", "namespace": "default", "uid": "u"}, "spec": {**base, **spec}}


def service(**spec):
    return {"metadata": {"name": "s", "namespace": "default"}, "spec": {"ports": [{"port": 80}], **spec}}


def ports(*numbers):
    return {"ports": [{"containerPort": 80, "hostPort": number} for number in numbers]}


def probe(**more):
    return {"livenessProbe": {"exec": {"command": ["x"]}, **more}}


def named(**more):
    return {"metadata": {"name": "x", "namespace": "default"}, **more}


VOLUME = {"name": "v", "emptyDir": {}}
MOUNT = {"name": "v", "mountPath": "/a"}
APPS, BATCH, RBAC = "apps", "batch", "rbac.authorization.k8s.io"
NETWORK = "networking.k8s.io"
BACKEND = {"service": {"name": "s", "port": {"number": 80}}}


def rules(*each):
    return named(rules=list(each))


def ingress(**path):
    http = {"paths": [{"path": "/", "pathType": "Prefix", "backend": BACKEND, **path}]}
    return named(spec={"rules": [{"http": http}]})


@pytest.mark.parametrize(
    ("group", "plural", "obj", "messages"),
    [
        ("", "pods", pod(), []),
        ("", "pods", pod(containers=[]), ["spec.containers: Required value"]),
        ("", "pods", pod(containers=[{"name": "c"}]), ["spec.containers[0].image: Required value"]),
        ("", "pods", pod(containers=[{"image": "i"}]), ["spec.containers[0].name: Required value"]),
        ("", "pods", pod(containers=[container(), container()]), ['spec.containers[1].name: Duplicate value: "c"']),
        ("", "pods", pod(restartPolicy="Sometimes"),
         ['spec.restartPolicy: Unsupported value: "Sometimes": supported values: "Always", "Never", "OnFailure"']),
        ("", "pods", pod(containers=[container(resources={"requests": {"cpu": "2"}, "limits": {"cpu": "1"}})]),
         ['spec.containers[0].resources.requests: Invalid value: "2": must be less than or equal to cpu limit of 1']),
        ("", "pods", pod(containers=[container(resources={"requests": {"disk": "1"}})]),
         ['requests[disk]: Invalid value: "disk": must be a standard resource for containers']),
        ("", "pods", pod(containers=[container(resources={"limits": {"cpu": "much"}})]), ["a quantity"]),
        ("", "pods", pod(containers=[container(ports=[{"containerPort": 70000}])]),
         ["spec.containers[0].ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive"]),
        ("", "pods", pod(containers=[container(**ports(80, 80))]),
         ['spec.containers[0].ports[1].hostPort: Duplicate value: "TCP//80"']),
        ("", "pods", pod(containers=[container(env=[{"name": "1 X"}])]), ["a valid environment variable name"]),
        ("", "pods", pod(containers=[container(env=[{"name": "X", "value": "a", "valueFrom": {
            "secretKeyRef": {"name": "s", "key": "k"}}}])]),
         ['spec.containers[0].env[0].valueFrom: Invalid value: "": may not be specified when `value` is not empty']),
        ("", "pods", pod(containers=[container(volumeMounts=[MOUNT])]),
         ['spec.containers[0].volumeMounts[0].name: Not found: "v"']),
        ("", "pods", pod(volumes=[VOLUME], containers=[container(volumeMounts=[MOUNT, MOUNT])]),
         ['spec.containers[0].volumeMounts[1].mountPath: Invalid value: "/a": must be unique']),
        ("", "pods", pod(volumes=[VOLUME, VOLUME]), ['spec.volumes[1].name: Duplicate value: "v"']),
        ("", "pods", pod(volumes=[{**VOLUME, "hostPath": {"path": "/"}}]),
         ["spec.volumes[0].hostPath: Forbidden: may not specify more than 1 volume type"]),
        ("", "pods", pod(containers=[container(livenessProbe={})]),
         ["spec.containers[0].livenessProbe: Required value: must specify a handler type"]),
        ("", "pods", pod(containers=[container(**probe(successThreshold=2))]),
         ["spec.containers[0].livenessProbe.successThreshold: Invalid value: 2: must be 1"]),
        ("", "pods", pod(initContainers=[container(name="i", **probe())]), ["must not be set for init containers"]),
        ("", "pods", pod(tolerations=[{"operator": "Equal"}]), ["operator must be Exists when `key` is empty"]),
        ("", "pods", pod(tolerations=[{"key": "a", "effect": "NoSchedule", "tolerationSeconds": 1}]),
         ["effect must be 'NoExecute' when `tolerationSeconds` is set"]),
        ("", "pods", pod(activeDeadlineSeconds=0), ["must be between 1 and 2147483647, inclusive"]),
        ("", "pods", pod(dnsPolicy="None"), ["must provide `dnsConfig` when `dnsPolicy` is None"]),
        ("", "pods", pod(affinity={"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{}]}}),
         ["topologyKey: Required value: can not be empty"]),
        ("", "pods", pod(nodeSelector={"a b": "c"}), ["spec.nodeSelector: Invalid value"]),
        (APPS, "deployments", workload(), []),
        (APPS, "deployments", workload(template=template({"a": "c"})),
         ['spec.template.metadata.labels: Invalid value: {"a": "c"}: `selector` does not match template `labels`']),
        (APPS, "deployments", workload(selector=None), ["spec.selector: Required value"]),
        (APPS, "deployments", workload(selector={}), ["empty selector is invalid for deployment"]),
        (APPS, "deployments", workload(replicas=-1),
         ["spec.replicas: Invalid value: -1: must be greater than or equal to 0"]),
        (APPS, "deployments", workload(template=template(restartPolicy="Never")),
         ['spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"']),
        (APPS, "deployments", workload(strategy={"type": "RollingUpdate", "rollingUpdate": {
            "maxSurge": 0, "maxUnavailable": 0}}), ["may not be 0 when `maxSurge` is 0"]),
        (APPS, "daemonsets", workload(), []),
        (APPS, "statefulsets", workload(), []),
        (BATCH, "jobs", workload(manualSelector=True, template=template(restartPolicy="Always")),
         ['spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"']),
        (BATCH, "cronjobs", named(spec={"schedule": "61 * * * *", "jobTemplate": {"spec": {
            "template": template(restartPolicy="Never")}}}), ["end of range (61) above maximum (59): 61"]),
        ("", "services", service(), []),
        ("", "services", service(ports=[]), ["spec.ports: Required value"]),
        ("", "services", service(ports=[{"port": 1}, {"port": 2}]),
         ["spec.ports[0].name: Required value", "spec.ports[1].name: Required value"]),
        ("", "services", service(type="ExternalName", ports=[]), ["spec.externalName: Required value"]),
        ("", "services", service(ports=[{"port": 80, "nodePort": 30000}]),
         ["spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'"]),
        ("", "services", service(clusterIP="x"), ["must be a valid IP address"]),
        ("", "configmaps", named(data={"a/b": ""}), ["a valid config key"]),
        ("", "secrets", named(type="kubernetes.io/tls", data={"tls.crt": ""}), ["data[tls.key]: Required value"]),
        ("", "endpoints", named(subsets=[{"addresses": [{"ip": "127.0.0.1"}], "ports": [{"port": 80}]}]),
         ["may not be in the loopback range (127.0.0.0/8, ::1/128)"]),
        ("", "resourcequotas", named(spec={"hard": {"pods": "-1"}}), ["must be greater than or equal to 0"]),
        ("", "persistentvolumeclaims", named(spec={"accessModes": ["ReadWriteOnce"]}),
         ["spec.resources[storage]: Required value"]),
        ("", "persistentvolumes", named(spec={"accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Gi"}}),
         ["spec: Required value: must specify a volume type"]),
        (RBAC, "roles", rules({"verbs": [], "apiGroups": [""], "resources": ["pods"]}),
         ["rules[0].verbs: Required value: verbs must contain at least one value"]),
        (RBAC, "roles", rules({"verbs": ["get"], "nonResourceURLs": ["/x"]}),
         ["namespaced rules cannot apply to non-resource URLs"]),
        (RBAC, "rolebindings", named(roleRef={"kind": "Thing", "name": "x"}),
         ['roleRef.kind: Unsupported value: "Thing": supported values: "Role", "ClusterRole"']),
        (NETWORK, "ingresses", ingress(), []),
        (NETWORK, "ingresses", ingress(pathType=None),
         ["spec.rules[0].http.paths[0].pathType: Required value: pathType must be specified"]),
        (NETWORK, "networkpolicies", named(spec={"podSelector": {}, "ingress": [{"from": [{"ipBlock": {
            "cidr": "10.0.0.0/8", "except": ["11.0.0.0/8"]}}]}]}), ["must be a strict subset of `cidr`: 10.0.0.0/8"]),
        ("policy", "poddisruptionbudgets", named(spec={"minAvailable": 1, "maxUnavailable": 1}),
         ["minAvailable and maxUnavailable cannot be both set"]),
        ("scheduling.k8s.io", "priorityclasses", named(value=2000000000),
         ["value: Forbidden: maximum allowed value of a user defined priority is 1000000000"]),
        ("storage.k8s.io", "storageclasses", named(), ["provisioner: Required value"]),
        ("autoscaling", "horizontalpodautoscalers", named(spec={"scaleTargetRef": {"kind": "D", "name": "d"}}),
         ["spec.maxReplicas: Invalid value: 0: must be greater than 0"]),
    ],
)  # fmt: skip
def test_creation(group, plural, obj, messages):
    strategy, obj = strategy_of(group, plural), copy.deepcopy(obj)
    strategy.default(obj)
    found = [error.message for error in strategy.validate(obj)]
    for message in messages:
        assert any(message in each for each in found), found
    assert bool(found) is bool(messages), found


def change(obj, **spec):
    return {**obj, "spec": {**obj["spec"], **spec}}


@pytest.mark.parametrize(
    ("group", "plural", "old", "new", "message"),
    [
        ("", "pods", pod(), pod(containers=[container(image="other")]), None),
        ("", "pods", pod(), pod(activeDeadlineSeconds=5), None),
        ("", "pods", pod(), pod(tolerations=[{"key": "a", "operator": "Exists"}]), None),
        ("", "pods", pod(hostNetwork=False), pod(), None),
        ("", "pods", pod(), pod(hostname="x"),
         "pod updates may not change fields other than `spec.containers[*].image`"),
        ("", "pods", pod(), pod(containers=[container(), container(name="d")]), "may not add or remove containers"),
        ("", "pods", pod(tolerations=[{"key": "a", "operator": "Exists"}]), pod(),
         "existing toleration can not be modified"),
        ("", "pods", pod(activeDeadlineSeconds=5), pod(activeDeadlineSeconds=6),
         "must be less than or equal to previous"),
        (APPS, "deployments", workload(), workload(replicas=5), None),
        (APPS, "deployments", workload(), workload(
            selector={"matchLabels": {"x": "y"}}, template=template({"x": "y"})), "field is immutable"),
        (APPS, "statefulsets", workload(), workload(replicas=5), None),
        (APPS, "statefulsets", workload(), workload(serviceName="x"),
         "updates to statefulset spec for fields other than"),
        ("", "services", service(clusterIP="10.0.0.1"), service(clusterIP="10.0.0.2"),
         "spec.clusterIPs[0]: Invalid value: [\"10.0.0.2\"]: may not change once set"),
        ("", "secrets", named(type="Opaque"), named(type="x"), "type: Invalid value: \"x\": field is immutable"),
        ("", "configmaps", named(immutable=True, data={"a": "b"}), named(immutable=True, data={"a": "c"}),
         "data: Forbidden: field is immutable when `immutable` is set"),
        ("", "configmaps", named(immutable=True), named(), "immutable: Forbidden"),
        (RBAC, "rolebindings", named(roleRef={"kind": "Role", "name": "a"}), named(roleRef={"kind": "Role",
         "name": "b"}),
         "cannot change roleRef"),
        (BATCH, "jobs", workload(manualSelector=True, template=template(restartPolicy="Never")), workload(
            manualSelector=True, template=template(restartPolicy="OnFailure")), "spec.template: Invalid value"),
        (BATCH, "jobs", workload(manualSelector=True, template=template(restartPolicy="Never")), workload(
            manualSelector=True, parallelism=3, completions=1, template=template(restartPolicy="Never")), None),
        ("scheduling.k8s.io", "priorityclasses", named(value=1), named(value=2), "may not be changed in an update"),
        ("", "persistentvolumeclaims", named(spec={"accessModes": ["ReadWriteOnce"], "resources": {
            "requests": {"storage": "2Gi"}}}, status={"phase": "Bound"}), named(spec={"accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "1Gi"}}}), "field can not be less than previous value"),
    ],
)  # fmt: skip
def test_updates(group, plural, old, new, message):
    strategy, old, new = strategy_of(group, plural), copy.deepcopy(old), copy.deepcopy(new)
    strategy.default(old)
    strategy.default(new)
    found = [error.message for error in strategy.validate_update(new, old)]
    if message is None:
        assert found == []
    else:
        assert any(message in each for each in found), found


def test_containers_that_ended_stay_ended():
    done = {"containerStatuses": [{"name": "c", "state": {"terminated": {"exitCode": 0}}}]}
    again = {"containerStatuses": [{"name": "c", "state": {"running": {}}}]}
    old, new = {**pod(restartPolicy="Never"), "status": done}, {**pod(restartPolicy="Never"), "status": again}
    found = strategy_of("", "pods").validate_status_update(new, old)
    assert [error.message for error in found] == [
        "status.containerStatuses[0].state: Forbidden: may not be transitioned to non-terminated state"
    ]


@pytest.mark.parametrize(
    ("key", "name", "good"),
    [
        (("", "services"), "1a", False), (("", "services"), "a1", True), (("", "namespaces"), "a.b", False),
        (("", "pods"), "a.b", True), (("", "pods"), "A", False), ((RBAC, "roles"), "system:x", True),
        ((RBAC, "roles"), "a/b", False),
    ],
)  # fmt: skip
def test_names(key, name, good):
    assert (strategy_of(*key).name_error(name) is None) is good


@pytest.mark.parametrize(
    ("schedule", "good"),
    [
        ("*/5 * * * *", True), ("0 0 1 jan sun-fri", True), ("@hourly", True), ("@every 1h30m", True), ("* * * *",
         False),
        ("@never", False), ("*/0 * * * *", False), ("5-1 * * * *", False), ("a * * * *", False), ("0 24 * * *", False),
    ],
)  # fmt: skip
def test_schedules(schedule, good):
    assert (schedule_error(schedule) is None) is good


@pytest.mark.parametrize("key", list(RESOURCES), ids="/".join)
def test_every_kind_survives_an_empty_object(key):
    strategy, obj = strategy_of(*key), {"metadata": {"name": "x", "namespace": "default"}}
    strategy.default(obj)
    strategy.validate(obj)
    strategy.validate_update(obj, copy.deepcopy(obj))
    strategy.validate_status_update(obj, copy.deepcopy(obj))
