"""The plugins, each through a chain that holds it alone, and the chain itself."""

from __future__ import annotations

import pytest

from kprov.kube.api.errors import ApiError
from kprov.kube.apiserver.admission.attributes import AdmissionAttributes
from kprov.kube.apiserver.admission.chain import ALL_PLUGINS, DEFAULT_PLUGINS, build_chain
from kprov.kube.apiserver.admission.plugin import Surroundings
from kprov.kube.apiserver.authorization.union import build_authorizer
from kprov.kube.apiserver.request import UserInfo
from kprov.kube.apiserver.resources import RESOURCES

JANE = UserInfo("jane", groups=("system:authenticated",))
NODE = UserInfo("system:node:one", groups=("system:nodes", "system:authenticated"))
ADMIN = UserInfo("admin", groups=("system:masters",))


@pytest.fixture
def chain_of(store):
    """A chain of the named plugins alone."""

    def make(*names, modes=("RBAC",)):
        authorizer = build_authorizer(modes, store)
        around = Surroundings(store, authorizer, None, None, authorizer.rbac)
        return build_chain(around, names, set(DEFAULT_PLUGINS) - set(names))

    return make


async def admit(chain, plural, obj=None, *, group="", old=None, user=JANE, operation="", namespace="default", **more):
    """Send a write through a chain; returns the object."""
    operation = operation or ("UPDATE" if old else "CREATE")
    info = RESOURCES[(group, plural)]
    name = ((obj or old or {}).get("metadata") or {}).get("name", "")
    attrs = AdmissionAttributes(
        user=user,
        operation=operation,
        resource_info=info,
        namespace=namespace if info.namespaced else "",
        name=more.pop("name", name),
        obj=obj,
        old_obj=old,
        **more,
    )
    await chain.mutate(attrs)
    await chain.validate(attrs)
    return obj


def pod(name="p", containers=None, annotations=None, **spec):
    metadata = {"name": name, "namespace": "default"}
    if annotations:
        metadata["annotations"] = annotations
    return {"metadata": metadata, "spec": {"containers": containers or [{"name": "c"}], **spec}}


def container(name="c", **resources):
    return {"name": name, "resources": resources}


# The chain


def test_names_are_checked(store):
    around = Surroundings(store, build_authorizer(["RBAC"], store), None, None)
    with pytest.raises(ValueError, match="PodSecurityPolicy"):
        build_chain(around, ["PodSecurityPolicy"])
    with pytest.raises(ValueError, match="overlapped"):
        build_chain(around, ["Priority"], ["Priority"])
    names = [plugin.name for plugin in build_chain(around, ["NodeRestriction"], ["Priority"]).plugins]
    assert "NodeRestriction" in names
    assert "Priority" not in names
    assert [name for name in ALL_PLUGINS if name in names] == names[:-1]


# NamespaceLifecycle


async def test_namespaces_that_are_missing_or_going(store, chain_of):
    chain = chain_of("NamespaceLifecycle")
    with pytest.raises(ApiError, match='namespaces "default" not found'):
        await admit(chain, "configmaps", {"metadata": {"name": "c"}})
    store.add(("", "namespaces"), {"metadata": {"name": "default"}, "status": {"phase": "Terminating"}})
    with pytest.raises(ApiError) as refused:
        await admit(chain, "configmaps", {"metadata": {"name": "c"}})
    assert refused.value.status["details"]["causes"][0]["reason"] == "NamespaceTerminating"
    assert refused.value.message == (
        'configmaps "c" is forbidden: unable to create new content in namespace default because it is being terminated'
    )
    await admit(chain, "configmaps", {"metadata": {"name": "c"}}, old={"metadata": {"name": "c"}})
    await admit(chain, "configmaps", old={"metadata": {"name": "c"}}, operation="DELETE")


async def test_the_systems_namespaces_stay(chain_of):
    with pytest.raises(ApiError, match="this namespace may not be deleted"):
        await admit(chain_of("NamespaceLifecycle"), "namespaces", operation="DELETE", name="kube-system")


# ServiceAccount


