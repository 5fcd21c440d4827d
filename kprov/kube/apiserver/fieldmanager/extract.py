"""Makes lists.json from the schemas that the PyPI package kubernetes-validate carries. Run by hand.

For each type its lists that merge (by keys, or as sets) and its maps that don't; lists that are not named are atomic,
maps that are not named are granular: the rules of upstream's structural types.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from kprov.kube.apiserver.openapi.schemas import published


def _short(name: str) -> str:
    """io.k8s.api.core.v1.Pod -> core.v1.Pod, as the table of types has it."""
    return ".".join(name.split(".")[-3:])


def extract(definitions: dict[str, Any]) -> dict[str, Any]:
    """The table: {"atomic": types that are one leaf, "fields": {type: {field: keys | "set" | "atomic"}}}."""
    atomic, fields = [], {}
    for name, definition in definitions.items():
        if definition.get("x-kubernetes-map-type") == "atomic":
            atomic.append(_short(name))
        rows: dict[str, Any] = {}
        for field, schema in (definition.get("properties") or {}).items():
            kind = schema.get("x-kubernetes-list-type")
            if kind == "map":
                rows[field] = schema["x-kubernetes-list-map-keys"]
            elif kind == "set" or schema.get("x-kubernetes-map-type") == "atomic":
                rows[field] = "set" if kind == "set" else "atomic"
        if rows:
            fields[_short(name)] = rows
    return {"atomic": sorted(atomic), "fields": dict(sorted(fields.items()))}


def main() -> None:
    """Write the table."""
    text = json.dumps(extract(published()), separators=(",", ":"), sort_keys=True)
    Path(__file__).with_name("lists.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
