"""Makes fields.json from the struct tags of upstream's Go types. Run by hand, with a checkout of each repository:

    python -m kprov.kube.apiserver.protobuf.extract K8S_API_DIR APIMACHINERY_DIR

A field's row is [JSON name, type, flags]. Types: s string, b bool, n number (signed), h one of half the size (32
bits), f float, y bytes, or a message's name.
Flags: l list, m map from strings, p a pointer in Go (an explicit zero means something), o left out when empty, i
inlined.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

VERSIONS = (
    "admission/v1", "admissionregistration/v1", "apps/v1", "authentication/v1", "authorization/v1", "autoscaling/v1",
    "autoscaling/v2", "batch/v1", "batch/v1beta1", "certificates/v1", "coordination/v1", "core/v1", "discovery/v1",
    "discovery/v1beta1", "events/v1", "events/v1beta1", "flowcontrol/v1", "networking/v1", "node/v1", "policy/v1",
    "policy/v1beta1", "rbac/v1", "scheduling/v1", "storage/v1",
)  # fmt: skip
GROUPS = {
    "core": "", "admissionregistration": "admissionregistration.k8s.io", "authentication": "authentication.k8s.io",
    "authorization": "authorization.k8s.io", "certificates": "certificates.k8s.io",
    "coordination": "coordination.k8s.io",
    "discovery": "discovery.k8s.io", "events": "events.k8s.io", "flowcontrol": "flowcontrol.apiserver.k8s.io",
    "networking": "networking.k8s.io", "node": "node.k8s.io", "rbac": "rbac.authorization.k8s.io",
    "scheduling": "scheduling.k8s.io", "storage": "storage.k8s.io",
}  # fmt: skip
_SPECIAL = {
    "metav1.Time": "Time", "metav1.MicroTime": "MicroTime", "metav1.Duration": "Duration", "Time": "Time",
    "MicroTime": "MicroTime", "Duration": "Duration", "intstr.IntOrString": "IntOrString",
    "resource.Quantity": "Quantity",
    "runtime.RawExtension": "RawExtension", "metav1.FieldsV1": "FieldsV1", "FieldsV1": "FieldsV1",
}  # fmt: skip
_SCALARS = {"string": "s", "bool": "b", "int32": "h", "int64": "n", "int": "n", "uint32": "n", "float64": "f",
            "types.UID": "s", "types.NodeName": "s", "[]byte": "y", "byte": "y", "uint8": "y"}  # fmt: skip
_STRUCT = re.compile(r"^type (\w+) struct \{\n(.*?)^\}", re.MULTILINE | re.DOTALL)
_ALIAS = re.compile(r"^type (\w+) (?!struct)(\S+)$", re.MULTILINE)
_FIELD = re.compile(r'^\t(?:(\w+)\s+)?([\w.\[\]*]+)\s+`[^`]*?json:"([^"]*)"[^`]*?protobuf:"([^"]*)"', re.MULTILINE)


class Package:
    """One version of one group."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.text = text
        self.aliases = dict(_ALIAS.findall(text))


def _resolve(go_type: str, package: Package, packages: dict[str, Package], cast: bool) -> tuple[str, str]:
    """A Go type as (type, flags)."""
    flags = ""
    while True:
        if go_type.startswith("*"):
            go_type, flags = go_type[1:], flags + "p"
        elif go_type == "[]byte":
            return "y", flags
        elif go_type.startswith("[]"):
            go_type, flags = go_type[2:], flags + "l"
        elif go_type.startswith("map["):
            go_type, flags = go_type[go_type.index("]") + 1 :], flags + "m"
            cast = False
        else:
            break
    if go_type in _SPECIAL:
        return _SPECIAL[go_type], flags
    if go_type in _SCALARS:
        return _SCALARS[go_type], flags
    prefix, _, name = go_type.rpartition(".")
    versioned = re.sub(r"(v\d.*)$", r".\1", prefix)  # corev1 -> core.v1
    home = package if not prefix else packages["core.v1"] if prefix in ("v1", "apiv1") else packages.get(versioned)
    if home is None:
        if "alpha" in prefix:  # behind a feature gate that is off: such a field is left out
            return "", flags
        raise ValueError(f"{package.name}: {go_type} is of an unknown package")
    underlying = home.aliases.get(name)
    if underlying is None:
        return f"{home.name}.{name}", flags
    if underlying.startswith("[]") and not cast:  # a message of its own, with one repeated field
        return f"{home.name}.{name}", flags
    inner, more = _resolve(underlying, home, packages, cast)
    return inner, flags + more


def extract(api: Path, machinery: Path) -> dict[str, Any]:
    """The tables: messages, and the message of each kind."""
    packages = {"meta.v1": Package("meta.v1", (machinery / "pkg/apis/meta/v1/types.go").read_text())}
    for version in VERSIONS:
        name = version.replace("/", ".")
        packages[name] = Package(name, (api / version / "types.go").read_text())
    messages: dict[str, dict[str, list[str]]] = {}
    kinds: dict[str, str] = {}
    for package in packages.values():
        for alias, underlying in package.aliases.items():
            if underlying.startswith("[]"):
                inner, _ = _resolve(underlying[2:], package, packages, False)
                messages[f"{package.name}.{alias}"] = {"1": ["", inner, "l"]}
        for struct, body in _STRUCT.findall(package.text):
            rows = {}
            for name, go_type, tag, wire in _FIELD.findall(body):
                kind, number, *_ = wire.split(",")
                json_name, *options = tag.split(",")
                inner, flags = _resolve(go_type, package, packages, "casttype" in wire)
                if not inner:
                    continue
                if not json_name and (not name or "inline" in options):
                    flags += "i"
                    json_name = name or go_type.rpartition(".")[2]
                if "omitempty" in options or "omitzero" in options:
                    flags += "o"
                if kind not in ("bytes", "varint", "fixed64", "opt"):
                    raise ValueError(f"{struct}.{name}: unknown wire type {kind}")
                rows[number] = [json_name, inner, flags]
            messages[f"{package.name}.{struct}"] = rows
            if "metav1.TypeMeta" in body or "\n\tTypeMeta" in body or body.startswith("\tTypeMeta"):
                group, version = package.name.split(".")
                full = GROUPS.get(group, group) if group != "meta" else "meta"
                kinds[f"{full}/{version}/{struct}"] = f"{package.name}.{struct}"
    return {"kinds": kinds, "messages": {name: rows for name, rows in sorted(messages.items()) if rows}}


def main() -> None:
    """Write the table."""
    table = extract(Path(sys.argv[1]), Path(sys.argv[2]))
    Path(__file__).with_name("fields.json").write_text(json.dumps(table, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