async def test_a_pod_gets_an_account_and_its_token(store, chain_of):
    metadata = {"name": "default", "namespace": "default"}
    store.add(("", "serviceaccounts"), {"metadata": metadata, "imagePullSecrets": [{"name": "pull"}]})
    made = await admit(chain_of("ServiceAccount"), "pods", pod())
    spec = made["spec"]
    assert spec["serviceAccountName"] == spec["serviceAccount"] == "default"
    assert spec["imagePullSecrets"] == [{"name": "pull"}]
    volume, mount = spec["volumes"][0], spec["containers"][0]["volumeMounts"][0]
    assert volume["name"] == mount["name"]
    assert volume["name"].startswith("kube-api-access-")
    assert mount["mountPath"] == "/var/run/secrets/kubernetes.io/serviceaccount"
    sources = volume["projected"]["sources"]
    assert [next(iter(each)) for each in sources] == ["serviceAccountToken", "configMap", "downwardAPI"]


@pytest.mark.parametrize(
    ("of_pod", "of_account", "mounted"), [(None, False, False), (True, False, True), (False, None, False)]
)
async def test_opting_out_of_the_token(store, chain_of, of_pod, of_account, mounted):
    account = {"metadata": {"name": "default", "namespace": "default"}}
    if of_account is not None:
        account["automountServiceAccountToken"] = of_account
    store.add(("", "serviceaccounts"), account)
    given = pod() if of_pod is None else pod(automountServiceAccountToken=of_pod)
    made = await admit(chain_of("ServiceAccount"), "pods", given)
    assert bool(made["spec"].get("volumes")) is mounted


async def test_an_account_that_is_not_there(chain_of):
    with pytest.raises(ApiError, match="error looking up service account default/app"):
        await admit(chain_of("ServiceAccount"), "pods", pod(serviceAccountName="app"))


# Priority


PRIORITIES = ("scheduling.k8s.io", "priorityclasses")


@pytest.mark.parametrize(
    ("spec", "priority", "policy"),
    [
        ({}, 0, "PreemptLowerPriority"),
        ({"priorityClassName": "high"}, 1000, "Never"),
    ],
)
async def test_priority(store, chain_of, spec, priority, policy):
    store.add(PRIORITIES, {"metadata": {"name": "high"}, "value": 1000, "preemptionPolicy": "Never"})
    made = await admit(chain_of("Priority"), "pods", pod(**spec))
    assert (made["spec"]["priority"], made["spec"]["preemptionPolicy"]) == (priority, policy)


async def test_default_priority_class(store, chain_of):
    store.add(PRIORITIES, {"metadata": {"name": "usual"}, "value": 7, "globalDefault": True})
    chain = chain_of("Priority")
    made = await admit(chain, "pods", pod())
    assert (made["spec"]["priority"], made["spec"]["priorityClassName"]) == (7, "usual")
    with pytest.raises(ApiError, match="usual is already marked as default"):
        await admit(
            chain, "priorityclasses", {"metadata": {"name": "b"}, "globalDefault": True}, group="scheduling.k8s.io"
        )


@pytest.mark.parametrize("spec", [{"priorityClassName": "none"}, {"priority": 5}])
async def test_wrong_priority(chain_of, spec):
    with pytest.raises(ApiError):
        await admit(chain_of("Priority"), "pods", pod(**spec))


# Taints and tolerations


