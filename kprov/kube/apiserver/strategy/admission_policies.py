"""ValidatingAdmissionPolicies and their bindings: defaults, and what may be in one."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from kprov.kube.apiserver.admission.policies.evaluation import names_for, variables_used
from kprov.kube.apiserver.strategy.base import (
    FieldError,
    Strategy,
    StrategyContext,
    dns_subdomain_error,
    duplicate,
    invalid,
    not_supported,
    required,
    too_many,
)
from kprov.kube.apiserver.strategy.expressions import condition_errors, expression_errors
from kprov.kube.apiserver.strategy.fields import qualified_name_errors, selector_errors
from kprov.kube.apiserver.strategy.webhook_rules import rule_errors
from kprov.kube.apiserver.strategy.workloads import set_missing

Object = dict[str, Any]

_FAILURE = ["Fail", "Ignore"]
_MATCH = ["Equivalent", "Exact"]
_ACTIONS = ["Audit", "Deny", "Warn"]
_NOT_FOUND = ["Allow", "Deny"]
_REASONS = ["Forbidden", "Invalid", "RequestEntityTooLarge", "Unauthorized"]
_MOST_ANNOTATIONS = 20
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def _default_matching(told: Object | None) -> None:
    if told is None:
        return
    set_missing(told, matchPolicy="Equivalent", namespaceSelector={}, objectSelector={})
    for field in ("resourceRules", "excludeResourceRules"):
        for rule in told.get(field) or ():
            set_missing(rule, scope="*")


class PolicyStrategy(Strategy):
    """ValidatingAdmissionPolicies."""

    def default(self, obj: Object) -> None:
        """As upstream."""
        spec = obj.setdefault("spec", {})
        set_missing(spec, failurePolicy="Fail")
        _default_matching(spec.get("matchConstraints"))

    def prepare_for_status_update(self, obj: Object, old: Object, ctx: StrategyContext) -> None:
        """Only the status changes; the core has seen to that."""

    def validate(self, obj: Object) -> list[FieldError]:
        """Where it applies, and that its expressions are some."""
        spec = obj.get("spec") or {}
        found = _word_errors(spec.get("failurePolicy"), _FAILURE, "spec.failurePolicy")
        found += _param_kind_errors(spec.get("paramKind"), "spec.paramKind")
        found += _matching_errors(spec.get("matchConstraints"), "spec.matchConstraints", constraints=True)
        expressions = _Expressions(spec)
        found += expressions.variable_errors("spec.variables")
        found += expressions.condition_errors("spec.matchConditions")
        validations, annotations = spec.get("validations") or [], spec.get("auditAnnotations") or []
        if not validations and not annotations:
            told = "validations or auditAnnotations must contain at least one item"
            found += [required("spec.validations", told), required("spec.auditAnnotations", told)]
        for index, each in enumerate(validations):
            found += expressions.validation_errors(each, f"spec.validations[{index}]")
        return found + _annotation_errors(obj, annotations, expressions)


def _annotation_errors(obj: Object, annotations: list[Object], expressions: _Expressions) -> list[FieldError]:
    path, found = "spec.auditAnnotations", list[FieldError]()
    if len(annotations) > _MOST_ANNOTATIONS:
        found.append(too_many(path, len(annotations), _MOST_ANNOTATIONS))
    name = (obj.get("metadata") or {}).get("name") or ""
    for index, each in enumerate(annotations):
        here, key = f"{path}[{index}]", each.get("key") or ""
        if not key:
            found.append(required(f"{here}.key"))
        else:
            found += [invalid(f"{here}.key", key, problem) for problem in qualified_name_errors(f"{name}/{key}")]
        if any(key == other.get("key") for other in annotations[:index]):
            found.append(duplicate(f"{here}.key", key))
        found += expressions.errors_of(each.get("valueExpression"), ("string", "null"), f"{here}.valueExpression")
    return found


class _Expressions:
    """The expressions of one policy, and what they may name."""

    def __init__(self, spec: Object) -> None:
        self._spec = spec
        self._names = names_for(spec.get("paramKind") is not None)
        self._variables = [str(each.get("name") or "") for each in spec.get("variables") or ()]

    def errors_of(
        self, text: Any, types: tuple[str, ...], path: str, known: Iterable[str] | None = None
    ) -> list[FieldError]:
        """What is wrong with an expression.

        Args:
            text: the expression.
            types: what it may evaluate to; nothing: whatever it likes.
            path: where it stands.
            known: the policy's own variables that it may name; None for all.
        """
        known = set(self._variables if known is None else known)
        unknown = sorted(variables_used(text) - known) if isinstance(text, str) else []
        if unknown:
            return [invalid(path, text, f"compilation failed: undefined field '{unknown[0]}'")]
        return expression_errors(text, self._names, types, path)

    def variable_errors(self, path: str) -> list[FieldError]:
        """What is wrong with the variables: each may name those before it."""
        found: list[FieldError] = []
        for index, each in enumerate(self._spec.get("variables") or ()):
            here, name = f"{path}[{index}]", str(each.get("name") or "")
            if not name:
                found.append(required(f"{here}.name", "name is required"))
            elif not _IDENTIFIER.fullmatch(name):
                found.append(invalid(f"{here}.name", name, "name is not a valid CEL identifier"))
            elif name in self._variables[:index]:
                found.append(duplicate(f"{here}.name", name))
            found += self.errors_of(each.get("expression"), (), f"{here}.expression", self._variables[:index])
        return found

    def condition_errors(self, path: str) -> list[FieldError]:
        """What is wrong with the matchConditions."""
        conditions = self._spec.get("matchConditions") or []
        return condition_errors(conditions, path, lambda text, here: self.errors_of(text, ("bool",), here))

    def validation_errors(self, validation: Object, path: str) -> list[FieldError]:
        """What is wrong with a validation."""
        found = self.errors_of(validation.get("expression"), ("bool",), f"{path}.expression")
        message = validation.get("message")
        text = str(validation.get("expression") or "").strip()
        if message and not message.strip():
            found.append(invalid(f"{path}.message", message, "message must be non-empty if specified"))
        elif message and "\n" in message.strip():
            found.append(invalid(f"{path}.message", message, "message must not contain line breaks"))
        elif "\n" in text and not message:
            found.append(required(f"{path}.message", "message must be specified if expression contains line breaks"))
        if validation.get("messageExpression"):
            found += self.errors_of(validation["messageExpression"], ("string",), f"{path}.messageExpression")
        if validation.get("reason"):
            found += _word_errors(validation["reason"], _REASONS, f"{path}.reason")
        return found


def _word_errors(value: Any, known: list[str], path: str) -> list[FieldError]:
    if not value:
        return [required(path)]
    return [] if value in known else [not_supported(path, value, known)]


def _param_kind_errors(kind: Object | None, path: str) -> list[FieldError]:
    if kind is None:
        return []
    found, version = [], kind.get("apiVersion") or ""
    if not version:
        found.append(required(f"{path}.apiVersion"))
    elif version.count("/") > 1 or not all(version.split("/")):
        found.append(invalid(f"{path}.apiVersion", version, f"unexpected GroupVersion string: {version}"))
    if not kind.get("kind"):
        found.append(required(f"{path}.kind"))
    return found


def _matching_errors(told: Object | None, path: str, *, constraints: bool) -> list[FieldError]:
    if told is None:
        return [required(path)] if constraints else []
    found = _word_errors(told.get("matchPolicy"), _MATCH, f"{path}.matchPolicy")
    for field in ("namespaceSelector", "objectSelector"):
        if told.get(field) is None:
            found.append(required(f"{path}.{field}"))
        found += selector_errors(told.get(field), f"{path}.{field}")
    for field in ("resourceRules", "excludeResourceRules"):
        found += rule_errors(told.get(field), f"{path}.{field}")
        for index, rule in enumerate(told.get(field) or ()):
            names = rule.get("resourceNames") or []
            found += [
                duplicate(f"{path}.{field}[{index}].resourceNames[{place}]", name)
                for place, name in enumerate(names)
                if name in names[:place]
            ]
    if constraints and not told.get("resourceRules"):
        found.append(required(f"{path}.resourceRules"))
    return found


class BindingStrategy(Strategy):
    """ValidatingAdmissionPolicyBindings."""

    def default(self, obj: Object) -> None:
        """As upstream."""
        _default_matching(obj.setdefault("spec", {}).get("matchResources"))

    def validate(self, obj: Object) -> list[FieldError]:
        """Which policy, with what, and what then."""
        spec = obj.get("spec") or {}
        found: list[FieldError] = []
        policy = spec.get("policyName") or ""
        if not policy:
            found.append(required("spec.policyName"))
        elif problem := dns_subdomain_error(policy):
            found.append(invalid("spec.policyName", policy, problem))
        found += _param_ref_errors(spec.get("paramRef"), "spec.paramRef")
        found += _matching_errors(spec.get("matchResources"), "spec.matchResources", constraints=False)
        actions, path = spec.get("validationActions") or [], "spec.validationActions"
        if not actions:
            found.append(required(path))
        for index, action in enumerate(actions):
            if action not in _ACTIONS:
                found.append(not_supported(f"{path}[{index}]", action, _ACTIONS))
            elif action in actions[:index]:
                found.append(duplicate(f"{path}[{index}]", action))
        if {"Deny", "Warn"} <= set(actions):
            told = "must not contain both Deny and Warn (repeating the same validation failure information in the API "
            found.append(invalid(path, actions, f"{told}response and headers serves no purpose)"))
        return found


def _param_ref_errors(reference: Object | None, path: str) -> list[FieldError]:
    if reference is None:
        return []
    found: list[FieldError] = []
    name, selector = reference.get("name"), reference.get("selector")
    if name and selector is not None:
        found.append(invalid(f"{path}.name", name, "name and selector are mutually exclusive"))
    elif not name and selector is None:
        found.append(required(path, "one of name or selector must be specified"))
    found += selector_errors(selector, f"{path}.selector")
    action = reference.get("parameterNotFoundAction")
    return found + _word_errors(action, _NOT_FOUND, f"{path}.parameterNotFoundAction")
