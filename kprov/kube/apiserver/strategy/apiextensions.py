"""CustomResourceDefinitions: defaults, what may be in one, and what happens when one is deleted."""

from __future__ import annotations

import re
from typing import Any

from kprov.kube.apiserver.extensions import json_path, schema_extensions, selectable, structural
from kprov.kube.apiserver.extensions.conditions import FINALIZER, with_condition
from kprov.kube.apiserver.strategy.base import (
    FieldError,
    Strategy,
    StrategyContext,
    dns_subdomain_error,
    forbidden,
    invalid,
    not_supported,
    required,
)
from kprov.kube.apiserver.strategy.fields import dns_1035_error
from kprov.kube.apiserver.strategy.webhook_clients import client_errors

Object = dict[str, Any]

_APPROVED = "api-approved.kubernetes.io"
_PROTECTED = re.compile(r"(^|\.)(k8s|kubernetes)\.io$")
_STRATEGIES = ["None", "Webhook"]
_COLUMN_FORMATS = ["byte", "date", "date-time", "double", "float", "int32", "int64", "password"]
_COLUMN_TYPES = ["boolean", "date", "integer", "number", "string"]


class DefinitionStrategy(Strategy):
    """CustomResourceDefinitions, in v1."""

    def default(self, obj: Object) -> None:
        """Names that follow from others; no conversion."""
        spec = obj.get("spec") or {}
        names = spec.get("names") or {}
        if names.get("kind"):
            names.setdefault("singular", names["kind"].lower())
            names.setdefault("listKind", names["kind"] + "List")
        obj["spec"] = spec
        conversion = spec["conversion"] = spec.get("conversion") or {"strategy": "None"}
        service = ((conversion.get("webhook") or {}).get("clientConfig") or {}).get("service")
        if isinstance(service, dict):
            service.setdefault("port", 443)

    def prepare_for_create(self, obj: Object, ctx: StrategyContext) -> None:
        """Nothing is accepted yet."""
        versions = obj["spec"].get("versions") or ()
        obj["status"] = {
            "conditions": [],
            "acceptedNames": {"plural": "", "kind": ""},
            "storedVersions": [each.get("name", "") for each in versions if each.get("storage")],
        }

    def prepare_for_update(self, obj: Object, old: Object, ctx: StrategyContext) -> None:
        """A version that becomes the stored one is remembered as one that objects may be stored in."""
        obj["status"] = dict(old.get("status") or {})
        stored = list(obj["status"].get("storedVersions") or ())
        for each in obj["spec"].get("versions") or ():
            if each.get("storage") and each.get("name") and each["name"] not in stored:
                stored.append(each["name"])
        obj["status"]["storedVersions"] = stored

    def prepare_for_delete(self, obj: Object) -> None:
        """The objects go first."""
        finalizers = obj["metadata"].setdefault("finalizers", [])
        if FINALIZER not in finalizers:
            finalizers.append(FINALIZER)
        told = (
            "InstanceDeletionPending",
            "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon",
        )
        obj["status"] = with_condition(obj.get("status") or {}, "Terminating", "True", *told)

    def validate(self, obj: Object) -> list[FieldError]:
        """Names, versions, schemas, columns, subresources."""
        spec = obj["spec"]
        found = _head_errors(obj)
        found += _names_errors(spec.get("names") or {})
        found += _version_errors(spec)
        return found + _conversion_errors(spec) + _extension_errors(spec)

    def validate_update(self, obj: Object, old: Object) -> list[FieldError]:
        """As at creation; group, scope and names stay once the kind is served."""
        found, known = self.validate(obj), set(_extension_errors(old["spec"]))
        found = [error for error in found if error not in known]  # an older server took them
        spec, before = obj["spec"], old["spec"]
        if spec.get("group") != before.get("group"):
            found.append(invalid("spec.group", spec.get("group"), "field is immutable"))
        established = any(
            each["type"] == "Established" and each["status"] == "True"
            for each in (old.get("status") or {}).get("conditions") or ()
        )
        if established:
            if spec.get("scope") != before.get("scope"):
                found.append(invalid("spec.scope", spec.get("scope"), "field is immutable"))
            for name in ("kind", "plural"):
                if spec["names"].get(name) != before["names"].get(name):
                    found.append(invalid(f"spec.names.{name}", spec["names"].get(name), "field is immutable"))
        return found + _stored_errors((obj.get("status") or {}).get("storedVersions") or [], spec)

    def validate_status_update(self, obj: Object, old: Object) -> list[FieldError]:
        """Who has rewritten all objects of a version may take it from the list, and no other."""
        return _stored_errors((obj.get("status") or {}).get("storedVersions") or [], obj["spec"])

    def warnings(self, obj: Object) -> list[str]:
        """Groups of the project's own need its approval."""
        return []


