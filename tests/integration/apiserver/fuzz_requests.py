"""Requests at random, shaped by a server's own OpenAPI document: mostly of the right form, always somewhat wrong."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

Schema = dict[str, Any]

_TEXTS = (
    "a", "b", "default", "kube-system", "x-1", "", "A B", "-", ".", "..", "a/b", "a.b/c", "é", "\u0000", "\ud7ff", "😀",
    "a" * 64, "a" * 254, "100m", "1Gi", "-1", "1e400", "0.5", "10.0.0.1", "10.0.0.0/24", "fe80::1", "::/0",
    "2024-02-30T00:00:00Z", "2024-01-01T00:00:00Z", "* * * * *", "@every 1m", "TCP", "Always", "None", "ClusterIP",
    "ExternalName", "RollingUpdate", "$(A)", "{}", "^[", "(a+)+$", "%", "http", "true", "v1", "Pod", "*", "=", "a=b",
)  # fmt: skip
_NUMBERS = (0, 1, -1, 2, 80, 65535, 65536, 1 << 31, (1 << 31) - 1, -(1 << 31), (1 << 63) - 1, 1 << 63, -(1 << 63), 0.5)
_TIMES = ("2024-01-01T00:00:00Z", "2024-01-01T00:00:00.000001Z", "now", "0001-01-01T00:00:00Z", "9999-99-99T00:00:00Z")
_WRONG: tuple[Any, ...] = (None, True, 0, -1, 1.5, "", "x", [], {}, [None], {"": None}, [[]], {"a": {}}, 1 << 64)
_SELECTORS = ("a=b", "a!=b", "a in (b,c)", "!a", "a,b", "a in ()", "a in (", ",,,", "a==", "=", "a>1", "a<x", "é=é",
              "((", "a notin (b)", "metadata.name=a", "metadata.name!=a", "status.phase=Running", "spec.nodeName=",
              "x.y=z", "metadata.name=a,metadata.name=b", "a" * 300)  # fmt: skip
_QUERY: dict[str, tuple[str, ...]] = {
    "labelSelector": _SELECTORS,
    "fieldSelector": _SELECTORS,
    "resourceVersion": ("0", "1", "-1", "x", "99999999999999999999", "1.5", "", "²", "٣"),
    "resourceVersionMatch": ("Exact", "NotOlderThan", "x"),
    "limit": ("1", "0", "-1", "x", "9" * 30, "1_0", "٣"),
    "continue": ("x", "e30", "eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6MSwic3RhcnQiOiJhIn0", "====", "W10", "MQ", "é"),
    "timeoutSeconds": ("1", "0", "-1", "x", "٣"),
    "dryRun": ("All", "x", ""),
    "fieldManager": ("me", "a" * 200, "\u0007"),
    "fieldValidation": ("Strict", "Warn", "Ignore", "x"),
    "force": ("true", "false", "x"),
    "pretty": ("true", "false", "x"),
    "gracePeriodSeconds": ("0", "-1", "x", "1", "9" * 30),
    "propagationPolicy": ("Orphan", "Foreground", "Background", "x"),
    "orphanDependents": ("true", "x"),
    "includeObject": ("None", "Metadata", "Object", "x"),
    "allowWatchBookmarks": ("true", "x"),
    "sendInitialEvents": ("true", "false", "x"),
}
_ACCEPT = ("application/json", "*/*", "application/json;as=Table;v=v1;g=meta.k8s.io", "application/yaml", "text/x",
           "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io", "application/vnd.kubernetes.protobuf",
           "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io", "application/json;as=Table;v=v9;g=x",
           ";;,")  # fmt: skip
_PATCHES = ("application/json-patch+json", "application/merge-patch+json", "application/strategic-merge-patch+json",
            "application/apply-patch+yaml")  # fmt: skip
_YAML = ("application/yaml", "application/apply-patch+yaml")
_BODIES = (
    b"", b"{", b"[" * 50_000, b"- " * 50_000, b"null", b"\xff\xfe", b"1" * 400, b'"\\ud800"', b"{}" * 10, b"k8s\0",
    b"k8s\0\x0a\xff\xff", b'{"a":' * 5_000 + b"1" + b"}" * 5_000, b"[" * 900 + b"]" * 900, b"a: &a [*a]", b"? {a: b}",
    b"2: a", b"a: 2024-01-01", b"a: !!binary aGk=", b"a: !!set {b}", b"a: .nan",
    b"a: &a [x,x,x]\n" + b"".join(b"%c: &%c [%b]\n" % (c, c, b",".join([b"*%c" % (c - 1)] * 9)) for c in b"bcdefghi"),
)  # fmt: skip
# What is asked of somebody else: of a kubelet that is not there, or of webhooks, whose failures are a server's 5xx.
_ELSEWHERE = ("/proxy", "/exec", "/attach", "/portforward", "/log", "webhookconfigurations", "/apiservices", "/watch/")


@dataclass(slots=True)
class Wrong:
    """One request."""

    method: str
    path: str
    body: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.method} {self.path} {self.headers} {(self.body or b'')[:3000]!r}"


class Requests:
    """Makes requests for the operations of an OpenAPI v2 document."""

    def __init__(self, document: Schema, seed: int) -> None:
        self.dice = random.Random(seed)
        self._definitions: dict[str, Schema] = document["definitions"]
        self._operations = [
            (method.upper(), path, operation)
            for path, item in document["paths"].items()
            for method, operation in item.items()
            if method in ("get", "put", "post", "patch", "delete") and not any(each in path for each in _ELSEWHERE)
        ]
        self._creations = [each for each in self._operations if each[0] == "POST"]
        self._made: dict[str, list[str]] = {}  # collection -> names

    def make(self) -> Wrong:
        """The next one."""
        dice = self.dice
        # Objects are made more often, or else there are none to be changed, and deleted less often.
        method, template, operation = dice.choice(self._creations if dice.random() < 0.3 else self._operations)
        if method == "DELETE" and dice.random() < 0.7:
            method, template, operation = dice.choice(self._operations)
        collection = template.partition("/{name}")[0].replace("{namespace}", "default")
        name = dice.choice(self._made.get(collection) or ["a"]) if dice.random() < 0.8 else self._text()
        namespace = "default" if dice.random() < 0.95 else self._text()
        path = template.replace("{namespace}", quote(namespace, safe="")).replace("{name}", quote(name, safe=""))
        path = path.replace("{logpath}", "x").replace("{path}", "x")
        query = {key: dice.choice(values) for key, values in _QUERY.items() if dice.random() < 0.06}
        if method == "GET" and dice.random() < 0.1:
            query |= {"watch": dice.choice(("1", "true")), "timeoutSeconds": "1"}
        made = Wrong(method, path + (f"?{urlencode(query)}" if query else ""))
        if dice.random() < 0.3:
            made.headers["Accept"] = dice.choice(_ACCEPT)
        if method in ("POST", "PUT", "PATCH") or (method == "DELETE" and dice.random() < 0.3):
            self._fill(made, operation, template, name, collection)
        if dice.random() < 0.01:
            made.path = dice.choice(
                (made.path.replace("/", "//"), made.path + "/", made.path + "/x/y/z", "/apis/" + made.path)
            )
        return made

    def took(self, made: Wrong, answer: Any) -> None:
        """Learn from what was accepted which objects there are."""
        if made.method == "POST" and isinstance(answer, dict) and isinstance(answer.get("metadata"), dict):
            name = answer["metadata"].get("name")
            if name:
                self._made.setdefault(made.path.partition("?")[0], []).append(name)

    def _fill(self, made: Wrong, operation: Schema, template: str, name: str, collection: str) -> None:
        dice = self.dice
        schema = next((each["schema"] for each in operation.get("parameters", ()) if each["in"] == "body"), {})
        if made.method == "PATCH":
            self._patch(made, template, name)
        else:
            made.headers["Content-Type"] = "application/json"
            value = self._value(schema, 0)
            if isinstance(value, dict) and made.method != "DELETE":
                self._identify(value, operation, name if made.method == "PUT" else f"n{dice.randrange(10_000)}")
            made.body = _dumps(value)
        roll = dice.random()
        if roll < 0.02:
            made.body = dice.choice(_BODIES)
            if dice.random() < 0.5:
                made.headers["Content-Type"] = dice.choice(_YAML)
        elif roll < 0.04:
            made.headers["Content-Type"] = dice.choice(
                ("application/yaml", "application/vnd.kubernetes.protobuf", "text/x", "", *_PATCHES)
            )

    def _identify(self, value: dict[str, Any], operation: Schema, name: str) -> None:
        kind = operation.get("x-kubernetes-group-version-kind") or {}
        if kind and self.dice.random() < 0.97:
            group = f"{kind['group']}/" if kind["group"] else ""
            value["apiVersion"], value["kind"] = f"{group}{kind['version']}", kind["kind"]
        if self.dice.random() < 0.97:
            metadata = value.get("metadata") if isinstance(value.get("metadata"), dict) else {}
            value["metadata"] = {**metadata, "name": name}
            for key in ("namespace", "resourceVersion", "uid", "finalizers"):
                value["metadata"].pop(key, None)
            if self.dice.random() < 0.9:
                value["metadata"].pop("ownerReferences", None)

    def _patch(self, made: Wrong, template: str, name: str) -> None:
        dice = self.dice
        made.headers["Content-Type"] = kind = dice.choice(_PATCHES)
        schema = self._schema_of(template)
        if kind == "application/json-patch+json":
            places = [
                "",
                "/metadata/labels/a",
                "/spec",
                "/spec/containers/0",
                "/metadata",
                "/status",
                "/-",
                "/spec/x/y",
                "x",
            ]
            words = ("add", "remove", "replace", "test", "move", "copy", "x")
            value: Any = [
                {
                    "op": dice.choice(words),
                    "path": dice.choice(places),
                    "from": dice.choice(places),
                    "value": self._odd(),
                }
                for _ in range(dice.randrange(3))
            ]
        else:
            value = self._value(schema, 0)
            if kind == "application/apply-patch+yaml" and isinstance(value, dict):
                value |= {"metadata": {"name": name}}
                if dice.random() < 0.8:
                    made.path += ("&" if "?" in made.path else "?") + "fieldManager=me&force=true"
            elif isinstance(value, dict) and isinstance(value.get("spec"), dict) and dice.random() < 0.1:
                value["spec"][dice.choice(("$patch", "$retainKeys", "$setElementOrder/containers"))] = self._odd()
        made.body = _dumps(value)

    def _schema_of(self, template: str) -> Schema:
        for method, path, operation in self._operations:
            if path == template and method == "PUT":
                for each in operation.get("parameters", ()):
                    if each["in"] == "body":
                        return dict(each["schema"])
        return {}

    def _text(self) -> str:
        return self.dice.choice(_TEXTS)

    def _odd(self) -> Any:
        return self.dice.choice((*_WRONG, *_TEXTS[:12], *_NUMBERS))

    def _value(self, schema: Schema, depth: int) -> Any:
        dice = self.dice
        if dice.random() < 0.01:
            return dice.choice(_WRONG)
        if reference := schema.get("$ref"):
            schema = self._definitions.get(reference.rpartition("/")[2], {})
        if properties := schema.get("properties"):
            chance = 0.9 if depth == 0 else max(0.08, 0.45 - depth * 0.07)
            needed = schema.get("required", ())
            return {
                name: self._value(each, depth + 1)
                for name, each in properties.items()
                if dice.random() < (0.97 if name in needed else chance if depth < 9 else 0)
            }
        match schema.get("type"):
            case "object":
                inner = schema.get("additionalProperties") or {}
                return {self._text(): self._value(inner, depth + 1) for _ in range(dice.randrange(3))}
            case "array":
                return [self._value(schema.get("items") or {}, depth + 1) for _ in range(dice.choice((0, 1, 1, 2)))]
            case "string":
                if schema.get("format") == "date-time":
                    return dice.choice(_TIMES)
                if schema.get("format") == "int-or-string":
                    return dice.choice((*_NUMBERS, *_TEXTS))
                return dice.choice(schema.get("enum") or _TEXTS)
            case "integer":
                return dice.choice(_NUMBERS[:-1])
            case "number":
                return dice.choice(_NUMBERS)
            case "boolean":
                return dice.random() < 0.5
        return self._odd()


def _dumps(value: Any) -> bytes:
    return json.dumps(value).encode(errors="surrogatepass")
