"""What is wrong with a container's environment variables."""

from __future__ import annotations

import re
from typing import Any

from kprov.kube.apiserver.strategy.base import FieldError, invalid, not_supported, required
from kprov.kube.apiserver.strategy.fields import config_key_errors, name_errors

Object = dict[str, Any]

_ENV_NAME = re.compile(r"[-._a-zA-Z][-._a-zA-Z0-9]*")


_ENV_MESSAGE = (
    "a valid environment variable name must consist of alphabetic characters, digits, '_', '-', or '.', and must "
    "not start "
    "with a digit (e.g. 'my.env-name',  or 'MY_ENV.NAME',  or 'MyEnvName1', regex used for validation is "
    "'[-._a-zA-Z][-._a-zA-Z0-9]*')"
)


_ENV_FIELDS = re.compile(
    r"metadata\.(name|namespace|uid|labels\['[^']+'\]|annotations\['[^']+'\])|spec\.(nodeName|serviceAccountName)"
    r"|status\.(hostIP|hostIPs|podIP|podIPs)"
)


def env_name_errors(name: str) -> list[str]:
    """What is wrong with the name of an environment variable."""
    problems = [] if _ENV_NAME.fullmatch(name) else [_ENV_MESSAGE]
    if name in (".", ".."):
        problems.append(f"must not be '{name}'")
    elif name.startswith(".."):
        problems.append("must not start with '..'")
    return problems


def validate_env(variables: list[Object], path: str) -> list[FieldError]:
    """What is wrong with a container's variables."""
    found = []
    for index, variable in enumerate(variables):
        here = f"{path}[{index}]"
        if not variable.get("name"):
            found.append(required(f"{here}.name"))
        else:
            found += [invalid(f"{here}.name", variable["name"], p) for p in env_name_errors(variable["name"])]
        if variable.get("valueFrom") is not None:
            found += _validate_value_from(variable, f"{here}.valueFrom")
    return found


_SOURCES = ("fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef")


def _validate_value_from(variable: Object, path: str) -> list[FieldError]:
    given = [kind for kind in _SOURCES if variable["valueFrom"].get(kind) is not None]
    found: list[FieldError] = []
    for kind in given:
        reference, here = variable["valueFrom"][kind], f"{path}.{kind}"
        if kind == "fieldRef":
            field = reference.get("fieldPath")
            if not field:
                found.append(required(f"{here}.fieldPath"))
            elif not _ENV_FIELDS.fullmatch(field):
                found.append(_unknown_field(field, f"{here}.fieldPath"))
        elif kind == "resourceFieldRef":
            if not reference.get("resource"):
                found.append(required(f"{here}.resource"))
        else:
            if not reference.get("name"):
                found.append(required(f"{here}.name"))
            key = reference.get("key")
            found += (
                [invalid(f"{here}.key", key, p) for p in config_key_errors(key)] if key else [required(f"{here}.key")]
            )
    if not given:
        found.append(
            invalid(
                path, "", "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`"
            )
        )
    elif variable.get("value"):
        found.append(invalid(path, "", "may not be specified when `value` is not empty"))
    elif len(given) > 1:
        found.append(invalid(path, "", "may not have more than one field specified at a time"))
    return found


def _unknown_field(field: str, path: str) -> FieldError:
    known = [
        "metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName",
        "status.hostIP",
        "status.hostIPs", "status.podIP", "status.podIPs",
    ]  # fmt: skip
    if field.split(".")[0] not in ("metadata", "spec", "status"):
        return invalid(path, field, f'error converting fieldPath: field label not supported: "{field}"')
    return not_supported(path, field, known)


def validate_env_from(sources: list[Object], path: str) -> list[FieldError]:
    """What is wrong with where a container takes all variables from."""
    found = []
    for index, source in enumerate(sources):
        here = f"{path}[{index}]"
        if source.get("prefix"):
            found += [invalid(f"{here}.prefix", source["prefix"], p) for p in env_name_errors(source["prefix"])]
        given = [kind for kind in ("configMapRef", "secretRef") if source.get(kind) is not None]
        for kind in given:
            found += name_errors(source[kind].get("name"), f"{here}.{kind}.name")
        if not given:
            found.append(invalid(path, "", "must specify one of: `configMapRef` or `secretRef`"))
        elif len(given) > 1:
            found.append(invalid(path, "", "may not have more than one field specified at a time"))
    return found
