"""ValidatingAdmissionPolicies: what they say of a write, and what is done about it."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from kprov.kube.api.errors import ApiError
from kprov.kube.apiserver.admission.attributes import CREATE, DELETE, UPDATE, AdmissionAttributes
from kprov.kube.apiserver.admission.policies.configured import BINDINGS, POLICIES
from kprov.kube.apiserver.admission.policies.plugin import ValidatingAdmissionPolicy
from kprov.kube.apiserver.authorization.decision import Decision
from kprov.kube.apiserver.request import RequestInfo, UserInfo
from kprov.kube.apiserver.resources.table import RESOURCES
from kprov.kube.apiserver.strategy.admissionregistration import STRATEGIES

Object = dict[str, Any]
RULE = {"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["*"], "resources": ["*"]}


class _Store:
    """Objects, by kind."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], dict[tuple[str, str], Object]] = {}
        self._told: dict[tuple[str, str], list[Callable[..., None]]] = {}

    def put(self, resource: tuple[str, str], obj: Object) -> None:
        metadata = obj["metadata"]
        self.objects.setdefault(resource, {})[metadata.get("namespace", ""), metadata["name"]] = obj
        for told in self._told.get(resource, ()):
            told(None, obj)

    def subscribe(self, resource: tuple[str, str], callback: Callable[..., None]) -> None:
        self._told.setdefault(resource, []).append(callback)

    async def ensure_cached(self, *resources: tuple[str, str]) -> None: ...

    def cached_get(self, resource: tuple[str, str], namespace: str, name: str) -> Object | None:
        return self.objects.get(resource, {}).get((namespace, name))

    def cached_list(self, resource: tuple[str, str], namespace: str | None = None) -> list[Object]:
        found = self.objects.get(resource, {}).items()
        return [obj for (place, _), obj in found if not namespace or place == namespace]


class _Authorizer:
    async def authorize(self, user: UserInfo, info: RequestInfo) -> Decision:
        return Decision(user.name == "admin" or info.verb == "get", f"{user.name} {info.verb} {info.resource}")


class _Conversion:
    async def object(self, info: Any, obj: Object, version: str) -> Object:
        return copy.deepcopy(obj)


class World:
    """A plugin, and what it is asked."""

    def __init__(self) -> None:
        self.store = _Store()
        around = SimpleNamespace(store=self.store, authorizer=_Authorizer(), conversion=_Conversion())
        self.plugin = ValidatingAdmissionPolicy(around)  # type: ignore[arg-type]
        self.store.put(("", "namespaces"), {"metadata": {"name": "ns", "labels": {"env": "test"}}})
        self.annotations: dict[str, str] = {}
        self.warnings: list[str] = []

    def policy(self, *validations: Object, name: str = "p", **spec: Any) -> None:
        given: Object = {
            "metadata": {"name": name},
            "spec": {"matchConstraints": {"resourceRules": [RULE]}, "validations": list(validations), **spec},
        }
        strategy = STRATEGIES["validatingadmissionpolicies"]
        strategy.default(given)
        assert strategy.validate(given) == []
        self.store.put(POLICIES, given)

    def bind(self, *actions: str, name: str = "b", policy: str = "p", **spec: Any) -> None:
        given: Object = {
            "metadata": {"name": name},
            "spec": {"policyName": policy, "validationActions": list(actions or ("Deny",)), **spec},
        }
        strategy = STRATEGIES["validatingadmissionpolicybindings"]
        strategy.default(given)
        assert strategy.validate(given) == []
        self.store.put(BINDINGS, given)

    def write(
        self, obj: Object | None, old: Object | None = None, *, kind: tuple[str, str] = ("", "configmaps"),
        user: str = "admin",
    ) -> None:  # fmt: skip
        operation = CREATE if old is None else DELETE if obj is None else UPDATE
        info = RESOURCES[kind]
        given = [
            None if each is None else
            {"apiVersion": "v1", "kind": info.kind, **each, "metadata": {"name": "x", **each.get("metadata", {})}}
            for each in (obj, old)
        ]  # fmt: skip
        attrs = AdmissionAttributes(
            UserInfo(user, groups=("g",)), operation, info, namespace="ns" if info.namespaced else "", name="x",
            obj=given[0], old_obj=given[1], audit=SimpleNamespace(annotations=self.annotations), warnings=self.warnings,
        )  # fmt: skip
        asyncio.run(self.plugin.validate(attrs))

    def refused(self, *args: Any, **more: Any) -> ApiError:
        with pytest.raises(ApiError) as raised:
            self.write(*args, **more)
        return raised.value


@pytest.fixture
def world() -> World:
    return World()


def test_a_policy_that_is_bound_denies(world: World) -> None:
    world.policy({"expression": "has(object.data) && object.data.a == 'b'"})
    world.write({})  # nobody has bound it
    world.bind()
    world.write({"data": {"a": "b"}})
    error = world.refused({"data": {"a": "c"}})
    assert (error.code, error.reason) == (422, "Invalid")
    assert error.message == (
        "configmaps \"x\" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: "
        "failed expression: has(object.data) && object.data.a == 'b'"
    )


