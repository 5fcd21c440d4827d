"""CEL's functions that ask who may do what: ``authorizer.group('apps').resource('deployments').check('create')``.

An expression's question is gathered as a map whose one value is JSON, and answered by whoever evaluates the expression.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import orjson

from kprov.kube.apiserver.cel.overloads import Own, Rows, content

Facts = dict[str, Any]
Ask = Callable[[Facts], Facts]
"""From what is asked (user, path, group, resource, ..., verb) to {allowed, reason, error}."""

VARIABLE = "authorizer"
_QUESTION, _ANSWER, _OF_REQUEST = "authz", "decision", "requestResource"

asking: ContextVar[Ask] = ContextVar("asking")
"""Who answers while an expression is evaluated."""


def variable(request: Facts) -> Own:
    """The value of the variable ``authorizer``.

    Args:
        request: what the request itself is about: group, resource, subresource, namespace, name.
    """
    return {_QUESTION: _text({}), _OF_REQUEST: {_QUESTION: _text(request)}}


def _text(facts: Facts) -> str:
    return orjson.dumps(facts).decode()


def _asked(value: Own) -> Facts:
    if not isinstance(value.get(_QUESTION), str):
        raise ValueError("no such overload")
    found: Facts = orjson.loads(value[_QUESTION])
    return found


def _with(fact: str) -> Callable[[Own, str], Own]:
    return lambda value, given: {_QUESTION: _text({**_asked(value), fact: given})}


def _account(value: Own, namespace: str, name: str) -> Own:
    return {_QUESTION: _text({**_asked(value), "account": [namespace, name]})}


def _check(value: Own, verb: str) -> Own:
    return {_ANSWER: _text(asking.get()({**_asked(value), "verb": verb}))}


def _said(value: Own, what: str) -> Any:
    return orjson.loads(content(value, _ANSWER)).get(what)


def rows(kind: Any, own: Any) -> Rows:
    """The functions.

    Args:
        kind: CEL's types.
        own: the type of Kubernetes' own values.
    """
    text, flag = kind.STRING, kind.BOOL
    facts = ("path", "group", "resource", "subresource", "namespace", "name", "fieldSelector", "labelSelector")
    return [
        *((fact, [(own, [own, text], True, _with(fact))]) for fact in facts),
        ("serviceAccount", [(own, [own, text, text], True, _account)]),
        ("check", [(own, [own, text], True, _check)]),
        ("allowed", [(flag, [own], True, lambda value: bool(_said(value, "allowed")))]),
        ("reason", [(text, [own], True, lambda value: _said(value, "reason") or "")]),
        ("errored", [(flag, [own], True, lambda value: bool(_said(value, "error")))]),
        ("error", [(text, [own], True, lambda value: _said(value, "error") or "")]),
    ]