def _stored_errors(stored: list[str], spec: Object) -> list[FieldError]:
    path = "status.storedVersions"
    if not stored:
        return [invalid(path, stored, "must have at least one stored version")]
    versions = {each.get("name"): each for each in spec.get("versions") or ()}
    found = [
        invalid(f"{path}[{index}]", name, "must appear in spec.versions")
        for index, name in enumerate(stored)
        if name not in versions
    ]
    for name, version in versions.items():
        if version.get("storage") and name not in stored:
            found.append(invalid(path, stored, f"must have the storage version {name}"))
    return found


def _head_errors(obj: Object) -> list[FieldError]:
    spec = obj["spec"]
    group, plural = spec.get("group") or "", (spec.get("names") or {}).get("plural") or ""
    found: list[FieldError] = []
    wanted = f"{plural}.{group}"
    if obj["metadata"].get("name") != wanted:
        found.append(invalid("metadata.name", obj["metadata"].get("name"), 'must be spec.names.plural+"."+spec.group'))
    if not group:
        found.append(required("spec.group"))
    elif problem := dns_subdomain_error(group):
        found.append(invalid("spec.group", group, problem))
    elif "." not in group:
        found.append(invalid("spec.group", group, "should be a domain with at least one dot"))
    if spec.get("scope") not in ("Cluster", "Namespaced"):
        missing = [required("spec.scope")] if not spec.get("scope") else []
        found += missing or [not_supported("spec.scope", spec["scope"], ["Cluster", "Namespaced"])]
    approval = (obj["metadata"].get("annotations") or {}).get(_APPROVED, "")
    if _PROTECTED.search(group) and not re.match(r"https?://|unapproved", approval):
        path = f"metadata.annotations[{_APPROVED}]"
        text = 'protected groups must have approval annotation "api-approved.kubernetes.io"'
        found.append(required(path, f"{text}, see https://github.com/kubernetes/enhancements/pull/1111"))
    return found


def _names_errors(names: Object) -> list[FieldError]:
    found: list[FieldError] = []
    for field in ("plural", "singular", "kind", "listKind"):
        value = names.get(field)
        if not value:
            found.append(required(f"spec.names.{field}"))
        elif field in ("plural", "singular"):
            if problem := dns_1035_error(value):
                found.append(invalid(f"spec.names.{field}", value, problem))
        elif problem := dns_1035_error(value.lower()):
            told = f"may have mixed case, but should otherwise match: {problem}"
            found.append(invalid(f"spec.names.{field}", value, told))
    for field in ("shortNames", "categories"):
        for index, value in enumerate(names.get(field) or ()):
            if problem := dns_1035_error(value):
                found.append(invalid(f"spec.names.{field}[{index}]", value, problem))
    if names.get("kind") and names.get("kind") == names.get("listKind"):
        found.append(invalid("spec.names.listKind", names["listKind"], "kind and listKind may not be the same"))
    return found


def _version_errors(spec: Object) -> list[FieldError]:
    versions = spec.get("versions") or []
    found: list[FieldError] = []
    names = [each.get("name") for each in versions]
    if not versions:
        found.append(required("spec.versions", "must have at least one version"))
    if len(set(names)) < len(names):
        found.append(invalid("spec.versions", names, "must contain unique version names"))
    if versions and sum(bool(each.get("storage")) for each in versions) != 1:
        found.append(invalid("spec.versions", names, "must have exactly one version marked as storage version"))
    old = bool(spec.get("preserveUnknownFields"))
    for index, version in enumerate(versions):
        path = f"spec.versions[{index}]"
        if not version.get("name"):
            found.append(required(f"{path}.name"))
        elif problem := dns_1035_error(version["name"]):
            found.append(invalid(f"{path}.name", version["name"], problem))
        webhook = (spec.get("conversion") or {}).get("strategy") == "Webhook"
        found += selectable.errors_of(version, f"{path}.selectableFields", converted=webhook)
        schema = (version.get("schema") or {}).get("openAPIV3Schema")
        if schema is None and not old:
            found.append(required(f"{path}.schema.openAPIV3Schema", "schemas are required"))
        elif schema is not None:
            found += structural.errors_of(schema, f"{path}.schema.openAPIV3Schema", structural_only=not old)
        found += _column_errors(version.get("additionalPrinterColumns") or (), f"{path}.additionalPrinterColumns")
        found += _scale_errors((version.get("subresources") or {}).get("scale"), f"{path}.subresources.scale")
    return found


