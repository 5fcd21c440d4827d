"""What a policy's expressions say of one write."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from kprov.kube.apiserver.admission.policies.configured import Policy
from kprov.kube.apiserver.cel.expressions import CelError, compiled

Object = dict[str, Any]

VARIABLES = ("object", "oldObject", "request", "authorizer", "namespaceObject", "variables")
"""What expressions may name, and ``params`` where the policy has a paramKind."""
_USED = re.compile(r"\bvariables\s*\.\s*(\w+)")
_LONGEST_MESSAGE = 5 * 1024
_LONGEST_ANNOTATION = 10 * 1024


@dataclass(frozen=True, slots=True)
class Failure:
    """A write that is not as a policy has it."""

    message: str
    reason: str = "Invalid"
    index: int = 0  # of the validation in the policy


def names_for(policy_has_params: bool) -> tuple[str, ...]:
    """The variables that expressions of a policy may name."""
    return (*VARIABLES, "params") if policy_has_params else VARIABLES


def variables_used(text: str) -> set[str]:
    """The policy's own variables that an expression names."""
    return set(_USED.findall(text))


class Evaluation:
    """One policy, one write, one set of parameters. Its variables are evaluated when they are first needed.

    Args:
        policy: the policy.
        values: what expressions see, by name.
    """

    def __init__(self, policy: Policy, values: Object) -> None:
        self._policy, self._values = policy, values
        self._names = names_for(policy.param_kind is not None)
        self._known: Object = {}
        self._failed: dict[str, str] = {}

    def _evaluate(self, text: str) -> Any:
        """An expression's value. Raises CelError."""
        used = variables_used(text)
        for name in used:
            self._settle(name)
        try:
            return compiled(text.strip(), self._names).evaluate({**self._values, "variables": self._known})
        except CelError as error:
            missing = str(error).removeprefix("no such key: ")
            if missing in used and missing in self._failed:
                told = f'composited variable "{missing}" fails to evaluate: {self._failed[missing]}'
                raise CelError(told) from None
            raise

    def _settle(self, name: str) -> None:
        text = self._policy.variables.get(name)
        if text is None or name in self._known or name in self._failed:
            return
        self._failed[name] = "it names itself"  # for as long as it is being evaluated
        try:
            self._known[name] = _as_given(self._evaluate(text))
            del self._failed[name]
        except CelError as error:  # no fault before somebody needs it: the access to it fails
            self._failed[name] = str(error)

    def applies(self) -> bool:
        """Whether the policy's matchConditions hold. Raises CelError where that can't be told, and no other says no."""
        failed: list[str] = []
        for each in self._policy.conditions:
            try:
                if self._evaluate(each["expression"]) is not True:
                    return False
            except CelError as error:
                failed.append(_unevaluated(each["expression"], error))
        if failed:
            raise CelError(failed[0] if len(failed) == 1 else f"[{', '.join(failed)}]")
        return True

    def failures(self) -> Iterator[Failure]:
        """The validations that do not hold."""
        for index, each in enumerate(self._policy.validations):
            text = each["expression"]
            try:
                if self._evaluate(text) is True:
                    continue
            except CelError as error:
                if not self._policy.ignores_failure:
                    yield Failure(_unevaluated(text, error), index=index)
                continue
            yield Failure(self._message(each), each.get("reason") or "Invalid", index)

    def _message(self, validation: Object) -> str:
        if expression := validation.get("messageExpression"):
            try:
                found = self._evaluate(expression)
            except CelError:
                found = None
            if isinstance(found, str) and found.strip() and "\n" not in found and len(found) <= _LONGEST_MESSAGE:
                return found.strip()
        told = str(validation.get("message") or "").strip()
        return told or f"failed expression: {validation['expression'].strip()}"

    def annotations(self) -> tuple[dict[str, str], list[Failure]]:
        """What the audit log is to say, and what could not be said."""
        found: dict[str, str] = {}
        failed: list[Failure] = []
        for each in self._policy.annotations:
            try:
                value = self._evaluate(each["valueExpression"])
            except CelError as error:
                if not self._policy.ignores_failure:
                    failed.append(Failure(_unevaluated(each["valueExpression"], error)))
                continue
            if isinstance(value, str) and value.strip():
                found[f"{self._policy.name}/{each['key']}"] = value.strip()[:_LONGEST_ANNOTATION]
        return found, failed


def _unevaluated(text: str, error: CelError) -> str:
    return f"expression '{text.strip()}' resulted in error: {error}"


def _as_given(value: Any) -> Any:
    """A value that an expression has made, as the runtime takes one."""
    if isinstance(value, dict):
        return {key: _as_given(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_as_given(each) for each in value]
    if isinstance(value, bytearray):
        return bytes(value)
    if isinstance(value, timedelta):
        from google.protobuf.duration_pb2 import Duration

        duration = Duration()
        duration.FromTimedelta(value)
        return duration
    if isinstance(value, datetime):
        from google.protobuf.timestamp_pb2 import Timestamp

        moment = Timestamp()
        moment.FromDatetime(value)
        return moment
    return value
