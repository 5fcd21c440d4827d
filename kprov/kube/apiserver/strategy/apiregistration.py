"""The kinds of the apiregistration.k8s.io group: who serves a group and version."""

from __future__ import annotations

from typing import Any

from kprov.kube.apiserver.aggregation.api_service import with_local_condition
from kprov.kube.apiserver.strategy.base import (
    FieldError,
    Strategy,
    StrategyContext,
    dns_subdomain_error,
    invalid,
    not_supported,
    required,
)
from kprov.kube.apiserver.strategy.fields import dns_1035_error

Object = dict[str, Any]
_STATES = ["True", "False", "Unknown"]


class ApiServiceStrategy(Strategy):
    """APIServices."""

    def default(self, obj: Object) -> None:
        """A Service's port is 443."""
        service = (obj.get("spec") or {}).get("service")
        if isinstance(service, dict) and service.get("port") is None:
            service["port"] = 443

    def prepare_for_create(self, obj: Object, ctx: StrategyContext) -> None:
        """What this server serves itself is available at once."""
        obj["status"] = {}
        if not (obj.get("spec") or {}).get("service"):
            obj["status"] = with_local_condition({})

    def validate(self, obj: Object) -> list[FieldError]:
        """The name, the priorities, and how the other server is trusted."""
        spec = obj.get("spec") or {}
        group, version, service = spec.get("group") or "", spec.get("version") or "", spec.get("service")
        found: list[FieldError] = []
        if (name := obj["metadata"].get("name")) != (wanted := f"{version}.{group}"):
            found.append(invalid("metadata.name", name, f'must be `spec.version+"."+spec.group`: "{wanted}"'))
        if not group and version != "v1":
            found.append(required("spec.group", "only v1 may have an empty group and it better be legacy kube"))
        if group and (problem := dns_subdomain_error(group)):
            found.append(invalid("spec.group", group, problem))
        if problem := dns_1035_error(version):
            found.append(invalid("spec.version", version, problem))
        for field, highest in (("groupPriorityMinimum", 20000), ("versionPriority", 1000)):
            value = spec.get(field) or 0
            if not 0 < value <= highest:
                found.append(invalid(f"spec.{field}", value, f"must be positive and less than {highest}"))
        return found + (_local_errors(spec) if not service else _remote_errors(spec, service))

    def validate_status_update(self, obj: Object, old: Object) -> list[FieldError]:
        """The conditions' words."""
        return [
            not_supported(f"status.conditions[{index}].status", each.get("status"), _STATES)
            for index, each in enumerate((obj.get("status") or {}).get("conditions") or ())
            if each.get("status") not in _STATES
        ]


def _local_errors(spec: Object) -> list[FieldError]:
    found = []
    if bundle := spec.get("caBundle"):
        found.append(invalid("spec.caBundle", f"{len(bundle)} bytes", "local APIServices may not have a caBundle"))
    if spec.get("insecureSkipTLSVerify"):
        found.append(
            invalid("spec.insecureSkipTLSVerify", True, "local APIServices may not have insecureSkipTLSVerify")
        )
    return found


def _remote_errors(spec: Object, service: Object) -> list[FieldError]:
    found = [required(f"spec.service.{field}") for field in ("namespace", "name") if not service.get(field)]
    port = service.get("port")
    if not isinstance(port, int) or not 1 <= port <= 65535:
        found.append(invalid("spec.service.port", port, "port is not valid: must be between 1 and 65535, inclusive"))
    if spec.get("insecureSkipTLSVerify") and spec.get("caBundle"):
        found.append(invalid("spec.insecureSkipTLSVerify", True, "may not be true if caBundle is present"))
    return found


STRATEGIES: dict[str, Strategy] = {"apiservices": ApiServiceStrategy()}
"""By plural."""
