"""Makes merge_keys.json from the schemas that the PyPI package kubernetes-validate carries. Run by hand."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

VERSION = "v1.32.0-local"
_REF = "#/$defs/"


def _target(schema: dict[str, Any]) -> str:
    """The type that a field, or a list's element, refers to."""
    for place in (schema, schema.get("items") or {}):
        if "$ref" in place:
            return str(place["$ref"]).partition(_REF)[2]
    return ""


def extract(definitions: dict[str, Any]) -> dict[str, Any]:
    """The table: types with their fields as [type, merges, merge key], and kinds with their types."""
    types: dict[str, dict[str, list[Any]]] = {}
    for name, definition in definitions.items():
        rows = {}
        for field, schema in (definition.get("properties") or {}).items():
            merges = "merge" in str(schema.get("x-kubernetes-patch-strategy") or "").split(",")
            key = schema.get("x-kubernetes-patch-merge-key")
            if target := _target(schema):
                rows[field] = [target, merges, key]
            elif merges:
                rows[field] = ["", merges, key]
        types[name] = rows
    useful = {name for name, rows in types.items() if any(row[1] for row in rows.values())}
    while True:  # a type is of use if a type that it holds is
        more = {name for name, rows in types.items() if any(row[0] in useful for row in rows.values())} - useful
        if not more:
            break
        useful |= more
    short = {name: f"{name.split('.')[-3]}.{name.split('.')[-2]}.{name.split('.')[-1]}" for name in sorted(useful)}
    kinds = {}
    for name in sorted(useful):
        for gvk in definitions[name].get("x-kubernetes-group-version-kind") or ():
            kinds[f"{gvk['group']}/{gvk['version']}/{gvk['kind']}"] = short[name]
    return {
        "kinds": kinds,
        "types": {
            short[name]: {
                field: [short.get(row[0], ""), row[1], row[2]]
                for field, row in sorted(types[name].items())
                if row[1] or row[0] in useful
            }
            for name in sorted(useful)
        },
    }


def main() -> None:
    """Write the table."""
    source = files("kubernetes_validate") / "kubernetes-json-schema" / VERSION / "_definitions.json"
    table = extract(json.loads(source.read_text())["$defs"])
    Path(__file__).with_name("merge_keys.json").write_text(json.dumps(table, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