async def test_tolerations(chain_of):
    own = {"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 5}
    made = await admit(chain_of("DefaultTolerationSeconds"), "pods", pod(tolerations=[own]))
    assert [each["tolerationSeconds"] for each in made["spec"]["tolerations"]] == [5, 300]
    node = await admit(chain_of("TaintNodesByCondition"), "nodes", {"metadata": {"name": "n"}})
    assert node["spec"]["taints"] == [{"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}]


# LimitRanger


def limits(**item):
    metadata = {"name": "l", "namespace": "default"}
    return {"metadata": metadata, "spec": {"limits": [{"type": "Container", **item}]}}


async def test_limit_defaults(store, chain_of):
    store.add(("", "limitranges"), limits(default={"cpu": "1"}, defaultRequest={"cpu": "100m", "memory": "1Gi"}))
    made = await admit(chain_of("LimitRanger"), "pods", pod())
    assert made["spec"]["containers"][0]["resources"] == {
        "requests": {"cpu": "100m", "memory": "1Gi"},
        "limits": {"cpu": "1"},
    }
    assert made["metadata"]["annotations"]["kubernetes.io/limit-ranger"] == (
        "LimitRanger plugin set: cpu, memory request for container c; cpu limit for container c"
    )


@pytest.mark.parametrize(
    ("item", "resources", "message"),
    [
        (
            {"min": {"cpu": "1"}},
            {"requests": {"cpu": "500m"}},
            "minimum cpu usage per Container is 1, but request is 500m",
        ),
        ({"min": {"cpu": "1"}}, {}, "minimum cpu usage per Container is 1.  No request is specified"),
        ({"max": {"cpu": "1"}}, {"limits": {"cpu": "2"}}, "maximum cpu usage per Container is 1, but limit is 2"),
        ({"max": {"cpu": "1"}}, {}, "maximum cpu usage per Container is 1.  No limit is specified"),
        (
            {"maxLimitRequestRatio": {"cpu": "2"}},
            {"limits": {"cpu": "3"}, "requests": {"cpu": "1"}},
            "cpu max limit to request ratio per Container is 2, but provided ratio is 3.000000",
        ),
        (
            {"type": "Pod", "max": {"memory": "1Gi"}},
            {"limits": {"memory": "2Gi"}},
            "maximum memory usage per Pod is 1Gi, but limit is 2Gi",
        ),
    ],
)
async def test_limit_bounds(store, chain_of, item, resources, message):
    store.add(("", "limitranges"), limits(**item))
    with pytest.raises(ApiError) as refused:
        await admit(chain_of("LimitRanger"), "pods", pod(containers=[container(**resources)]))
    assert refused.value.message == f'pods "p" is forbidden: {message}'


# NodeRestriction


def own_node(name="one", **more):
    return {"metadata": {"name": name, **more}, "spec": {}}


LABELLED = {"labels": {"node-role.kubernetes.io/master": ""}}
TAINTED = {"metadata": {"name": "one"}, "spec": {"taints": [{"key": "a", "effect": "NoSchedule"}]}}
LEASE = {"group": "coordination.k8s.io", "namespace": "kube-node-lease"}


@pytest.mark.parametrize(
    ("plural", "obj", "more", "message"),
    [
        ("nodes", own_node(), {}, None),
        ("nodes", own_node("two"), {}, 'node "one" is not allowed to modify node "two"'),
        (
            "nodes",
            own_node(**LABELLED),
            {},
            "is not allowed to set the following labels: node-role.kubernetes.io/master",
        ),
        ("nodes", own_node(labels={"kubernetes.io/os": "linux", "example.com/a": "b"}), {}, None),
        ("nodes", own_node(**LABELLED), {"old": own_node()}, "is not allowed to modify labels"),
        ("nodes", own_node(), {"old": TAINTED}, 'node "one" is not allowed to modify taints'),
        ("nodes", own_node(), {"old": own_node(), "subresource": "status"}, None),
        ("leases", own_node(), LEASE, None),
        ("leases", own_node("two"), LEASE, "can only access node lease with the same name as the requesting node"),
        ("pods", pod(), {}, 'node "one" can only create mirror pods'),
        ("pods", pod(), {"old": pod(nodeName="one"), "subresource": "status"}, None),
        (
            "pods",
            pod(),
            {"old": pod(nodeName="two"), "subresource": "status"},
            "can only update pod status for pods with",
        ),
        ("pods", None, {"old": pod(nodeName="one"), "operation": "DELETE"}, None),
        ("pods", None, {"old": pod(nodeName="two"), "operation": "DELETE"}, "can only delete pods with"),
        ("serviceaccounts", {"spec": {}}, {"subresource": "token"}, "node requested token not bound to a pod"),
        ("configmaps", {"metadata": {"name": "c"}}, {}, None),
    ],
)
async def test_node_restriction(chain_of, plural, obj, more, message):
    chain = chain_of("NodeRestriction", modes=("Node", "RBAC"))
    if message is None:
        await admit(chain, plural, obj, user=NODE, **more)
        return
    with pytest.raises(ApiError) as refused:
        await admit(chain, plural, obj, user=NODE, **more)
    assert message in refused.value.message


async def test_a_node_gets_tokens_for_its_own_pods(store, chain_of):
    chain = chain_of("NodeRestriction", modes=("Node", "RBAC"))
    store.add(
        ("", "pods"), {"metadata": {"name": "p", "namespace": "default", "uid": "u"}, "spec": {"nodeName": "one"}}
    )
    bound = {"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "u"}
    await admit(chain, "serviceaccounts", {"spec": {"boundObjectRef": bound}}, user=NODE, subresource="token")
    wrong = {"spec": {"boundObjectRef": {**bound, "uid": "x"}}}
    with pytest.raises(ApiError, match="does not match the UID in record"):
        await admit(chain, "serviceaccounts", wrong, user=NODE, subresource="token")


# ResourceQuota


def quota(hard, used=None, **spec):
    metadata = {"name": "q", "namespace": "default"}
    return {"metadata": metadata, "spec": {"hard": hard, **spec}, "status": {"hard": hard, "used": used or {}}}


async def test_quota_counts_and_refuses(store, chain_of):
    store.add(("", "resourcequotas"), quota({"pods": "2", "requests.cpu": "1"}))
    chain = chain_of("ResourceQuota")
    for _ in range(2):
        await admit(chain, "pods", pod(containers=[container(requests={"cpu": "400m"})]))
    used = store.cached_get(("", "resourcequotas"), "default", "q")["status"]["used"]
    assert used == {"pods": "2", "requests.cpu": "800m"}
    with pytest.raises(ApiError) as refused:
        await admit(chain, "pods", pod(containers=[container(requests={"cpu": "400m"})]))
    assert refused.value.message == (
        'pods "p" is forbidden: exceeded quota: q, requested: pods=1,requests.cpu=400m, '
        "used: pods=2,requests.cpu=800m, "
        "limited: pods=2,requests.cpu=1"
    )


async def test_quota_asks_containers_to_speak(store, chain_of):
    store.add(("", "resourcequotas"), quota({"limits.memory": "1Gi"}))
    with pytest.raises(ApiError, match=r"failed quota: q: must specify limits\.memory for: c"):
        await admit(chain_of("ResourceQuota"), "pods", pod())


@pytest.mark.parametrize(
    ("plural", "obj", "hard", "used"),
    [
        ("configmaps", {"metadata": {"name": "c"}}, {"configmaps": "3"}, {"configmaps": "1"}),
        ("configmaps", {"metadata": {"name": "c"}}, {"count/configmaps": "3"}, {"count/configmaps": "1"}),
        (
            "services",
            {"metadata": {"name": "s"}, "spec": {"type": "NodePort", "ports": [{}, {}]}},
            {"services": "3", "services.nodeports": "3"},
            {"services": "1", "services.nodeports": "2"},
        ),
        (
            "persistentvolumeclaims",
            {
                "metadata": {"name": "c"},
                "spec": {"storageClassName": "fast", "resources": {"requests": {"storage": "1Gi"}}},
            },
            {"requests.storage": "3Gi", "fast.storageclass.storage.k8s.io/persistentvolumeclaims": "3"},
            {"requests.storage": "1Gi", "fast.storageclass.storage.k8s.io/persistentvolumeclaims": "1"},
        ),
    ],
)
async def test_what_quotas_count(store, chain_of, plural, obj, hard, used):
    store.add(("", "resourcequotas"), quota(hard))
    await admit(chain_of("ResourceQuota"), plural, obj)
    assert store.cached_get(("", "resourcequotas"), "default", "q")["status"]["used"] == used


@pytest.mark.parametrize(("scope", "counted"), [("BestEffort", True), ("NotBestEffort", False), ("Terminating", False)])
async def test_quota_scopes(store, chain_of, scope, counted):
    store.add(("", "resourcequotas"), quota({"pods": "3"}, scopes=[scope]))
    await admit(chain_of("ResourceQuota"), "pods", pod())
    used = store.cached_get(("", "resourcequotas"), "default", "q")["status"]["used"]
    assert used == ({"pods": "1"} if counted else {})


async def test_a_dry_run_charges_nothing(store, chain_of):
    store.add(("", "resourcequotas"), quota({"pods": "1"}))
    await admit(chain_of("ResourceQuota"), "pods", pod(), dry_run=True)
    assert store.cached_get(("", "resourcequotas"), "default", "q")["status"]["used"] == {}


# Escalation


RBAC = "rbac.authorization.k8s.io"


def grant(store, *rules):
    role = {"metadata": {"name": "held"}, "rules": list(rules)}
    binding = {
        "metadata": {"name": "held"},
        "roleRef": {"kind": "ClusterRole", "name": "held"},
        "subjects": [{"kind": "User", "name": "jane"}],
    }
    store.add((RBAC, "clusterroles"), role)
    store.add((RBAC, "clusterrolebindings"), binding)


READ = {"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}


async def test_nobody_gives_what_they_do_not_have(store, chain_of):
    chain = chain_of()
    role = {"metadata": {"name": "new"}, "rules": [READ]}
    with pytest.raises(ApiError) as refused:
        await admit(chain, "clusterroles", role, group=RBAC)
    assert refused.value.message == (
        'clusterroles.rbac.authorization.k8s.io "new" is forbidden: user "jane" (groups=["system:authenticated"]) is '
        'attempting to grant RBAC permissions not currently held:\n{APIGroups:[""], Resources:["pods"], Verbs:["get"]}'
    )
    grant(store, READ)
    await admit(chain, "clusterroles", role, group=RBAC)
    binding = {"metadata": {"name": "b"}, "roleRef": {"kind": "ClusterRole", "name": "held"}}
    await admit(chain, "rolebindings", binding, group=RBAC)
    await admit(chain, "clusterroles", {"metadata": {"name": "x"}, "rules": [{"verbs": ["*"]}]}, group=RBAC, user=ADMIN)


@pytest.mark.parametrize(("verb", "plural"), [("escalate", "clusterroles"), ("bind", "clusterrolebindings")])
async def test_verbs_that_allow_it(store, chain_of, verb, plural):
    grant(store, {"verbs": [verb], "apiGroups": [RBAC], "resources": ["clusterroles"]})
    store.add((RBAC, "clusterroles"), {"metadata": {"name": "big"}, "rules": [READ]})
    chain = chain_of()
    obj = {"metadata": {"name": "n"}, "rules": [READ], "roleRef": {"kind": "ClusterRole", "name": "big"}}
    await admit(chain, plural, obj, group=RBAC)


# Certificates, storage, ingress


async def test_certificate_plugins(store, chain_of):
    old = {"metadata": {"name": "r"}, "spec": {"signerName": "example.com/one"}}
    chain = chain_of("CertificateApproval", "CertificateSigning")
    approval = {"group": "certificates.k8s.io", "old": old, "subresource": "approval"}
    with pytest.raises(ApiError, match=r'user not permitted to approve requests with signerName "example\.com/one"'):
        await admit(chain, "certificatesigningrequests", dict(old), **approval)
    names = ["example.com/*"]
    grant(
        store,
        {"verbs": ["approve"], "apiGroups": ["certificates.k8s.io"], "resources": ["signers"], "resourceNames": names},
    )
    await admit(chain, "certificatesigningrequests", dict(old), **approval)


async def test_storage_plugins(store, chain_of):
    annotations = {"storageclass.kubernetes.io/is-default-class": "true"}
    store.add(("storage.k8s.io", "storageclasses"), {"metadata": {"name": "fast", "annotations": annotations}})
    chain = chain_of("DefaultStorageClass", "StorageObjectInUseProtection", "PersistentVolumeClaimResize")
    claim = {"metadata": {"name": "c"}, "spec": {"resources": {"requests": {"storage": "1Gi"}}}}
    made = await admit(chain, "persistentvolumeclaims", claim)
    assert made["spec"]["storageClassName"] == "fast"
    assert made["metadata"]["finalizers"] == ["kubernetes.io/pvc-protection"]
    bound = {**made, "status": {"phase": "Bound"}}
    bigger = {**made, "spec": {**made["spec"], "resources": {"requests": {"storage": "2Gi"}}}}
    with pytest.raises(ApiError, match="the storageclass that provisions the pvc must support resize"):
        await admit(chain, "persistentvolumeclaims", bigger, old=bound)


# DenyServiceExternalIPs


async def test_a_service_takes_no_external_address(chain_of):
    chain = chain_of("DenyServiceExternalIPs")
    service = {"metadata": {"name": "s", "namespace": "default"}, "spec": {"externalIPs": ["192.0.2.7", "192.0.2.8"]}}
    with pytest.raises(ApiError, match="Use of external IPs is denied") as refused:
        await admit(chain, "services", service)
    assert refused.value.code == 403
    fewer = {**service, "spec": {"externalIPs": ["192.0.2.8"]}}
    await admit(chain, "services", fewer, old=service)  # what is there may stay, and may go
    await admit(chain, "services", {**service, "spec": {}}, old=service)
    with pytest.raises(ApiError):
        await admit(chain, "services", {**service, "spec": {"externalIPs": ["192.0.2.9"]}}, old=service)
    assert "DenyServiceExternalIPs" not in DEFAULT_PLUGINS
