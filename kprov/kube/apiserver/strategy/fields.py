"""Checks that many kinds share, with upstream's words. Each returns what is wrong, as field errors or as sentences."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from kprov.kube.api.quantity import QuantityError, parse
from kprov.kube.apiserver.strategy.base import (
    FieldError,
    dns_label_error,
    dns_subdomain_error,
    invalid,
    not_supported,
    required,
)

Object = dict[str, Any]

NOT_NEGATIVE = "must be greater than or equal to 0"
POSITIVE = "must be greater than 0"
IMMUTABLE = "field is immutable"
PORT_RANGE = "must be between 1 and 65535, inclusive"

_DNS_1035 = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_DNS_1035_MESSAGE = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, "
    "and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is "
    "'[a-z]([-a-z0-9]*[a-z0-9])?')"
)
_QUALIFIED = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")
_QUALIFIED_MESSAGE = (
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character "
    "(e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)
_LABEL_VALUE = re.compile(r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?")
_LABEL_VALUE_MESSAGE = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must "
    "start and end "
    "with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
    "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)
_CONFIG_KEY = re.compile(r"[-._a-zA-Z0-9]+")
_CONFIG_KEY_MESSAGE = (
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or "
    "'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
)
_PERCENT = re.compile(r"[0-9]+%")
_PORT_NAME = re.compile(r"[-a-z0-9]+")


def dns_1035_error(name: str) -> str | None:
    """What is wrong with the name of a service."""
    if len(name) > 63:
        return "must be no more than 63 characters"
    return None if _DNS_1035.fullmatch(name) else _DNS_1035_MESSAGE


def qualified_name_errors(name: str) -> list[str]:
    """What is wrong with a label key, an annotation key or a resource name: ``name`` or ``prefix/name``."""
    prefix, slash, last = name.rpartition("/")
    if name.count("/") > 1:
        return [
            f"a qualified name {_QUALIFIED_MESSAGE} with an optional DNS subdomain prefix and '/' "
            "(e.g. 'example.com/MyName')"
        ]
    problems = []
    if slash and not prefix:
        problems.append("prefix part must be non-empty")
    elif prefix and (error := dns_subdomain_error(prefix)):
        problems.append(f"prefix part {error}")
    if not last:
        problems.append("name part must be non-empty")
    elif len(last) > 63:
        problems.append("name part must be no more than 63 characters")
    if not _QUALIFIED.fullmatch(last):
        problems.append(f"name part {_QUALIFIED_MESSAGE}")
    return problems


def label_value_errors(value: Any) -> list[str]:
    """What is wrong with a label's value."""
    text = str(value)
    problems = ["must be no more than 63 characters"] if len(text) > 63 else []
    return problems if _LABEL_VALUE.fullmatch(text) else [*problems, _LABEL_VALUE_MESSAGE]


def label_errors(labels: Mapping[str, Any] | None, path: str) -> list[FieldError]:
    """What is wrong with a map of labels."""
    found = []
    for key, value in (labels or {}).items():
        found += [invalid(path, key, problem) for problem in qualified_name_errors(key)]
        found += [invalid(path, value, problem) for problem in label_value_errors(value)]
    return found


_ANNOTATIONS_LIMIT = 256 * 1024


def annotation_errors(annotations: Mapping[str, Any] | None, path: str) -> list[FieldError]:
    """What is wrong with a map of annotations."""
    from kprov.kube.apiserver.strategy.base import too_long

    found, total = [], 0
    for key, value in (annotations or {}).items():
        found += [invalid(path, key, problem) for problem in qualified_name_errors(key.lower())]
        total += len(key.encode()) + len(str(value).encode())
    if total > _ANNOTATIONS_LIMIT:
        found.append(too_long(path, _ANNOTATIONS_LIMIT))
    return found


