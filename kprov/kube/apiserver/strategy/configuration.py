"""What pods are configured with: config maps, secrets, service accounts."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any

from kprov.kube.apiserver.strategy.base import (
    FieldError,
    Strategy,
    StrategyContext,
    forbidden,
    invalid,
    required,
    too_long,
)
from kprov.kube.apiserver.strategy.equality import semantically_equal
from kprov.kube.apiserver.strategy.fields import config_key_errors, immutable

Object = dict[str, Any]

_LIMIT = 1024 * 1024
_FROZEN = "field is immutable when `immutable` is set"
_OF_ACCOUNT = "kubernetes.io/service-account-token"
_ACCOUNT_NAME = "kubernetes.io/service-account.name"


def _frozen_errors(obj: Object, old: Object, fields: tuple[str, ...]) -> list[FieldError]:
    if old.get("immutable") is not True:
        return []
    found = []
    if obj.get("immutable") is not True:
        found.append(forbidden("immutable", _FROZEN))
    return found + [
        forbidden(field, _FROZEN) for field in fields if not semantically_equal(obj.get(field), old.get(field))
    ]


class ConfigMapStrategy(Strategy):
    """Config maps: keys are file names; text and bytes share them."""

    def validate(self, obj: Object) -> list[FieldError]:
        """Keys, and the size of everything together."""
        data, binary = obj.get("data") or {}, obj.get("binaryData") or {}
        found: list[FieldError] = []
        total = 0
        for key, value in data.items():
            found += [invalid(f"data[{key}]", key, problem) for problem in config_key_errors(key)]
            if key in binary:
                found.append(invalid(f"data[{key}]", key, "duplicate of key present in binaryData"))
            total += len(str(value).encode())
        for key, value in binary.items():
            found += [invalid(f"binaryData[{key}]", key, problem) for problem in config_key_errors(key)]
            total += len(str(value)) * 3 // 4
        if total > _LIMIT:
            found.append(too_long("", _LIMIT))
        return found

    def validate_update(self, obj: Object, old: Object) -> list[FieldError]:
        """One that says so stays as it is."""
        return _frozen_errors(obj, old, ("data", "binaryData")) + self.validate(obj)


# The keys that a secret of each type must have.
_REQUIRED_KEYS: dict[str, tuple[str, ...]] = {
    "kubernetes.io/ssh-auth": ("ssh-privatekey",),
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
}
_DOCKER = {"kubernetes.io/dockercfg": ".dockercfg", "kubernetes.io/dockerconfigjson": ".dockerconfigjson"}
_BASIC_AUTH = "kubernetes.io/basic-auth"


class SecretStrategy(Strategy):
    """Secrets: bytes by key, and a type that says which keys there are."""

    def default(self, obj: Object) -> None:
        """stringData is data that the client has not encoded; it is never kept."""
        if not obj.get("type"):
            obj["type"] = "Opaque"
        plain = obj.pop("stringData", None)
        if isinstance(plain, dict):
            data = obj["data"] = obj.get("data") or {}
            for key, value in plain.items():
                data[key] = base64.b64encode(str(value).encode()).decode()

    def validate(self, obj: Object) -> list[FieldError]:
        """Keys, size, and what the type promises."""
        data = obj.get("data") or {}
        found: list[FieldError] = []
        total = 0
        for key, value in data.items():
            found += [invalid(f"data[{key}]", key, problem) for problem in config_key_errors(key)]
            total += len(str(value or "")) * 3 // 4
        if total > _LIMIT:
            found.append(too_long("data", _LIMIT))
        return found + _type_errors(obj.get("type") or "", data, obj["metadata"].get("annotations") or {})

    def validate_update(self, obj: Object, old: Object) -> list[FieldError]:
        """The type stays; one that says so stays as it is."""
        found = immutable(obj.get("type"), old.get("type"), "type")
        return found + _frozen_errors(obj, old, ("data",)) + self.validate(obj)


def _type_errors(kind: str, data: Object, annotations: Object) -> list[FieldError]:
    if kind == _OF_ACCOUNT and not annotations.get(_ACCOUNT_NAME):
        return [required(f"metadata.annotations[{_ACCOUNT_NAME}]")]
    if kind == _BASIC_AUTH and not {"username", "password"} & set(data):
        return [required("data[username]"), required("data[password]")]
    if kind in _DOCKER:
        key = _DOCKER[kind]
        if key not in data:
            return [required(f"data[{key}]")]
        try:
            json.loads(base64.b64decode(data[key] or ""))
        except (ValueError, binascii.Error) as error:
            return [invalid(f"data[{key}]", "<secret contents redacted>", str(error))]
        return []
    if kind == "kubernetes.io/ssh-auth" and not data.get("ssh-privatekey"):
        return [required("data[ssh-privatekey]")]
    return [required(f"data[{key}]") for key in _REQUIRED_KEYS.get(kind, ()) if key not in data]


class ServiceAccountStrategy(Strategy):
    """Service accounts."""

    def prepare_for_create(self, obj: Object, ctx: StrategyContext) -> None:
        """Secrets are referred to by name alone."""
        if obj.get("secrets"):
            obj["secrets"] = [{"name": each["name"]} for each in obj["secrets"] if each.get("name")]
