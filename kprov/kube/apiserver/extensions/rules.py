"""x-kubernetes-validations: rules in CEL at any place of a custom kind's schema."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from kprov.kube.apiserver.cel.expressions import CelError, Expression, compiled
from kprov.kube.apiserver.extensions.cel_values import to_cel, with_identity
from kprov.kube.apiserver.extensions.validation import NEW, by_key, key_of
from kprov.kube.apiserver.strategy.base import FieldError, forbidden, invalid, not_supported, required

Schema = dict[str, Any]
Rule = dict[str, Any]

WORD = "x-kubernetes-validations"
_VARIABLES = ("self", "oldSelf", "oldSelves")
# A rule that also holds for what is new gets an optional; the runtime takes none from outside, so it is made inside.
_OPTIONAL = "cel.bind(oldSelf, oldSelves.size() > 0 ? optional.of(oldSelves[0]) : optional.none(), "
_OLD = re.compile(r"\boldSelf\b")
_REASONS = ["FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired", "FieldValueDuplicate"]
_TEXTS = ("rule", "message", "messageExpression", "reason", "fieldPath")
UNCHECKED = FieldError(
    "<nil>", "FieldValueInvalid",
    "Invalid value: null: some validation rules were not checked because the object was invalid; correct the existing "
    "errors to complete validation",
)  # fmt: skip


def rule_errors(rules: Any, path: str) -> Iterator[FieldError]:
    """What is wrong with the rules at one place of a schema."""
    if not isinstance(rules, list):
        yield invalid(path, rules, "must be of type array")
        return
    for index, rule in enumerate(rules):
        here = f"{path}[{index}]"
        if not isinstance(rule, dict):
            yield invalid(here, rule, "must be of type object")
            continue
        mistyped = [name for name in _TEXTS if not isinstance(rule.get(name, ""), str)]
        if mistyped:
            yield from (invalid(f"{here}.{name}", rule[name], "must be of type string") for name in mistyped)
            continue
        text = rule.get("rule")
        if not isinstance(text, str) or not text.strip():
            yield required(f"{here}.rule", "rule is not specified")
            continue
        if "\n" in text.strip() and not rule.get("message"):
            yield required(f"{here}.message", "message must be specified if rule contains line breaks")
        if "\n" in str(rule.get("message") or ""):
            yield invalid(f"{here}.message", rule["message"], "message must not contain line breaks")
        if rule.get("reason") and rule["reason"] not in _REASONS:
            yield not_supported(f"{here}.reason", rule["reason"], _REASONS)
        if rule.get("optionalOldSelf") and not _OLD.search(text):
            told = "may not be set if oldSelf is not used in rule"
            yield invalid(f"{here}.optionalOldSelf", True, told)
        for field, wanted, problem in (("rule", "bool", "cel expression must evaluate to a bool"),
                                       ("messageExpression", "string", "messageExpression must evaluate to a string")):  # fmt: skip # noqa: E501
            if not rule.get(field):
                continue
            try:
                found = _expression(rule, field).type
            except CelError as error:
                yield invalid(f"{here}.{field}", rule[field], str(error))
                continue
            if found not in (wanted, "dyn"):
                yield invalid(f"{here}.{field}", rule[field], problem)


def _expression(rule: Rule, field: str) -> Expression:
    text = rule[field].strip()
    return compiled(f"{_OPTIONAL}{text})" if rule.get("optionalOldSelf") else text, _VARIABLES)


def broken_rules(value: Any, schema: Schema, old: Any = None) -> list[FieldError]:
    """Every rule of a schema that an object breaks.

    Args:
        value: the object, with the schema's defaults, otherwise valid.
        schema: its version's schema.
        old: the object that it replaces; None where it is new.
    """
    if not has_rules(schema):
        return []
    return list(_walk(value, with_identity(schema), NEW if old is None else old, ""))


def has_rules(schema: Any) -> bool:
    """Whether there are rules anywhere in a schema."""
    if not isinstance(schema, dict):
        return False
    below = [*(schema.get("properties") or {}).values(), schema.get("items"), schema.get("additionalProperties")]
    return bool(schema.get(WORD)) or any(map(has_rules, below))


def _walk(value: Any, schema: Schema, old: Any, path: str) -> Iterator[FieldError]:
    if value is None:
        return
    if rules := schema.get(WORD):
        yield from _check(value, schema, rules, old, path)
    if isinstance(value, dict):
        known, others = schema.get("properties") or {}, schema.get("additionalProperties")
        before = old if isinstance(old, dict) else {}
        for name, item in value.items():
            below = known.get(name, others)
            if isinstance(below, dict):
                place = f"{path}.{name}" if name in known and path else name if not path else f"{path}[{name}]"
                yield from _walk(item, below, before.get(name, NEW), place)
    elif isinstance(value, list) and isinstance(schema.get("items"), dict):
        before_by_key = by_key(old, schema)
        for index, item in enumerate(value):
            was = before_by_key.get(key_of(item, schema), NEW)
            yield from _walk(item, schema["items"], was, f"{path}[{index}]")


def _check(value: Any, schema: Schema, rules: list[Rule], old: Any, path: str) -> Iterator[FieldError]:
    known = old is not NEW and old is not None
    before = [to_cel(old, schema)] if known else []
    values = {"self": to_cel(value, schema), "oldSelf": before[0] if before else None, "oldSelves": before}
    unchanged = known and old == value
    for rule in rules:
        compares = _OLD.search(rule["rule"]) is not None
        if (compares and not known and not rule.get("optionalOldSelf")) or (unchanged and not compares):
            continue  # what broke a rule before it was made, and does not change, may stay
        kind = str(schema.get("type") or "")
        try:
            if _expression(rule, "rule").evaluate(values) is True:
                continue
        except CelError as error:
            said = str(error)
            if said.startswith("no such overload"):
                said = (f"'{said}': call arguments did not match a supported operator, function or macro signature for "
                        f"rule: {rule['rule'].strip()}")  # fmt: skip
            else:
                said = f"{said} evaluating rule: {rule['rule'].strip()}"
            yield invalid(path or "<nil>", kind, said)
            continue
        yield _broken(rule, kind, (path + str(rule.get("fieldPath") or "")).removeprefix("."), values)


def _broken(rule: Rule, kind: str, path: str, values: dict[str, Any]) -> FieldError:
    told = _message(rule, values)
    place = path or "<nil>"
    match rule.get("reason"):
        case "FieldValueForbidden":
            return forbidden(place, told)
        case "FieldValueRequired":
            return required(place, told)
        case "FieldValueDuplicate":
            return FieldError(place, "FieldValueDuplicate", f'Duplicate value: "{kind}"')
    return invalid(place, kind, told)


def _message(rule: Rule, values: dict[str, Any]) -> str:
    if rule.get("messageExpression"):
        try:
            found = _expression(rule, "messageExpression").evaluate(values)
        except CelError:
            found = None
        if isinstance(found, str) and found.strip() and "\n" not in found:
            return found.strip()
    return str(rule.get("message") or "").strip() or f"failed rule: {rule['rule'].strip()}"
