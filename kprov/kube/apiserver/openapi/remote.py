"""Other API servers' OpenAPI documents: their part is cut out, merged into this server's, or turned into OpenAPI 3."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

from kprov.kube.apiserver.openapi.schemas import reachable

Document = dict[str, Any]

_V2, _V3 = "#/definitions/", "#/components/schemas/"
_METHODS = ("get", "put", "post", "delete", "options", "head", "patch")


@dataclass(frozen=True, slots=True)
class RemoteDocument:
    """What one server says of one group and version."""

    path: str  # "apis/GROUP/VERSION"
    v2: Document  # only what belongs to it
    v3_url: str = ""  # where its own OpenAPI 3 is, if it has any


def part_of(document: Document, path: str) -> Document:
    """The paths of a group and version, and the definitions that they lead to."""
    prefix = f"/{path}"
    paths = {
        name: item
        for name, item in (document.get("paths") or {}).items()
        if isinstance(item, dict) and (name == prefix or name.startswith(f"{prefix}/"))
    }
    definitions = document.get("definitions") or {}
    named = list(_names({"paths": paths}))
    kinds = [name for name, each in definitions.items() if _is_of(each, path)]
    return {"paths": paths, "definitions": reachable([*named, *kinds], definitions)}


def _is_of(definition: Any, path: str) -> bool:
    told = definition.get("x-kubernetes-group-version-kind") if isinstance(definition, dict) else None
    return any(path == f"apis/{each.get('group')}/{each.get('version')}" for each in told or () if each.get("group"))


def _names(value: Any) -> list[str]:
    if isinstance(value, dict):
        here = [value["$ref"].removeprefix(_V2)] if isinstance(value.get("$ref"), str) else []
        return here + [name for each in value.values() for name in _names(each)]
    if isinstance(value, list):
        return [name for each in value for name in _names(each)]
    return []


def merge(whole: Document, part: Document) -> None:
    """Add a part to a document of OpenAPI 2, in place; a definition that means something else gets another name."""
    renamed = {}
    for name, definition in part["definitions"].items():
        new = name
        for number in range(2, 100):
            present = whole["definitions"].get(new)
            if present is None or present == definition or "x-kubernetes-group-version-kind" not in present:
                break
            if new.startswith("io.k8s.apimachinery."):  # what all servers share, perhaps of another release
                break
            new = f"{name}_v{number}"
        renamed[_V2 + name] = _V2 + new
    for name, definition in part["definitions"].items():
        whole["definitions"].setdefault(renamed[_V2 + name].removeprefix(_V2), _referring(definition, renamed))
    for path, item in part["paths"].items():
        whole["paths"].setdefault(path, _referring(item, renamed))


def _referring(value: Any, renamed: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {
            key: renamed.get(each, each) if key == "$ref" and isinstance(each, str) else _referring(each, renamed)
            for key, each in value.items()
        }
    if isinstance(value, list):
        return [_referring(each, renamed) for each in value]
    return value


def to_v3(part: Document, info: Document) -> Document:
    """A part of an OpenAPI 2 document as a document of OpenAPI 3."""
    references = {f"{_V2}{name}": f"{_V3}{name}" for name in part["definitions"]}
    paths = {name: _item(item) for name, item in part["paths"].items()}
    return {
        "openapi": "3.0.0",
        "info": info,
        "paths": _referring(paths, references),
        "components": {"schemas": _referring(part["definitions"], references)},
    }


def _item(item: Document) -> Document:
    out = {key: value for key, value in item.items() if key not in (*_METHODS, "parameters")}
    if item.get("parameters"):
        out["parameters"] = [_parameter(each) for each in item["parameters"]]
    for method in _METHODS:
        if method in item:
            out[method] = _operation(item[method])
    return out


def _operation(operation: Document) -> Document:
    out = {
        key: value for key, value in operation.items()
        if key not in ("consumes", "produces", "schemes", "parameters", "responses")
    }  # fmt: skip
    consumes, produces = operation.get("consumes") or ["*/*"], operation.get("produces") or ["application/json"]
    parameters = operation.get("parameters") or ()
    if given := [_parameter(each) for each in parameters if each.get("in") != "body"]:
        out["parameters"] = given
    for body in (each for each in parameters if each.get("in") == "body"):
        content = {kind: {"schema": body.get("schema") or {}} for kind in consumes}
        out["requestBody"] = {"content": content, "required": bool(body.get("required"))}
    out["responses"] = {}
    for code, response in (operation.get("responses") or {}).items():
        told: Document = {"description": response.get("description") or ""}
        if "schema" in response:
            told["content"] = {kind: {"schema": response["schema"]} for kind in produces}
        out["responses"][code] = told
    return out


_OF_PARAMETER = frozenset({"name", "in", "description", "required", "$ref"})


def _parameter(parameter: Document) -> Document:
    given = copy.deepcopy(parameter)
    if "$ref" in given or "schema" in given:
        return given
    out = {key: value for key, value in given.items() if key in _OF_PARAMETER or key.startswith("x-")}
    out["schema"] = {key: value for key, value in given.items() if key not in out}
    return out
