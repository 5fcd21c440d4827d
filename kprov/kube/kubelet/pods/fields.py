"""What a pod may learn about itself: field references and resource references."""

from __future__ import annotations

import json
import re
from typing import Any

from kprov.kube.api import quantity
from kprov.kube.kubelet.pods.resources import amount

Pod = dict[str, Any]

_SUBSCRIPT = re.compile(r"metadata\.(labels|annotations)\['([^']+)'\]")
_UNITS = {"cpu": "1m", "memory": "1", "ephemeral-storage": "1"}


class FieldError(ValueError):
    """A reference that names nothing."""


def field_value(pod: Pod, path: str) -> str:
    """The value of a fieldRef; raises FieldError for a path that is not offered."""
    meta, spec, status = pod["metadata"], pod["spec"], pod.get("status") or {}
    if match := _SUBSCRIPT.fullmatch(path):
        return str((meta.get(match[1]) or {}).get(match[2], ""))
    match path:
        case "metadata.name" | "metadata.namespace" | "metadata.uid":
            return str(meta[path.removeprefix("metadata.")])
        case "metadata.labels" | "metadata.annotations":
            entries = meta.get(path.removeprefix("metadata.")) or {}
            return "\n".join(f"{name}={json.dumps(entries[name], ensure_ascii=False)}" for name in sorted(entries))
        case "spec.nodeName":
            return str(spec.get("nodeName", ""))
        case "spec.serviceAccountName":
            return str(spec.get("serviceAccountName", ""))
        case "status.podIP" | "status.hostIP":
            return str(status.get(path.removeprefix("status."), ""))
        case "status.podIPs" | "status.hostIPs":
            return ",".join(each["ip"] for each in status.get(path.removeprefix("status.")) or [])
    raise FieldError(f"unsupported fieldPath: {path}")


def resource_value(container: dict[str, Any], reference: dict[str, Any], allocatable: dict[str, int]) -> str:
    """The value of a resourceFieldRef in units of its divisor, rounded up.

    A limit that is not set is the node's ``allocatable`` (millicores, bytes). Raises FieldError.
    """
    kind, _, name = str(reference["resource"]).partition(".")
    if kind not in ("limits", "requests") or not name:
        raise FieldError(f"unsupported container resource: {reference['resource']}")
    stated = container.get("resources") or {}
    found = (stated.get(kind) or {}).get(name)
    if found is None and kind == "requests":
        found = (stated.get("limits") or {}).get(name)
    if found is not None:
        number = amount(name, found)
    else:
        number = allocatable.get(name, 0) if kind == "limits" else 0
    divisor = str(reference.get("divisor") or "0")
    if not quantity.parse(divisor):
        divisor = "1"
    unit = amount(name, divisor)
    return str(-(-number // max(unit, 1)))