def _extension_errors(spec: Object) -> list[FieldError]:
    """What is wrong with the x-kubernetes words of schemas that are structural, and well-formed otherwise."""
    found: list[FieldError] = []
    for index, version in enumerate(spec.get("versions") or ()):
        schema, path = (version.get("schema") or {}).get("openAPIV3Schema"), f"spec.versions[{index}].schema"
        if not isinstance(schema, dict) or spec.get("preserveUnknownFields"):
            continue
        if not structural.errors_of(schema, path, structural_only=True):
            found += schema_extensions.errors_of(schema, f"{path}.openAPIV3Schema")
    return found


def _conversion_errors(spec: Object) -> list[FieldError]:
    conversion, path = spec.get("conversion") or {}, "spec.conversion"
    strategy, webhook = conversion.get("strategy"), conversion.get("webhook")
    found: list[FieldError] = []
    if strategy not in (None, "None") and spec.get("preserveUnknownFields"):
        text = "must be None if spec.preserveUnknownFields is true"
        found.append(invalid(f"{path}.strategy", strategy, text))
    if not strategy:
        return [*found, required(f"{path}.strategy")]
    if strategy not in _STRATEGIES:
        found.append(not_supported(f"{path}.strategy", strategy, _STRATEGIES))
    if strategy != "Webhook":
        text = "should not be set when strategy is not set to Webhook"
        return found + ([forbidden(f"{path}.webhook", text)] if webhook else [])
    client = (webhook or {}).get("clientConfig")
    if client is None:
        found.append(required(f"{path}.webhook.clientConfig", "required when strategy is set to Webhook"))
    else:
        found += client_errors(client, f"{path}.webhook.clientConfig")
    reviews = (webhook or {}).get("conversionReviewVersions") or []
    path = f"{path}.webhook.conversionReviewVersions"
    if not reviews:
        return [*found, required(path)]
    for index, version in enumerate(reviews):
        if version in reviews[:index]:
            found.append(invalid(f"{path}[{index}]", version, "duplicate version"))
        elif problem := dns_1035_error(version):
            found.append(invalid(f"{path}[{index}]", version, problem))
    if not {"v1", "v1beta1"} & set(reviews):
        found.append(invalid(path, reviews, "must include at least one of v1, v1beta1"))
    return found


def _column_errors(columns: Any, path: str) -> list[FieldError]:
    found: list[FieldError] = []
    for index, column in enumerate(columns):
        here = f"{path}[{index}]"
        for field in ("name", "type", "jsonPath"):
            if not column.get(field):
                found.append(required(f"{here}.{field}"))
        if column.get("type") and column["type"] not in _COLUMN_TYPES:
            found.append(not_supported(f"{here}.type", column["type"], _COLUMN_TYPES))
        if column.get("format") and column["format"] not in _COLUMN_FORMATS:
            told = f"must be one of {','.join(_COLUMN_FORMATS)}"
            found.append(invalid(f"{here}.format", column["format"], told))
        if (place := column.get("jsonPath")) and not place.startswith("."):
            found.append(invalid(f"{here}.jsonPath", place, "must be a simple json path starting with ."))
        else:
            found += _path_errors(place, f"{here}.jsonPath")
    return found


def _scale_errors(scale: Object | None, path: str) -> list[FieldError]:
    if scale is None:
        return []
    found: list[FieldError] = []
    for field, below in (("specReplicasPath", ".spec."), ("statusReplicasPath", ".status."), ("labelSelectorPath", "")):
        value = scale.get(field)
        if not value:
            if below:
                found.append(required(f"{path}.{field}"))
            continue
        if not value.startswith(below or (".spec.", ".status.")):
            said = f"should be a json path under {below.rstrip('.') or '.spec or .status'}"
            found.append(invalid(f"{path}.{field}", value, said))
        found += _path_errors(value, f"{path}.{field}")
    return found


def _path_errors(value: str | None, path: str) -> list[FieldError]:
    try:
        json_path.compiled(value or "")
    except json_path.JsonPathError as error:
        return [invalid(path, value, str(error))]
    return []


STRATEGIES: dict[str, Strategy] = {"customresourcedefinitions": DefinitionStrategy()}
