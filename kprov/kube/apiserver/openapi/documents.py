"""Builds the documents: OpenAPI v2 for all kinds, OpenAPI v3 for each group and version."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from kprov.kube.apiserver.openapi.operations import DESCRIPTIONS, PATCH_TYPES, Operation, operations, type_of
from kprov.kube.apiserver.openapi.schemas import (
    GROUP_VERSION_KIND,
    definition,
    names_by_kind,
    published,
    reachable,
)
from kprov.kube.apiserver.resources.info import ResourceInfo
from kprov.kube.apiserver.versions import is_converted

if TYPE_CHECKING:
    from kprov.kube.apiserver.openapi.build import CustomDocuments

Document = dict[str, Any]

_V2_PREFIX, _V3_PREFIX = "#/definitions/", "#/components/schemas/"
_META = "io.k8s.apimachinery.pkg.apis.meta.v1."


def group_path(info: ResourceInfo, version: str) -> str:
    """``api/v1`` or ``apis/apps/v1``: how /openapi/v3 names a document."""
    return f"apis/{info.group}/{version}" if info.group else f"api/{version}"


def older_versions(resources: Iterable[ResourceInfo], definitions: dict[str, Document]) -> dict[str, Document]:
    """Definitions of versions that upstream publishes no more and that differ from a newer one in name only."""
    names = names_by_kind(definitions)
    found: dict[str, Document] = {}
    for info in resources:
        newest = names.get((info.group, info.versions[0], info.kind))
        for version in info.versions[1:]:
            if newest is None or (info.group, version, info.kind) in names or is_converted(info, version):
                continue
            for suffix in ("", "List"):
                old, name = newest + suffix, _renamed(newest, info.versions[0], version) + suffix
                if old not in definitions:
                    continue
                told = {"group": info.group, "version": version, "kind": info.kind + suffix}
                found[name] = {**definitions[old], GROUP_VERSION_KIND: [told]}
                if suffix:
                    items = {**definitions[old]["properties"]["items"]}
                    items["items"] = {"$ref": "#/$defs/" + _renamed(newest, info.versions[0], version)}
                    found[name]["properties"] = {**definitions[old]["properties"], "items": items}
    return found


def _renamed(name: str, version: str, other: str) -> str:
    """A definition's name with another version in it."""
    return name.replace(f".{version}.", f".{other}.")


class Builder:
    """Builds documents from the table of kinds and upstream's schemas."""

    def __init__(
        self, resources: Iterable[ResourceInfo], git_version: str, custom: Sequence[CustomDocuments] = ()
    ) -> None:
        self._info = {"title": "Kubernetes", "version": git_version}
        common = published()
        self._definitions = {2: dict(common), 3: dict(common)}
        for each in custom:
            self._definitions[2].update(each.v2)
            self._definitions[3].update(each.v3)
        resources = [*resources]
        for form in (2, 3):
            self._definitions[form].update(older_versions(resources, common))
        self._names = names_by_kind(self._definitions[3])
        self._by_path: dict[str, list[Operation]] = {}
        self._custom = {each.info.group for each in custom}
        for info in [*resources, *(each.info for each in custom)]:
            for version in info.versions:
                found = self._by_path.setdefault(group_path(info, version), [])
                found.extend(operations(info, version))

    def group_paths(self) -> list[str]:
        """The documents of OpenAPI v3 that there are."""
        return sorted(self._by_path)

    def _schemas(self, found: Iterable[Operation], prefix: str, version: int) -> Document:
        wanted = {self._names[each.kind] for each in found if each.kind in self._names}
        wanted |= {f"{name}List" for name in wanted if f"{name}List" in self._definitions[version]}
        wanted |= {_META + "DeleteOptions", _META + "Status", _META + "Patch"}
        chosen = reachable(sorted(wanted), self._definitions[version])
        return {name: definition(name, schema, prefix, version=version) for name, schema in chosen.items()}

    def _reference(self, operation: Operation, prefix: str) -> Document:
        name = self._names.get(operation.kind)
        if name and operation.lists and f"{name}List" in self._definitions[3]:
            name += "List"
        return {"$ref": prefix + name} if name else {"type": "object"}

    def _patches(self, operation: Operation) -> list[str]:
        """What a PATCH may be; of users' kinds nobody knows the merge keys, so clients must not try."""
        custom = operation.kind[0] in self._custom
        return [each for each in PATCH_TYPES if not (custom and "strategic" in each)]

    @staticmethod
    def _extensions(operation: Operation) -> Document:
        group, version, kind = operation.kind
        return {
            "x-kubernetes-action": operation.action,
            GROUP_VERSION_KIND: {"group": group, "kind": kind, "version": version},
        }

    def v2(self) -> Document:
        """The one document of OpenAPI v2."""
        everything = [each for path in self.group_paths() for each in self._by_path[path]]
        paths: Document = {}
        for each in everything:
            item = paths.setdefault(each.path, {})
            parameters: list[Document] = [
                {"name": name, "in": "path", "required": True, "type": "string"} for name in each.path_parameters
            ]
            parameters += [
                {"name": name, "in": "query", "type": type_of(name), "description": DESCRIPTIONS[name]}
                for name in each.parameters
            ]
            if each.body or each.action == "patch":
                reference = self._reference(each, _V2_PREFIX) if each.body else {"$ref": _V2_PREFIX + _META + "Patch"}
                parameters.append({"name": "body", "in": "body", "required": True, "schema": reference})
            item[each.method] = {
                "operationId": _operation_id(each),
                "consumes": self._patches(each) if each.action == "patch" else ["*/*"],
                "produces": ["application/json"],
                "parameters": parameters,
                "responses": {"200": {"description": "OK", "schema": self._reference(each, _V2_PREFIX)}},
                **self._extensions(each),
            }
        return {
            "swagger": "2.0",
            "info": self._info,
            "paths": paths,
            "definitions": self._schemas(everything, _V2_PREFIX, 2),
        }

    def v3(self, path: str) -> Document:
        """The document of one group and version. Raises KeyError for one that is not served."""
        found = self._by_path[path]
        paths: Document = {}
        for each in found:
            item = paths.setdefault(each.path, {})
            parameters: list[Document] = [
                {"name": name, "in": "path", "required": True, "schema": {"type": "string", "uniqueItems": True}}
                for name in each.path_parameters
            ]
            parameters += [
                {
                    "name": name,
                    "in": "query",
                    "description": DESCRIPTIONS[name],
                    "schema": {"type": type_of(name), "uniqueItems": True},
                }
                for name in each.parameters
            ]
            operation: Document = {
                "operationId": _operation_id(each),
                "parameters": parameters,
                "responses": {"200": {"description": "OK", "content": self._content(each, ("application/json",))}},
                **self._extensions(each),
            }
            if each.body:
                operation["requestBody"] = {"content": self._content(each, ("*/*",)), "required": True}
            elif each.action == "patch":
                schema = {"schema": {"$ref": _V3_PREFIX + _META + "Patch"}}
                operation["requestBody"] = {"content": dict.fromkeys(self._patches(each), schema), "required": True}
            item[each.method] = operation
        return {
            "openapi": "3.0.0",
            "info": self._info,
            "paths": paths,
            "components": {"schemas": self._schemas(found, _V3_PREFIX, 3)},
        }

    def _content(self, operation: Operation, kinds: Iterable[str]) -> Document:
        return {kind: {"schema": self._reference(operation, _V3_PREFIX)} for kind in kinds}


def _operation_id(operation: Operation) -> str:
    words = [part.strip("{}") for part in operation.path.split("/") if part]
    return operation.action + "".join(word[:1].upper() + word[1:] for word in words)