def test_messages_and_reasons(world: World) -> None:
    world.policy({"expression": "false", "messageExpression": "'no ' + object.metadata.name", "reason": "Forbidden"})
    world.bind()
    error = world.refused({})
    assert (error.code, error.reason) == (403, "Forbidden") and error.message.endswith("denied request: no x")
    world.policy({"expression": "false", "message": "told", "messageExpression": "object.nope"})
    assert world.refused({}).message.endswith("denied request: told")


def test_warn_and_audit(world: World) -> None:
    world.policy({"expression": "true"}, {"expression": "false", "message": "no"},
                 auditAnnotations=[{"key": "who", "valueExpression": "'by ' + request.userInfo.username"},
                                   {"key": "none", "valueExpression": "null"}])  # fmt: skip
    world.bind("Warn", "Audit")
    world.write({})
    assert world.warnings == ["Validation failed for ValidatingAdmissionPolicy 'p' with binding 'b': no"]
    assert world.annotations == {
        "p/who": "by admin",
        "validation.policy.admission.k8s.io/validation_failure":
        '[{"message":"no","policy":"p","binding":"b","expressionIndex":1,"validationActions":["Warn","Audit"]}]',
    }  # fmt: skip


def test_what_cannot_be_evaluated(world: World) -> None:
    world.policy({"expression": "object.data.a == 'b'"})
    world.bind()
    assert "expression 'object.data.a == 'b'' resulted in error: no such key: data" in world.refused({}).message
    world.policy({"expression": "object.data.a == 'b'"}, failurePolicy="Ignore")
    world.write({})


def test_conditions_and_selectors(world: World) -> None:
    only = [{"name": "mine", "expression": "request.userInfo.username != 'root'"}]
    world.policy({"expression": "false"}, matchConditions=only)
    world.bind(matchResources={"namespaceSelector": {"matchLabels": {"env": "test"}}})
    assert world.refused({})
    world.write({}, user="root")
    world.bind(matchResources={"namespaceSelector": {"matchLabels": {"env": "prod"}}})
    world.write({})
    world.bind(matchResources={"excludeResourceRules": [{**RULE, "resources": ["configmaps"]}]})
    world.write({})
    world.bind(matchResources={"resourceRules": [{**RULE, "resourceNames": ["x"]}]})
    assert world.refused({})
    world.bind(matchResources={"resourceRules": [{**RULE, "resourceNames": ["y"]}]})
    world.write({})
    # a condition that fails closes the door, unless another one says that it does not apply
    bad = {"name": "bad", "expression": "object.nope"}
    world.bind()
    world.policy({"expression": "true"}, matchConditions=[bad])
    assert "resulted in error" in world.refused({}).message
    world.policy({"expression": "true"}, matchConditions=[bad, {"name": "no", "expression": "false"}])
    world.write({})


def test_variables_are_evaluated_when_needed(world: World) -> None:
    world.policy(
        {"expression": "object == null || variables.count > 1"},
        variables=[
            {"name": "data", "expression": "object.data"},
            {"name": "count", "expression": "size(variables.data)"},
        ],
    )
    world.bind()
    world.write({"data": {"a": "b", "c": "d"}})
    assert world.refused({"data": {"a": "b"}})
    world.write(None, {"data": {}})  # deleted: there is no object to count
    told = world.refused({}).message
    assert 'composited variable "count" fails to evaluate' in told and "no such key: data" in told


def test_variables_keep_their_types(world: World) -> None:
    world.policy(
        {"expression": "variables.after > timestamp('2020-01-01T00:00:00Z') && variables.wait == duration('90s')"},
        {"expression": "variables.q.isGreaterThan(quantity('1')) && variables.raw == b'ab'"},
        variables=[
            {"name": "after", "expression": "timestamp('2024-01-01T00:00:00Z')"},
            {"name": "wait", "expression": "duration('1m30s')"},
            {"name": "q", "expression": "quantity('2')"},
            {"name": "raw", "expression": "b'ab'"},
        ],
    )
    world.bind()
    world.write({})


def test_parameters(world: World) -> None:
    world.policy(
        {"expression": "object.data.n != params.data.forbidden", "messageExpression": "'not ' + params.data.forbidden"},
        paramKind={"apiVersion": "v1", "kind": "ConfigMap"},
    )
    world.bind(paramRef={"name": "limits", "parameterNotFoundAction": "Deny"})
    assert "no params found for policy binding with `Deny`" in world.refused({"data": {"n": "1"}}).message
    world.bind(paramRef={"name": "limits", "parameterNotFoundAction": "Allow"})
    world.write({"data": {"n": "1"}})
    for name, namespace, value in (("limits", "ns", "1"), ("limits", "other", "2"), ("more", "ns", "3")):
        given = {"metadata": {"name": name, "namespace": namespace, "labels": {"l": "1"}}, "data": {"forbidden": value}}
        world.store.put(("", "configmaps"), given)
    assert world.refused({"data": {"n": "1"}}).message.endswith("not 1")
    world.write({"data": {"n": "2"}})
    world.bind(paramRef={"name": "limits", "namespace": "other", "parameterNotFoundAction": "Deny"})
    assert world.refused({"data": {"n": "2"}}).message.endswith("not 2")
    world.bind(paramRef={"selector": {"matchLabels": {"l": "1"}}, "parameterNotFoundAction": "Deny"})
    assert world.refused({"data": {"n": "3"}}).message.endswith("not 3")
    told = world.refused({"data": {"n": "3"}}, kind=("", "nodes")).message
    assert "cannot use namespaced paramRef in policy binding that matches cluster-scoped resources" in told


