"""Policies and their bindings, ready to be matched against writes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from kprov.kube.api.selectors import Selector, from_label_selector
from kprov.kube.apiserver.admission.attributes import AdmissionAttributes
from kprov.kube.apiserver.admission.matching import GROUP, selected, version_matched
from kprov.kube.apiserver.authentication.objects import GroupResource, ObjectSource

Object = dict[str, Any]
Kept = TypeVar("Kept")
POLICIES: GroupResource = (GROUP, "validatingadmissionpolicies")
BINDINGS: GroupResource = (GROUP, "validatingadmissionpolicybindings")


@dataclass(frozen=True, slots=True)
class Matching:
    """matchConstraints of a policy, matchResources of a binding: which writes it is about."""

    rules: tuple[Object, ...]
    excluded: tuple[Object, ...]
    namespaces: Selector
    objects: Selector
    exact: bool

    @classmethod
    def of(cls, told: Object) -> Matching:
        """As an object says it."""
        return cls(
            rules=tuple(told.get("resourceRules") or ()),
            excluded=tuple(told.get("excludeResourceRules") or ()),
            namespaces=from_label_selector(told.get("namespaceSelector") or {}),
            objects=from_label_selector(told.get("objectSelector") or {}),
            exact=told.get("matchPolicy") == "Exact",
        )

    def version_for(self, attrs: AdmissionAttributes, namespace: Mapping[str, str] | None) -> str | None:
        """The version in which it takes the object of a write; None where it is not about it.

        Args:
            attrs: the write.
            namespace: the labels of its namespace; None where there is none.
        """
        if not selected(self.namespaces, self.objects, attrs, namespace):
            return None
        if version_matched(self.excluded, attrs, exact=self.exact) is not None:
            return None
        return version_matched(self.rules, attrs, exact=self.exact) if self.rules else attrs.version


@dataclass(frozen=True, slots=True)
class Policy:
    """A ValidatingAdmissionPolicy."""

    name: str
    matching: Matching
    param_kind: tuple[str, str] | None  # apiVersion and kind
    conditions: tuple[Object, ...]
    variables: Mapping[str, str]  # name -> expression
    validations: tuple[Object, ...]
    annotations: tuple[Object, ...]
    ignores_failure: bool

    @classmethod
    def of(cls, obj: Object) -> Policy:
        """As it is stored."""
        spec = obj.get("spec") or {}
        params = spec.get("paramKind")
        return cls(
            name=obj["metadata"]["name"],
            matching=Matching.of(spec.get("matchConstraints") or {}),
            param_kind=(params.get("apiVersion", ""), params.get("kind", "")) if params else None,
            conditions=tuple(spec.get("matchConditions") or ()),
            variables={each["name"]: each["expression"] for each in spec.get("variables") or ()},
            validations=tuple(spec.get("validations") or ()),
            annotations=tuple(spec.get("auditAnnotations") or ()),
            ignores_failure=spec.get("failurePolicy") == "Ignore",
        )


@dataclass(frozen=True, slots=True)
class Binding:
    """A ValidatingAdmissionPolicyBinding."""

    name: str
    policy: str
    matching: Matching | None
    params: Object | None  # paramRef
    actions: tuple[str, ...]

    @classmethod
    def of(cls, obj: Object) -> Binding:
        """As it is stored."""
        spec = obj.get("spec") or {}
        told = spec.get("matchResources")
        return cls(
            name=obj["metadata"]["name"],
            policy=spec.get("policyName") or "",
            matching=Matching.of(told) if told else None,
            params=spec.get("paramRef"),
            actions=tuple(spec.get("validationActions") or ()),
        )


class Configured:
    """Every policy that is bound, with its bindings, kept up with the watch cache."""

    def __init__(self, store: ObjectSource) -> None:
        self._policies: dict[str, Policy] = {}
        self._bindings: dict[str, Binding] = {}
        self._bound: tuple[tuple[Policy, tuple[Binding, ...]], ...] | None = ()
        store.subscribe(POLICIES, partial(self._changed, self._policies, Policy.of))
        store.subscribe(BINDINGS, partial(self._changed, self._bindings, Binding.of))

    def _changed(
        self, known: dict[str, Kept], read: Callable[[Object], Kept], old: Object | None, new: Object | None
    ) -> None:
        if new is not None:
            known[new["metadata"]["name"]] = read(new)
        elif old is not None:
            known.pop(old["metadata"]["name"], None)
        self._bound = None

    def bound(self) -> tuple[tuple[Policy, tuple[Binding, ...]], ...]:
        """Policies by name, each with its bindings by name."""
        if self._bound is None:
            bindings: dict[str, list[Binding]] = {}
            for _, each in sorted(self._bindings.items()):
                bindings.setdefault(each.policy, []).append(each)
            self._bound = tuple(
                (policy, tuple(bindings[name])) for name, policy in sorted(self._policies.items()) if name in bindings
            )
        return self._bound
