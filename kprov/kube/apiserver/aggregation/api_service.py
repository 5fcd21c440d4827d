"""APIService: who serves a group and version."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kprov.kube.apiserver.extensions.conditions import condition, with_condition

Object = dict[str, Any]
GroupVersion = tuple[str, str]

API_SERVICES = ("apiregistration.k8s.io", "apiservices")
AVAILABLE = "Available"
_LOCAL = ("True", "Local", "Local APIServices are always available")


@dataclass(frozen=True, slots=True)
class Remote:
    """An APIService whose group and version another server serves."""

    name: str
    group: str
    version: str
    namespace: str  # of the Service
    service: str
    port: int
    bundle: str  # PEM in base64, or nothing
    insecure: bool
    available: bool
    group_priority: int
    version_priority: int

    @property
    def key(self) -> GroupVersion:
        """What it serves."""
        return self.group, self.version

    @property
    def path(self) -> str:
        """Where its discovery document is, here and there."""
        return f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"

    @property
    def server_name(self) -> str:
        """The name in its certificate."""
        return f"{self.service}.{self.namespace}.svc"


def remote_of(obj: Object) -> Remote | None:
    """An APIService's other server; None where this one serves the group and version itself."""
    spec = obj["spec"]
    service = spec.get("service")
    if not service:
        return None
    return Remote(
        obj["metadata"]["name"],
        spec.get("group") or "",
        spec["version"],
        service["namespace"],
        service["name"],
        int(service.get("port") or 443),
        spec.get("caBundle") or "",
        bool(spec.get("insecureSkipTLSVerify")),
        condition(obj, AVAILABLE).get("status") == "True",
        int(spec.get("groupPriorityMinimum") or 0),
        int(spec.get("versionPriority") or 0),
    )


def with_local_condition(status: Object) -> Object:
    """The status of what this server serves itself."""
    return with_condition(status, AVAILABLE, *_LOCAL)