def test_kinds_of_parameters_that_are_not_there(world: World) -> None:
    world.policy({"expression": "true"}, paramKind={"apiVersion": "example.com/v1", "kind": "Limit"})
    world.bind(paramRef={"name": "x", "parameterNotFoundAction": "Allow"})
    told = "failed to find resource referenced by paramKind: 'example.com/v1, Kind=Limit'"
    assert told in world.refused({}).message


def test_who_may(world: World) -> None:
    asked = "authorizer.group('apps').resource('deployments').namespace('ns').check('update')"
    world.policy({"expression": f"{asked}.allowed()", "messageExpression": f"{asked}.reason()"})
    world.bind()
    world.write({})
    assert world.refused({}, user="eve").message.endswith("eve update deployments")
    world.policy({"expression": "authorizer.serviceAccount('a', 'b').path('/x').check('get').allowed()"})
    world.write({}, user="eve")
    world.policy({"expression": "authorizer.requestResource.check('bless').allowed()",
                  "messageExpression": "authorizer.requestResource.check('bless').reason()"})  # fmt: skip
    assert world.refused({}, user="eve").message.endswith("eve bless configmaps")


def test_namespaces_are_shown(world: World) -> None:
    world.policy({"expression": "namespaceObject.metadata.labels.env == 'test'"})
    world.bind()
    world.write({})
    world.policy({"expression": "namespaceObject == null"})
    world.write({}, kind=("", "nodes"))


def test_nobody_is_locked_out_of_policies(world: World) -> None:
    world.policy({"expression": "false"})
    world.bind()
    world.write({}, kind=POLICIES)
    world.write({}, kind=("admissionregistration.k8s.io", "validatingwebhookconfigurations"))


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"validations": []}, "spec.validations"),
        ({"matchConstraints": None}, "spec.matchConstraints"),
        ({"matchConstraints": {"resourceRules": []}}, "spec.matchConstraints.resourceRules"),
        ({"failurePolicy": "Maybe"}, "spec.failurePolicy"),
        ({"validations": [{"expression": "1"}]}, "spec.validations[0].expression"),
        ({"validations": [{"expression": "params.x"}]}, "spec.validations[0].expression"),
        ({"validations": [{"expression": "variables.x"}]}, "spec.validations[0].expression"),
        ({"validations": [{"expression": "true", "reason": "Why"}]}, "spec.validations[0].reason"),
        ({"validations": [{"expression": "true\n&& true"}]}, "spec.validations[0].message"),
        ({"variables": [{"name": "a", "expression": "variables.b"}, {"name": "b", "expression": "1"}]},
         "spec.variables[0].expression"),
        ({"variables": [{"name": "a-b", "expression": "1"}]}, "spec.variables[0].name"),
        ({"matchConditions": [{"name": "", "expression": "true"}]}, "spec.matchConditions[0].name"),
        ({"auditAnnotations": [{"key": "a b", "valueExpression": "'a'"}]}, "spec.auditAnnotations[0].key"),
        ({"auditAnnotations": [{"key": "a", "valueExpression": "1"}]}, "spec.auditAnnotations[0].valueExpression"),
        ({"paramKind": {"kind": "X"}}, "spec.paramKind.apiVersion"),
    ],
)  # fmt: skip
def test_policies_that_make_no_sense(spec: Object, field: str) -> None:
    given: Object = {"metadata": {"name": "p"}, "spec": {
        "matchConstraints": {"resourceRules": [RULE]}, "validations": [{"expression": "true"}], **spec}}  # fmt: skip
    strategy = STRATEGIES["validatingadmissionpolicies"]
    strategy.default(given)
    assert field in [each.field for each in strategy.validate(given)]


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"policyName": ""}, "spec.policyName"),
        ({"validationActions": []}, "spec.validationActions"),
        ({"validationActions": ["Deny", "Warn"]}, "spec.validationActions"),
        ({"validationActions": ["Shout"]}, "spec.validationActions[0]"),
        ({"paramRef": {"parameterNotFoundAction": "Deny"}}, "spec.paramRef"),
        ({"paramRef": {"name": "x"}}, "spec.paramRef.parameterNotFoundAction"),
    ],
)
def test_bindings_that_make_no_sense(spec: Object, field: str) -> None:
    given: Object = {"metadata": {"name": "b"}, "spec": {"policyName": "p", "validationActions": ["Deny"], **spec}}
    strategy = STRATEGIES["validatingadmissionpolicybindings"]
    strategy.default(given)
    assert field in [each.field for each in strategy.validate(given)]
