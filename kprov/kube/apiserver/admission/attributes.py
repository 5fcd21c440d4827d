"""What admission knows about a write."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from kprov.kube.apiserver.request import UserInfo
from kprov.kube.apiserver.resources.info import ResourceInfo

CREATE = "CREATE"
UPDATE = "UPDATE"
DELETE = "DELETE"
CONNECT = "CONNECT"


@dataclass(slots=True)
class AdmissionAttributes:
    """One write, on its way to storage. Mutating plugins change ``obj`` in place."""

    user: UserInfo
    operation: str  # CREATE, UPDATE, DELETE or CONNECT
    resource_info: ResourceInfo
    version: str = "v1"
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    obj: dict[str, Any] | None = None  # None for DELETE
    old_obj: dict[str, Any] | None = None  # None for CREATE
    options: dict[str, Any] = field(default_factory=dict)  # CreateOptions, UpdateOptions, DeleteOptions
    dry_run: bool = False
    warnings: list[str] = field(default_factory=list)  # append: each becomes a Warning header
    audit: Any = None  # the audit log's Event, where the request is recorded
    again: bool = False  # set by a webhook that changed the object: all that may change it are asked once more
    webhooks: Any = None  # which were asked already (webhooks/reinvocation.py)

    def note(self, annotations: dict[str, str]) -> None:
        """Have the audit log say something of the request."""
        if self.audit is not None:
            self.audit.annotations.update(annotations)
