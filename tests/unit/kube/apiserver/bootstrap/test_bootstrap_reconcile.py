"""The default policy: what it grants, and that it is put right without taking anything away."""

from __future__ import annotations

import pytest

from kprov.kube.apiserver.authorization.rbac import RBACAuthorizer
from kprov.kube.apiserver.bootstrap.reconcile import reconcile
from kprov.kube.apiserver.request import RequestInfo, UserInfo

RBAC = "rbac.authorization.k8s.io"
ROLES, BINDINGS = (RBAC, "clusterroles"), (RBAC, "clusterrolebindings")


def resource(verb, plural, group="", namespace="default", name="", subresource=""):
    return RequestInfo(verb, "", True, "api", group, "v1", namespace, plural, subresource, name)


AUTHENTICATED = ("system:authenticated",)
SCHEDULER = UserInfo("system:kube-scheduler", groups=AUTHENTICATED)
ANONYMOUS = UserInfo("system:anonymous", groups=("system:unauthenticated",))
REPLICA_SETS = UserInfo("system:serviceaccount:kube-system:replicaset-controller", groups=AUTHENTICATED)


@pytest.mark.parametrize(
    ("user", "info", "allowed"),
    [
        (UserInfo("admin", groups=("system:masters",)), resource("delete", "nodes"), True),
        (SCHEDULER, resource("create", "pods", subresource="binding"), True),
        (SCHEDULER, resource("update", "leases", "coordination.k8s.io", "kube-system", "kube-scheduler"), True),
        (SCHEDULER, resource("update", "leases", "coordination.k8s.io", "kube-system", "other"), False),
        (SCHEDULER, resource("get", "secrets"), False),
        (REPLICA_SETS, resource("create", "pods"), True),
        (REPLICA_SETS, resource("create", "deployments", "apps"), False),
        (UserInfo("system:kube-proxy", groups=AUTHENTICATED), resource("watch", "services", namespace=""), True),
        (UserInfo("jane", groups=AUTHENTICATED), RequestInfo("get", "/apis/apps"), True),
        (ANONYMOUS, RequestInfo("get", "/healthz"), True),
        (ANONYMOUS, RequestInfo("get", "/version"), True),
        (ANONYMOUS, RequestInfo("get", "/apis"), False),
        (UserInfo("x", groups=("system:monitoring",)), RequestInfo("get", "/readyz/etcd"), True),
    ],
)
async def test_default_policy(store, user, info, allowed):
    authorizer = RBACAuthorizer(store)
    await reconcile(store)
    assert (await authorizer.authorize(user, info)).allowed is allowed


async def test_everything_is_there_and_a_second_run_changes_nothing(store):
    await reconcile(store)
    names = {name for _, name in store.objects[("", "namespaces")]}
    assert names == {"default", "kube-system", "kube-public", "kube-node-lease"}
    assert len(store.objects[("scheduling.k8s.io", "priorityclasses")]) == 2
    before = {resource: dict(objects) for resource, objects in store.objects.items()}
    await reconcile(store)
    assert all(before[resource][place] is obj for resource in before for place, obj in store.objects[resource].items())


async def test_missing_rules_and_subjects_come_back_and_added_ones_stay(store):
    await reconcile(store)
    role = store.cached_get(ROLES, "", "system:node-proxier")
    removed = role["rules"].pop(0)
    extra = {"verbs": ["get"], "apiGroups": ["example.com"], "resources": ["things"]}
    role["rules"].append(extra)
    store.add(ROLES, role)
    binding = store.cached_get(BINDINGS, "", "cluster-admin")
    other = {"kind": "User", "apiGroup": RBAC, "name": "jane"}
    binding["subjects"] = [other]
    store.add(BINDINGS, binding)

    await reconcile(store)

    rules = store.cached_get(ROLES, "", "system:node-proxier")["rules"]
    assert extra in rules
    assert any(set(rule["resources"]) & set(removed["resources"]) for rule in rules)
    subjects = store.cached_get(BINDINGS, "", "cluster-admin")["subjects"]
    assert [each["name"] for each in subjects] == ["jane", "system:masters"]


async def test_an_administrator_may_take_over(store):
    await reconcile(store)
    role = store.cached_get(ROLES, "", "system:discovery")
    role["metadata"]["annotations"]["rbac.authorization.kubernetes.io/autoupdate"] = "false"
    role["rules"] = []
    store.add(ROLES, role)
    await reconcile(store)
    assert store.cached_get(ROLES, "", "system:discovery")["rules"] == []


async def test_aggregated_roles_are_effective_from_the_start(store):
    await reconcile(store)
    view, edit, admin = (store.cached_get(ROLES, "", name) for name in ("view", "edit", "admin"))
    assert len(view["rules"]) < len(edit["rules"]) < len(admin["rules"])
    assert view["metadata"]["labels"]["rbac.authorization.k8s.io/aggregate-to-edit"] == "true"
    assert not any("secrets" in rule.get("resources", ()) for rule in view["rules"])
