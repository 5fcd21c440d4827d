"""The Node authorizer: a node sees what its pods refer to."""

from __future__ import annotations

import pytest

from kprov.kube.apiserver.authorization.node import NodeAuthorizer
from kprov.kube.apiserver.request import RequestInfo, UserInfo

PODS = ("", "pods")
NODE = UserInfo("system:node:one", groups=("system:nodes", "system:authenticated"))


def ask(verb, plural, name="", namespace="default", group="", subresource=""):
    return RequestInfo(verb, "/x", True, "api", group, "v1", namespace, plural, subresource, name)


def pod(name="p", node="one", **spec):
    return {"metadata": {"name": name, "namespace": "default"}, "spec": {"nodeName": node, **spec}}


POD = pod(
    serviceAccountName="app",
    imagePullSecrets=[{"name": "pull"}],
    containers=[
        {
            "name": "c",
            "env": [{"name": "E", "valueFrom": {"secretKeyRef": {"name": "env", "key": "k"}}}],
            "envFrom": [{"configMapRef": {"name": "all"}}],
        }
    ],
    volumes=[
        {"name": "a", "secret": {"secretName": "mounted"}},
        {"name": "b", "projected": {"sources": [{"configMap": {"name": "projected"}}]}},
        {"name": "c", "persistentVolumeClaim": {"claimName": "data"}},
    ],
)
VOLUME = {
    "metadata": {"name": "pv"},
    "spec": {
        "claimRef": {"namespace": "default", "name": "data"},
        "csi": {"nodePublishSecretRef": {"name": "csi", "namespace": "storage"}},
    },
}


@pytest.mark.parametrize(
    ("info", "allowed"),
    [
        (ask("get", "secrets", "mounted"), True),
        (ask("watch", "secrets", "mounted"), True),
        (ask("get", "secrets", "env"), True),
        (ask("get", "secrets", "pull"), True),
        (ask("get", "secrets", "csi", "storage"), True),
        (ask("get", "secrets", "other"), False),
        (ask("list", "secrets"), False),
        (ask("update", "secrets", "mounted"), False),
        (ask("get", "configmaps", "all"), True),
        (ask("get", "configmaps", "projected"), True),
        (ask("get", "persistentvolumeclaims", "data"), True),
        (ask("list", "persistentvolumeclaims"), False),
        (ask("get", "persistentvolumes", "pv", ""), True),
        (ask("create", "serviceaccounts", "app", subresource="token"), True),
        (ask("create", "serviceaccounts", "default", subresource="token"), False),
        (ask("update", "leases", "one", "kube-node-lease", "coordination.k8s.io"), True),
        (ask("update", "leases", "two", "kube-node-lease", "coordination.k8s.io"), False),
        (ask("update", "leases", "one", "default", "coordination.k8s.io"), False),
        (ask("create", "leases", "", "kube-node-lease", "coordination.k8s.io"), True),
        (ask("patch", "nodes", "one", "", subresource="status"), True),
        (ask("list", "pods", namespace=""), True),
        (ask("list", "services", namespace=""), True),
        (ask("create", "events"), True),
        (ask("create", "certificatesigningrequests", "", "", "certificates.k8s.io"), True),
        (ask("delete", "nodes", "two", ""), False),
        (ask("list", "deployments", group="apps"), False),
    ],
)
async def test_rights_of_a_node(store, info, allowed):
    authorizer = NodeAuthorizer(store)
    store.add(PODS, POD)
    store.add(("", "persistentvolumes"), VOLUME)
    assert (await authorizer.authorize(NODE, info)).allowed is allowed


async def test_rights_end_with_the_pod(store):
    authorizer = NodeAuthorizer(store)
    store.add(PODS, POD)
    store.add(PODS, pod("other", volumes=[{"name": "a", "secret": {"secretName": "mounted"}}]))
    store.remove(PODS, "default", "p")
    assert (await authorizer.authorize(NODE, ask("get", "secrets", "mounted"))).allowed
    store.remove(PODS, "default", "other")
    assert not (await authorizer.authorize(NODE, ask("get", "secrets", "mounted"))).allowed


async def test_pods_elsewhere_and_mirror_pods_give_nothing(store):
    authorizer = NodeAuthorizer(store)
    store.add(PODS, {**POD, "spec": {**POD["spec"], "nodeName": "two"}})
    mirror = pod("m", volumes=[{"name": "a", "secret": {"secretName": "mounted"}}])
    mirror["metadata"]["annotations"] = {"kubernetes.io/config.mirror": "x"}
    store.add(PODS, mirror)
    decision = await authorizer.authorize(NODE, ask("get", "secrets", "mounted"))
    assert decision.reason == "no relationship found between node 'one' and this object"
    assert not (await authorizer.authorize(UserInfo("jane"), ask("list", "pods"))).allowed
