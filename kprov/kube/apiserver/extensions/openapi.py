"""Custom kinds in the OpenAPI documents: their schemas as definitions, in the two forms that clients read."""

from __future__ import annotations

from typing import Any

from kprov.kube.apiserver.extensions.kinds import CustomKind

Schema = dict[str, Any]

_META = "io.k8s.apimachinery.pkg.apis.meta.v1."
_TYPE_META = {
    "apiVersion": {
        "description": "APIVersion defines the versioned schema of this representation of an object.",
        "type": "string",
    },
    "kind": {
        "description": "Kind is a string value representing the REST resource this object represents.",
        "type": "string",
    },
}
_METADATA_HELP = "Standard object's metadata."
_JUNCTORS = ("allOf", "anyOf", "oneOf", "not")


def definition_name(group: str, version: str, kind: str) -> str:
    """ "com.example.stable.v1.CronTab" for CronTab of stable.example.com/v1."""
    return ".".join([*reversed(group.split(".")), version, kind])


def definitions(kind: CustomKind, form: int) -> dict[str, Schema]:
    """The definitions of a kind and its lists, for OpenAPI 2 or 3; references begin with "#/$defs/"."""
    found: dict[str, Schema] = {}
    for version in kind.info.versions:
        name = definition_name(kind.info.group, version, kind.info.kind)
        found[name] = _definition(kind, version, form)
        items = {"type": "array", "items": {"$ref": f"#/$defs/{name}"}, "description": f"List of {kind.info.plural}."}
        metadata = {"$ref": f"#/$defs/{_META}ListMeta", "description": "Standard list metadata."}
        found[name + "List"] = {
            "description": f"{kind.info.list_kind} is a list of {kind.info.kind}",
            "type": "object",
            "required": ["items"],
            "properties": {**_TYPE_META, "items": items, "metadata": metadata},
            **_told(kind, version, kind.info.list_kind),
        }
    return found


def _told(kind: CustomKind, version: str, name: str) -> Schema:
    return {"x-kubernetes-group-version-kind": [{"group": kind.info.group, "kind": name, "version": version}]}


def _definition(kind: CustomKind, version: str, form: int) -> Schema:
    told = _told(kind, version, kind.info.kind)
    schema = kind.schema(version)
    loose = bool(schema.get("x-kubernetes-preserve-unknown-fields")) or kind.preserves_unknown
    if not schema or (form == 2 and loose):
        # With properties, kubectl would refuse every field that is not among them.
        return {"type": "object", **told}
    built = _published(schema, form)
    metadata = {"description": _METADATA_HELP, "$ref": f"#/$defs/{_META}ObjectMeta"}
    built["properties"] = {**(built.get("properties") or {}), **_TYPE_META, "metadata": metadata}
    return {**built, **told}


def _published(schema: Schema, form: int) -> Schema:
    """A schema for readers; for OpenAPI 2 without what kubectl cannot cope with."""
    out = dict(schema)
    if form == 2:
        for word in (*_JUNCTORS, "default"):
            out.pop(word, None)
        loose, nullable = out.get("x-kubernetes-preserve-unknown-fields"), out.pop("nullable", False)
        if nullable:
            out.pop("type", None)
        if nullable or loose:
            out.pop("items", None)
            out.pop("properties", None)
        if (out.get("type") == "array" and "items" not in out) or (loose and out.get("type") == "object"):
            out.pop("type")
        if out.get("x-kubernetes-int-or-string"):
            out.pop("type", None)
        if "required" in out:
            below = schema.get("properties") or {}
            kept = [name for name in out["required"] if not below.get(name, {}).get("nullable")]
            out["required"] = kept
            if not kept:
                del out["required"]
    if "properties" in out:
        out["properties"] = {name: _published(each, form) for name, each in out["properties"].items()}
    for word in ("items", "additionalProperties"):
        if isinstance(out.get(word), dict):
            out[word] = _published(out[word], form)
    if out.get("x-kubernetes-embedded-resource") and not (
        form == 2 and out.get("x-kubernetes-preserve-unknown-fields")
    ):
        metadata = {"description": _METADATA_HELP, "$ref": f"#/$defs/{_META}ObjectMeta"}
        out["properties"] = {**(out.get("properties") or {}), **_TYPE_META, "metadata": metadata}
        out["required"] = [*(out.get("required") or []), *({"apiVersion", "kind"} - set(out.get("required") or []))]
    return out
