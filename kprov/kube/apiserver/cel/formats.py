"""CEL's functions for formats of texts: ``format.dns1123Label().validate(self.name).hasValue()`` says that it is wrong.

What upstream's functions return as an optional is a map of at most one entry here, since no function of ours can make
CEL's own optionals; hasValue(), value() and orValue() read it.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from datetime import date
from typing import Any
from urllib.parse import urlsplit

from kprov.kube.api.clock import is_time
from kprov.kube.apiserver.cel.overloads import Own, Rows, content
from kprov.kube.apiserver.strategy.base import dns_label_error, dns_subdomain_error
from kprov.kube.apiserver.strategy.fields import dns_1035_error, label_value_errors, qualified_name_errors

_FORMAT, _SOME = "format", "some"
_UUID = re.compile(r"[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}", re.IGNORECASE)

Check = Callable[[str], list[str]]


def _one(check: Callable[[str], str | None]) -> Check:
    return lambda text: [error] if (error := check(text)) else []


def _prefix(check: Callable[[str], str | None]) -> Check:
    """Of a name that something is appended to: it may end with a dash."""
    return lambda text: [error] if (error := check(text[:-1] + "a" if text.endswith("-") else text)) else []


def _read_by(read: Callable[[str], object], problem: str) -> Check:
    def check(text: str) -> list[str]:
        try:
            return [] if read(text) else [problem]
        except ValueError:
            return [problem]

    return check


def _uri(text: str) -> bool:
    parts = urlsplit(text)
    return bool(parts.scheme and (parts.netloc or parts.path)) or text.startswith("/")


_FORMATS: dict[str, Check] = {
    "dns1123Label": _one(dns_label_error),
    "dns1123Subdomain": _one(dns_subdomain_error),
    "dns1035Label": _one(dns_1035_error),
    "qualifiedName": qualified_name_errors,
    "dns1123LabelPrefix": _prefix(dns_label_error),
    "dns1123SubdomainPrefix": _prefix(dns_subdomain_error),
    "dns1035LabelPrefix": _prefix(dns_1035_error),
    "labelValue": label_value_errors,
    "uri": _read_by(_uri, "invalid URI"),
    "uuid": _read_by(_UUID.fullmatch, "does not match the UUID format"),
    "byte": _read_by(lambda text: base64.b64decode(text, validate=True) is not None, "invalid base64"),
    "date": _read_by(lambda text: len(text) == 10 and date.fromisoformat(text), "invalid date"),
    "datetime": _read_by(lambda text: is_time(text.upper()), "invalid datetime"),
}


def _named(name: str) -> Own:
    return {_SOME: {_FORMAT: name}} if name in _FORMATS else {}


def _validate(value: Own, text: str) -> Own:
    errors = _FORMATS[content(value, _FORMAT)](text)
    return {_SOME: errors} if errors else {}


def _value(optional: Own) -> Any:
    if _SOME not in optional:
        raise ValueError("optional.none() dereference")
    return optional[_SOME]


def _maker(name: str) -> Callable[[], Own]:
    return lambda: {_FORMAT: name}


def rows(kind: Any, own: Any) -> Rows:
    """The functions.

    Args:
        kind: CEL's types.
        own: the type of Kubernetes' own values.
    """
    optional = kind.Map(kind.STRING, kind.DYN)
    return [
        *((f"format.{name}", [(own, [], False, _maker(name))]) for name in _FORMATS),
        ("format.named", [(optional, [kind.STRING], False, _named)]),
        ("validate", [(optional, [own, kind.STRING], True, _validate)]),
        ("hasValue", [(kind.BOOL, [optional], True, lambda given: _SOME in given)]),
        ("value", [(kind.DYN, [optional], True, _value)]),
        ("orValue", [(kind.DYN, [optional, kind.DYN], True, lambda given, other: given.get(_SOME, other))]),
    ]
