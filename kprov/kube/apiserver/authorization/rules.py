"""RBAC rules, made ready for matching: a rule is asked thousands of times for each time that it changes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kprov.kube.apiserver.request import RequestInfo

Rule = dict[str, Any]


class CompiledRule:
    """One PolicyRule with sets in place of lists; None stands for "any"."""

    __slots__ = ("groups", "names", "resources", "source", "urls", "verbs")

    def __init__(self, rule: Rule) -> None:
        self.source = rule
        self.verbs = _set_or_any(rule.get("verbs"))
        self.groups = _set_or_any(rule.get("apiGroups"))
        self.resources = tuple(rule.get("resources") or ())
        self.names = frozenset(rule["resourceNames"]) if rule.get("resourceNames") else None
        self.urls = tuple(rule.get("nonResourceURLs") or ())

    def allows(self, info: RequestInfo) -> bool:
        """Whether it covers a request whose resource (or path) is known to be listed."""
        return (
            (self.verbs is None or info.verb in self.verbs)
            and (self.groups is None or info.api_group in self.groups)
            and (self.names is None or info.name in self.names)
        )


def _set_or_any(words: Iterable[str] | None) -> frozenset[str] | None:
    found = frozenset(words or ())
    return None if "*" in found else found


def url_matches(pattern: str, path: str) -> bool:
    """Whether a nonResourceURLs entry covers a path."""
    return pattern in ("*", path) or (pattern.endswith("*") and path.startswith(pattern.rstrip("*")))


class RuleSet:
    """Rules by the resources that they list, each with where it comes from."""

    __slots__ = ("_by_resource", "_urls")

    def __init__(self, rules: Iterable[tuple[CompiledRule, str]]) -> None:
        self._by_resource: dict[str, list[tuple[CompiledRule, str]]] = {}
        self._urls: list[tuple[CompiledRule, str]] = []
        for rule, origin in rules:
            for resource in rule.resources:
                self._by_resource.setdefault(resource, []).append((rule, origin))
            if rule.urls:
                self._urls.append((rule, origin))

    def find(self, info: RequestInfo) -> str | None:
        """Where the first rule that allows a request comes from, or None."""
        if not info.is_resource:
            return self._find_url(info)
        candidates: tuple[str, ...]
        if info.subresource:
            candidates = (f"{info.resource}/{info.subresource}", f"*/{info.subresource}", "*")
        else:
            candidates = (info.resource, "*")
        for candidate in candidates:
            for rule, origin in self._by_resource.get(candidate, ()):
                if rule.allows(info):
                    return origin
        return None

    def _find_url(self, info: RequestInfo) -> str | None:
        for rule, origin in self._urls:
            if (rule.verbs is None or info.verb in rule.verbs) and any(
                url_matches(pattern, info.path) for pattern in rule.urls
            ):
                return origin
        return None


def compile_rules(rules: Iterable[Rule] | None) -> list[CompiledRule]:
    """The rules of a role."""
    return [CompiledRule(rule) for rule in rules or ()]
