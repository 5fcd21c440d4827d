"""The audit policy (audit.k8s.io/v1 Policy): which requests are recorded, and how much of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any

import yaml

from kprov.kube.apiserver.request import RequestInfo, UserInfo

REQUEST_RECEIVED, RESPONSE_STARTED, RESPONSE_COMPLETE = "RequestReceived", "ResponseStarted", "ResponseComplete"
_STAGES = frozenset({REQUEST_RECEIVED, RESPONSE_STARTED, RESPONSE_COMPLETE, "Panic"})


class PolicyError(Exception):
    """The policy can't be used; the message says where it is wrong."""


class Level(IntEnum):
    """How much of a request is recorded; each holds what the ones before it hold."""

    None_ = 0
    Metadata = 1
    Request = 2
    RequestResponse = 3

    @property
    def wire(self) -> str:
        """Its name in policies and events."""
        return self.name.rstrip("_")


@dataclass(frozen=True, slots=True)
class Resources:
    """Resources of one group; no names stand for all of them."""

    group: str
    resources: tuple[str, ...]
    names: tuple[str, ...]

    def match(self, info: RequestInfo) -> bool:
        """Whether a request is for one of them."""
        if self.group != info.api_group:
            return False
        if not self.resources:
            return True
        if self.names and info.name not in self.names:
            return False
        whole = f"{info.resource}/{info.subresource}" if info.subresource else info.resource
        wanted = {whole, "*", f"{info.resource}/*"} | ({f"*/{info.subresource}"} if info.subresource else set())
        return not wanted.isdisjoint(self.resources)


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule; what it does not name it does not ask for."""

    level: Level
    users: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ()
    namespaces: tuple[str, ...] = ()
    resources: tuple[Resources, ...] = ()
    paths: tuple[str, ...] = ()
    omitted_stages: frozenset[str] = frozenset()
    omit_managed_fields: bool = False

    def match(self, user: UserInfo, info: RequestInfo) -> bool:
        """Whether the rule is for a request."""
        if self.users and user.name not in self.users:
            return False
        if self.groups and not set(self.groups).intersection(user.groups):
            return False
        if self.verbs and info.verb not in self.verbs:
            return False
        if self.namespaces or self.resources:
            return (
                info.is_resource
                and (not self.namespaces or info.namespace in self.namespaces)
                and (not self.resources or any(each.match(info) for each in self.resources))
            )
        if self.paths:
            return not info.is_resource and any(_path_matches(each, info.path) for each in self.paths)
        return True


def _path_matches(pattern: str, path: str) -> bool:
    return pattern in ("*", path) or (pattern.endswith("*") and path.startswith(pattern[:-1]))


_NOTHING = Rule(Level.None_)


_MOST_REMEMBERED = 4096


class Policy:
    """Rules, of which the first that matches a request holds; none: it is not recorded.

    The same users ask for the same things again and again, so what held is remembered.
    """

    def __init__(self, rules: tuple[Rule, ...]) -> None:
        self.rules = rules
        self._names_matter = any(each.names for rule in rules for each in rule.resources)
        self._remembered: dict[tuple[object, ...], Rule] = {}

    def rule_for(self, user: UserInfo, info: RequestInfo) -> Rule:
        """The rule that holds for a request."""
        name = info.name if self._names_matter else ""
        place = (
            (info.api_group, info.resource, info.subresource, info.namespace, name) if info.is_resource else info.path
        )
        key = (user.name, tuple(user.groups), info.verb, place)
        rule = self._remembered.get(key)
        if rule is None:
            if len(self._remembered) >= _MOST_REMEMBERED:  # made-up paths and names must not fill the memory
                self._remembered.clear()
            rule = next((rule for rule in self.rules if rule.match(user, info)), _NOTHING)
            self._remembered[key] = rule
        return rule


def read_policy(path: Path) -> Policy:
    """The policy of a file. Raises PolicyError naming the place that is wrong."""
    try:
        content = yaml.safe_load(path.read_text())
    except OSError as error:
        raise PolicyError(f"{path}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise PolicyError(f"{path} is not valid YAML: {error}") from None
    if not isinstance(content, dict) or content.get("kind") != "Policy":
        raise PolicyError(f"{path}: kind must be Policy")
    if content.get("apiVersion") not in ("audit.k8s.io/v1", "audit.k8s.io/v1beta1"):
        raise PolicyError(f"{path}: apiVersion must be audit.k8s.io/v1")
    rules = content.get("rules")
    if not isinstance(rules, list) or not rules:
        raise PolicyError(f"{path}: rules must be a list, and not empty: without one nothing would be recorded")
    omitted = _stages(content.get("omitStages"), f"{path}: omitStages")
    without = bool(content.get("omitManagedFields"))
    return Policy(tuple(_rule(row, f"{path}: rules[{at}]", omitted, without) for at, row in enumerate(rules)))


_KEYS = frozenset(
    {
        "level",
        "users",
        "userGroups",
        "verbs",
        "resources",
        "namespaces",
        "nonResourceURLs",
        "omitStages",
        "omitManagedFields",
    }
)


def _rule(row: Any, where: str, omitted: frozenset[str], without: bool) -> Rule:
    if not isinstance(row, dict):
        raise PolicyError(f"{where} must be a mapping")
    if unknown := sorted(set(row) - _KEYS):
        raise PolicyError(f"{where} has the unknown key {unknown[0]}; it may have {', '.join(sorted(_KEYS))}")
    levels = {level.wire: level for level in Level}
    if row.get("level") not in levels:
        raise PolicyError(f"{where}.level must be one of {', '.join(levels)}")
    if row.get("nonResourceURLs") and (row.get("resources") or row.get("namespaces")):
        raise PolicyError(f"{where}: a rule is for resources or for nonResourceURLs, not for both")
    return Rule(
        level=levels[row["level"]],
        users=_texts(row.get("users"), f"{where}.users"),
        groups=_texts(row.get("userGroups"), f"{where}.userGroups"),
        verbs=_texts(row.get("verbs"), f"{where}.verbs"),
        namespaces=_texts(row.get("namespaces"), f"{where}.namespaces"),
        resources=_resources(row.get("resources"), f"{where}.resources"),
        paths=_texts(row.get("nonResourceURLs"), f"{where}.nonResourceURLs"),
        omitted_stages=omitted | _stages(row.get("omitStages"), f"{where}.omitStages"),
        omit_managed_fields=bool(row.get("omitManagedFields", without)),
    )


def _texts(value: Any, where: str) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, Sequence) or isinstance(value, str) or not all(isinstance(each, str) for each in value):
        raise PolicyError(f"{where} must be a list of strings")
    return tuple(value)


def _stages(value: Any, where: str) -> frozenset[str]:
    found = frozenset(_texts(value, where))
    if unknown := sorted(found - _STAGES):
        raise PolicyError(f"{where}: there is no stage {unknown[0]}; there are {', '.join(sorted(_STAGES))}")
    return found


def _resources(value: Any, where: str) -> tuple[Resources, ...]:
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        raise PolicyError(f"{where} must be a list of mappings")
    found = []
    for at, each in enumerate(value):
        if unknown := sorted(set(each) - {"group", "resources", "resourceNames"}):
            raise PolicyError(f"{where}[{at}] has the unknown key {unknown[0]}")
        names = _texts(each.get("resourceNames"), f"{where}[{at}].resourceNames")
        resources = _texts(each.get("resources"), f"{where}[{at}].resources")
        if names and not resources:
            raise PolicyError(f"{where}[{at}]: resourceNames need resources")
        found.append(Resources(str(each.get("group") or ""), resources, names))
    return tuple(found)