def selector_errors(selector: Object | None, path: str) -> list[FieldError]:
    """What is wrong with a LabelSelector."""
    found = label_errors((selector or {}).get("matchLabels"), f"{path}.matchLabels")
    for index, expression in enumerate((selector or {}).get("matchExpressions") or ()):
        here = f"{path}.matchExpressions[{index}]"
        operator, values = expression.get("operator") or "", expression.get("values") or []
        if operator in ("In", "NotIn"):
            if not values:
                found.append(required(f"{here}.values", "must be specified when `operator` is 'In' or 'NotIn'"))
        elif operator in ("Exists", "DoesNotExist"):
            if values:
                from kprov.kube.apiserver.strategy.base import forbidden

                found.append(
                    forbidden(f"{here}.values", "may not be specified when `operator` is 'Exists' or 'DoesNotExist'")
                )
        else:
            found.append(invalid(f"{here}.operator", operator, "not a valid selector operator"))
        found += [
            invalid(f"{here}.key", expression.get("key"), p) for p in qualified_name_errors(expression.get("key") or "")
        ]
        for position, value in enumerate(values):
            found += [invalid(f"{here}.values[{position}]", value, problem) for problem in label_value_errors(value)]
    return found


def is_empty_selector(selector: Object | None) -> bool:
    """Whether a LabelSelector has no condition."""
    return not (selector or {}).get("matchLabels") and not (selector or {}).get("matchExpressions")


def immutable(new: Any, old: Any, path: str) -> list[FieldError]:
    """That a field did not change. Absent and empty are the same, as they are on the wire."""
    if new == old or (not new and not old and not isinstance(new, bool | int) and not isinstance(old, bool | int)):
        return []
    return [invalid(path, new, IMMUTABLE)]


def not_negative(value: Any, path: str) -> list[FieldError]:
    """That a number, where given, is not below zero."""
    return [invalid(path, value, NOT_NEGATIVE)] if isinstance(value, int) and value < 0 else []


def one_of(value: Any, allowed: Iterable[str], path: str, *, optional: bool = False) -> list[FieldError]:
    """That a word is one of a closed set."""
    known = sorted(allowed)
    if value in known or (optional and not value):
        return []
    return [not_supported(path, value or "", known)]


def port_errors(port: Any, path: str) -> list[FieldError]:
    """That a number is a port."""
    return (
        []
        if isinstance(port, int) and 0 < port < 65536
        else [invalid(path, port if port is not None else 0, PORT_RANGE)]
    )


def port_name_errors(name: str) -> list[str]:
    """What is wrong with the name of a container's port (IANA service name)."""
    problems = []
    if len(name) > 15:
        problems.append("must be no more than 15 characters")
    if not _PORT_NAME.fullmatch(name):
        problems.append("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)")
    if not re.search(r"[a-z]", name):
        problems.append("must contain at least one letter (a-z)")
    if "--" in name:
        problems.append("must not contain consecutive hyphens")
    if name.startswith("-") or name.endswith("-"):
        problems.append("must not begin or end with a hyphen")
    return problems


def port_or_name_errors(port: Any, path: str) -> list[FieldError]:
    """That a value is a port's number or name."""
    if isinstance(port, str):
        return [invalid(path, port, problem) for problem in port_name_errors(port)]
    return port_errors(port, path)


def int_or_percent_errors(value: Any, path: str) -> list[FieldError]:
    """That a value is a count that is not negative, or a percentage."""
    if isinstance(value, str):
        if _PERCENT.fullmatch(value):
            return []
        message = "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')"  # noqa: E501
        return [invalid(path, value, message)]
    return not_negative(value, path)


def config_key_errors(key: str) -> list[str]:
    """What is wrong with a key of a ConfigMap or Secret."""
    if len(key) > 253:
        return ["must be no more than 253 characters"]
    problems = [] if _CONFIG_KEY.fullmatch(key) else [_CONFIG_KEY_MESSAGE]
    if key == ".":
        problems.append("must not be '.'")
    elif key == "..":
        problems.append("must not be '..'")
    elif key.startswith(".."):
        problems.append("must not start with '..'")
    return problems


def quantity_errors(quantity: Any, path: str, *, minimum: int = 0) -> list[FieldError]:
    """That a value is a quantity that is not below a minimum."""
    try:
        exact = parse(quantity)
    except QuantityError:
        return [invalid(path, quantity, "must be a quantity, as 100m, 1.5 or 2Gi")]
    return [invalid(path, str(quantity), NOT_NEGATIVE)] if exact < minimum else []


def name_errors(name: Any, path: str, *, label: bool = False) -> list[FieldError]:
    """That a reference names something that could exist."""
    if not name:
        return [required(path)]
    error = dns_label_error(str(name)) if label else dns_subdomain_error(str(name))
    return [invalid(path, name, error)] if error else []
