"""Asks the ValidatingAdmissionPolicies that are bound to a write."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from kprov.kube.api import errors
from kprov.kube.api.errors import ApiError
from kprov.kube.apiserver.admission.answering import answered_for
from kprov.kube.apiserver.admission.attributes import CONNECT, CREATE, DELETE, UPDATE, AdmissionAttributes
from kprov.kube.apiserver.admission.matching import is_exempt
from kprov.kube.apiserver.admission.plugin import Plugin, Surroundings, forbid
from kprov.kube.apiserver.admission.policies.configured import BINDINGS, POLICIES, Binding, Configured, Policy
from kprov.kube.apiserver.admission.policies.evaluation import Evaluation, Failure
from kprov.kube.apiserver.admission.policies.parameters import ParametersMissing, parameters_of
from kprov.kube.apiserver.admission.views import in_version, namespace_labels, namespace_of
from kprov.kube.apiserver.admission.webhooks.conditions import values_of
from kprov.kube.apiserver.admission.webhooks.review import question
from kprov.kube.apiserver.authentication.objects import NAMESPACES
from kprov.kube.apiserver.cel.expressions import CelError

Object = dict[str, Any]

_CODES = {"Unauthorized": 401, "Forbidden": 403, "RequestEntityTooLarge": 413, "Invalid": 422}
_AUDITED = "validation.policy.admission.k8s.io/validation_failure"
# What expressions see of a namespace, as upstream has it.
_OF_METADATA = ("name", "generateName", "namespace", "labels", "annotations", "uid", "creationTimestamp",
                "deletionTimestamp", "deletionGracePeriodSeconds", "generation", "resourceVersion", "finalizers")  # fmt: skip # noqa: E501


@dataclass(frozen=True, slots=True)
class _Finding:
    """A failure, and whose word it is."""

    policy: str
    binding: Binding
    failure: Failure


class ValidatingAdmissionPolicy(Plugin):
    """Policies in CEL, each bound to some writes."""

    name = "ValidatingAdmissionPolicy"
    operations = frozenset((CREATE, UPDATE, DELETE, CONNECT))
    subresources = None
    caches = (POLICIES, BINDINGS, NAMESPACES)

    def __init__(self, around: Surroundings) -> None:
        super().__init__(around)
        self._configured = Configured(self.store)

    async def validate(self, attrs: AdmissionAttributes) -> None:
        """Ask each policy that is bound to the write. Raises ApiError of the first, in their order, that denies it."""
        bound = self._configured.bound()
        if not bound or is_exempt(attrs):
            return
        labels = namespace_labels(self.store, attrs)
        found: list[_Finding] = []
        for policy, bindings in bound:
            version = policy.matching.version_for(attrs, labels)
            if version is None:
                continue
            wanted = [each for each in bindings if each.matching is None or each.matching.version_for(attrs, labels)]
            if wanted:
                found += await self._asked(policy, wanted, version, attrs)
        self._act(found, attrs)

    async def _asked(
        self, policy: Policy, bindings: list[Binding], version: str, attrs: AdmissionAttributes
    ) -> list[_Finding]:
        values = await self._values(attrs, version)
        found: list[_Finding] = []
        for binding in bindings:
            try:
                given = await parameters_of(policy, binding, attrs.namespace, self.around.store, self.around.conversion)
            except ParametersMissing as error:
                if not policy.ignores_failure:
                    found.append(_Finding(policy.name, binding, Failure(str(error))))
                continue
            with answered_for(self.around.authorizer, attrs.user):
                for params in given:
                    evaluation = Evaluation(policy, {**values, "params": params})
                    found += (
                        _Finding(policy.name, binding, each) for each in self._failures(evaluation, policy, attrs)
                    )
        return found

    @staticmethod
    def _failures(evaluation: Evaluation, policy: Policy, attrs: AdmissionAttributes) -> Iterator[Failure]:
        try:
            if not evaluation.applies():
                return
        except CelError as error:
            if not policy.ignores_failure:
                yield Failure(str(error))
            return
        yield from evaluation.failures()
        annotations, unsaid = evaluation.annotations()
        attrs.note(annotations)
        yield from unsaid

    async def _values(self, attrs: AdmissionAttributes, version: str) -> Object:
        shown = [await in_version(self.around.conversion, attrs, version, each) for each in (attrs.obj, attrs.old_obj)]
        namespace = namespace_of(self.store, attrs)
        return {
            **values_of(question(attrs, version, *shown)["request"]),
            "namespaceObject": _namespace_shown(namespace) if attrs.namespace and namespace else None,
        }

    @staticmethod
    def _act(found: list[_Finding], attrs: AdmissionAttributes) -> None:
        audited = [each for each in found if "Audit" in each.binding.actions]
        if audited:
            attrs.note({_AUDITED: orjson.dumps([_record(each) for each in audited]).decode()})
        for each in found:
            if "Warn" in each.binding.actions:
                told = f"Validation failed for ValidatingAdmissionPolicy '{each.policy}' with binding "
                attrs.warnings.append(f"{told}'{each.binding.name}': {each.failure.message}")
        denied = next((each for each in found if "Deny" in each.binding.actions), None)
        if denied is not None:
            raise _refusal(denied, attrs)


def _namespace_shown(namespace: Object) -> Object:
    metadata = namespace.get("metadata") or {}
    return {
        "metadata": {key: metadata[key] for key in _OF_METADATA if key in metadata},
        "spec": namespace.get("spec") or {},
        "status": namespace.get("status") or {},
    }


def _record(found: _Finding) -> Object:
    return {
        "message": found.failure.message,
        "policy": found.policy,
        "binding": found.binding.name,
        "expressionIndex": found.failure.index,
        "validationActions": list(found.binding.actions),
    }


def _refusal(found: _Finding, attrs: AdmissionAttributes) -> ApiError:
    reason = found.failure.reason
    whose = f"ValidatingAdmissionPolicy '{found.policy}' with binding '{found.binding.name}'"
    told = f"{whose} denied request: {found.failure.message}"
    base = forbid(attrs, told)
    details = {**(base.status.get("details") or {}), "causes": [{"message": told}]}
    return errors.make(_CODES.get(reason, 422), reason, base.message, **details)
