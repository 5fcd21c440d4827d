"""What a pod's resolv.conf says."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Pod = dict[str, Any]


@dataclass(slots=True)
class Resolver:
    """The content of a resolv.conf."""

    servers: list[str] = field(default_factory=list)
    searches: list[str] = field(default_factory=list)
    options: list[str] = field(default_factory=list)


def read_resolv_conf(path: str) -> Resolver:
    """The machine's resolver settings; an empty path or a missing file is an empty resolver."""
    found = Resolver()
    try:
        lines = Path(path).read_text().splitlines() if path else []
    except FileNotFoundError:
        lines = []
    for line in lines:
        word, *rest = line.split("#")[0].split(";")[0].split() or [""]
        match word:
            case "nameserver" if rest:
                found.servers.append(rest[0])
            case "search" | "domain":
                found.searches = [name.rstrip(".") or "." for name in rest]
            case "options":
                found.options = rest
    return found


def pod_resolver(pod: Pod, machine: Resolver, cluster_dns: list[str], domain: str) -> Resolver:
    """The resolver of a pod by its dnsPolicy and dnsConfig; the limits are those of upstream (3 servers, 32 names)."""
    spec = pod["spec"]
    policy = spec.get("dnsPolicy", "ClusterFirst")
    if policy == "ClusterFirst" and spec.get("hostNetwork"):
        policy = "Default"
    if policy == "None":
        found = Resolver()
    elif policy == "Default" or not cluster_dns:
        found = Resolver(list(machine.servers), list(machine.searches), list(machine.options))
    else:
        namespace = pod["metadata"]["namespace"]
        own = [f"{namespace}.svc.{domain}", f"svc.{domain}", domain] if domain else []
        found = Resolver(list(cluster_dns), _unique(own + machine.searches), ["ndots:5"])
    wanted = spec.get("dnsConfig") or {}
    found.servers = _unique(found.servers + (wanted.get("nameservers") or []))[:3]
    found.searches = _unique(found.searches + (wanted.get("searches") or []))[:32]
    options = {option.partition(":")[0]: option for option in found.options}
    for option in wanted.get("options") or []:
        value = option.get("value")
        options[option["name"]] = option["name"] if value is None else f"{option['name']}:{value}"
    found.options = list(options.values())
    return found


def _unique(names: list[str]) -> list[str]:
    return list(dict.fromkeys(names))
