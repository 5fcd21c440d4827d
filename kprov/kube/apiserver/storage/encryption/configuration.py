"""Reads --encryption-provider-config: upstream's EncryptionConfiguration (apiserver.config.k8s.io/v1)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from kprov.kube.apiserver.storage.encryption.ciphers import AesCbc, AesGcm, Identity, Provider, SecretBox

_SIZES: dict[str, tuple[int, ...]] = {"aescbc": (16, 24, 32), "aesgcm": (16, 24, 32), "secretbox": (32,)}
_MAKERS: dict[str, Callable[[str, bytes], Provider]] = {"aescbc": AesCbc, "aesgcm": AesGcm, "secretbox": SecretBox}


class EncryptionError(Exception):
    """The configuration can't be used; the message says where it is wrong."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Resources ("secrets", "deployments.apps", "*.apps", "*.") and who seals them: the first seals, any opens."""

    resources: tuple[str, ...]
    providers: tuple[Provider, ...]

    def covers(self, group: str, plural: str) -> bool:
        """Whether the rule is for a kind."""
        name = f"{plural}.{group}" if group else plural
        return any(each in (name, f"{plural}.", f"*.{group}", "*.*") for each in self.resources)


def read_configuration(path: Path) -> tuple[Rule, ...]:
    """The rules of a file; the first that covers a kind holds for it.

    Raises: EncryptionError naming the place that is wrong; secrets are never part of the message.
    """
    try:
        content = yaml.safe_load(path.read_text())
    except OSError as error:
        raise EncryptionError(f"{path}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError):
        raise EncryptionError(f"{path} is not valid YAML") from None
    if not isinstance(content, dict) or content.get("kind") != "EncryptionConfiguration":
        raise EncryptionError(f"{path}: kind must be EncryptionConfiguration")
    if content.get("apiVersion") != "apiserver.config.k8s.io/v1":
        raise EncryptionError(f"{path}: apiVersion must be apiserver.config.k8s.io/v1")
    rows = content.get("resources")
    if not isinstance(rows, list) or not rows:
        raise EncryptionError(f"{path}: resources must be a list, and not empty")
    return tuple(_rule(row, f"{path}: resources[{number}]") for number, row in enumerate(rows))


def _rule(row: Any, where: str) -> Rule:
    if not isinstance(row, dict) or set(row) - {"resources", "providers"}:
        raise EncryptionError(f"{where} must have resources and providers, and nothing else")
    resources, providers = row.get("resources"), row.get("providers")
    if not isinstance(resources, list) or not resources or not all(isinstance(each, str) for each in resources):
        raise EncryptionError(f"{where}.resources must be a list of names")
    if not isinstance(providers, list) or not providers:
        raise EncryptionError(f"{where}.providers must be a list, and not empty")
    found: list[Provider] = []
    for number, each in enumerate(providers):
        found += _providers(each, f"{where}.providers[{number}]")
    return Rule(tuple(resources), tuple(found))


def _providers(entry: Any, where: str) -> list[Provider]:
    if not isinstance(entry, dict) or len(entry) != 1:
        raise EncryptionError(f"{where} must name one provider")
    name, settings = next(iter(entry.items()))
    if name == "identity":
        return [Identity()]
    if name not in _MAKERS:
        known = ", ".join(sorted([*_MAKERS, "identity"]))
        raise EncryptionError(f"{where}: kprov does not have the provider {name}; it has {known}")
    keys = settings.get("keys") if isinstance(settings, dict) else None
    if not isinstance(keys, list) or not keys:
        raise EncryptionError(f"{where}.{name}.keys must be a list, and not empty")
    names = [key.get("name") if isinstance(key, dict) else None for key in keys]
    if len(set(names)) != len(names):
        raise EncryptionError(f"{where}.{name}.keys: two keys have the same name")
    return [_MAKERS[name](*_key(key, name, f"{where}.{name}.keys[{at}]")) for at, key in enumerate(keys)]


def _key(key: Any, provider: str, where: str) -> tuple[str, bytes]:
    if not isinstance(key, dict) or not isinstance(key.get("name"), str) or not isinstance(key.get("secret"), str):
        raise EncryptionError(f"{where} must have a name and a secret")
    name = key["name"]
    if not name or ":" in name:
        raise EncryptionError(f"{where}: a key's name must not be empty, and have no colon")
    try:
        secret = base64.b64decode(key["secret"], validate=True)
    except (binascii.Error, ValueError):
        raise EncryptionError(f"{where}: the secret is not valid base64") from None
    if len(secret) not in _SIZES[provider]:
        sizes = " or ".join(map(str, _SIZES[provider]))
        raise EncryptionError(f"{where}: the secret has {len(secret)} bytes, {provider} needs {sizes}")
    return name, secret
