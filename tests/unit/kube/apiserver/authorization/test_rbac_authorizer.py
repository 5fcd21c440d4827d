"""RBAC: rules, bindings, and what changes when they do."""

from __future__ import annotations

import pytest

from kprov.kube.apiserver.authorization.cover import uncovered
from kprov.kube.apiserver.authorization.rbac import RBACAuthorizer
from kprov.kube.apiserver.authorization.refusal import forbidden
from kprov.kube.apiserver.authorization.union import build_authorizer
from kprov.kube.apiserver.request import RequestInfo, UserInfo

GROUP = "rbac.authorization.k8s.io"
JANE = UserInfo("jane", groups=("dev", "system:authenticated"))


def ask(verb="get", plural="pods", group="", namespace="default", name="", subresource=""):
    return RequestInfo(verb, "/x", True, "apis", group, "v1", namespace, plural, subresource, name)


def role(name, *rules, namespace=""):
    kind = "Role" if namespace else "ClusterRole"
    return {"kind": kind, "metadata": {"name": name, "namespace": namespace}, "rules": list(rules)}


def bind(name, role_name, *subjects, namespace="", kind="ClusterRole"):
    metadata = {"name": name, "namespace": namespace}
    return {"metadata": metadata, "roleRef": {"kind": kind, "name": role_name}, "subjects": list(subjects)}


def rule(verbs="get", groups="", resources="pods", **more):
    return {"verbs": verbs.split(), "apiGroups": [groups], "resources": resources.split(), **more}


USER = {"kind": "User", "name": "jane"}


@pytest.mark.parametrize(
    ("given", "asked", "allowed"),
    [
        (rule(), ask(), True),
        (rule(), ask("list"), False),
        (rule("*"), ask("deletecollection"), True),
        (rule(groups="apps"), ask(), False),
        (rule(groups="*"), ask(group="anything"), True),
        (rule(), ask(subresource="log"), False),
        (rule(resources="pods/log"), ask(subresource="log"), True),
        (rule(resources="pods/log"), ask(), False),
        (rule(resources="*/scale"), ask(plural="deployments", subresource="scale"), True),
        (rule(resources="*/scale"), ask(plural="deployments"), False),
        (rule(resources="*"), ask(plural="deployments", subresource="scale"), True),
        (rule(resourceNames=["a"]), ask(name="a"), True),
        (rule(resourceNames=["a"]), ask(name="b"), False),
        (rule("list", resourceNames=["a"]), ask("list"), False),
        ({"verbs": ["get"], "nonResourceURLs": ["/logs/*"]}, RequestInfo("get", "/logs/today"), True),
        ({"verbs": ["get"], "nonResourceURLs": ["/logs/*"]}, RequestInfo("post", "/logs/today"), False),
        ({"verbs": ["*"], "nonResourceURLs": ["*"]}, RequestInfo("get", "/anything"), True),
        ({"verbs": ["*"], "nonResourceURLs": ["*"]}, ask(), False),
    ],
)
async def test_rules(store, given, asked, allowed):
    store.add((GROUP, "clusterroles"), role("r", given))
    store.add((GROUP, "clusterrolebindings"), bind("b", "r", USER))
    assert (await RBACAuthorizer(store).authorize(JANE, asked)).allowed is allowed


async def test_a_role_binding_is_good_in_its_namespace_only(store):
    store.add((GROUP, "clusterroles"), role("r", rule()))
    store.add((GROUP, "rolebindings"), bind("b", "r", {"kind": "Group", "name": "dev"}, namespace="default"))
    authorizer = RBACAuthorizer(store)
    assert (await authorizer.authorize(JANE, ask())).reason == (
        'RBAC: allowed by RoleBinding "b/default" of ClusterRole "r" to Group "dev"'
    )
    assert not (await authorizer.authorize(JANE, ask(namespace="other"))).allowed
    assert not (await authorizer.authorize(JANE, ask(namespace=""))).allowed


async def test_changes_take_effect_at_once(store):
    authorizer = RBACAuthorizer(store)
    account = UserInfo("system:serviceaccount:default:app")
    assert not (await authorizer.authorize(account, ask())).allowed
    store.add((GROUP, "roles"), role("r", rule(), namespace="default"))
    subject = {"kind": "ServiceAccount", "name": "app"}
    store.add((GROUP, "rolebindings"), bind("b", "r", subject, namespace="default", kind="Role"))
    assert (await authorizer.authorize(account, ask())).allowed
    store.add((GROUP, "rolebindings"), bind("b", "r", namespace="default", kind="Role"))
    assert not (await authorizer.authorize(account, ask())).allowed
    store.add((GROUP, "rolebindings"), bind("b", "r", subject, namespace="default", kind="Role"))
    store.remove((GROUP, "roles"), "default", "r")
    assert not (await authorizer.authorize(account, ask())).allowed


@pytest.mark.parametrize(
    ("held", "wanted", "missing"),
    [
        ([rule("*", "*", "*")], [rule("get list", "apps", "deployments")], []),
        ([rule("get list")], [rule("get")], []),
        ([rule("get")], [rule("get list")], [{**rule("list")}]),
        ([rule("get", resourceNames=["a"])], [rule("get")], [rule("get")]),
        ([rule("get")], [rule("get", resourceNames=["a"])], []),
        ([rule("get", resources="*/scale")], [rule("get", resources="deployments/scale")], []),
        ([{"verbs": ["*"], "nonResourceURLs": ["/a/*"]}], [{"verbs": ["get"], "nonResourceURLs": ["/a/b"]}], []),
    ],
)
def test_cover(held, wanted, missing):
    assert uncovered(held, wanted) == missing


async def test_union_asks_in_order_and_keeps_the_reasons(store):
    union = build_authorizer(["Node", "AlwaysDeny"], store)
    decision = await union.authorize(JANE, ask())
    assert (decision.allowed, decision.reason) == (False, "Everything is forbidden.")
    assert (await build_authorizer(["RBAC", "AlwaysAllow"], store).authorize(JANE, ask())).allowed
    with pytest.raises(ValueError, match="Webhook"):
        build_authorizer(["Webhook"], store)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (
            ask("list", namespace="ns"),
            'pods is forbidden: User "jane" cannot list resource "pods" in API group "" in the namespace "ns"',
        ),
        (
            ask("update", "deployments", "apps", "", "x", "scale"),
            'deployments.apps "x" is forbidden: User "jane" cannot update resource "deployments/scale" in API group '
            '"apps" at the cluster scope',
        ),
        (RequestInfo("get", "/metrics"), 'forbidden: User "jane" cannot get path "/metrics"'),
    ],
)
def test_refusals_read_as_upstream(asked, message):
    error = forbidden(JANE, asked)
    assert (error.code, error.message) == (403, message)
