"""What is wrong with security contexts: users, groups, privileges, system calls."""

from __future__ import annotations

from typing import Any

from kprov.kube.apiserver.strategy.base import FieldError, forbidden, invalid, not_supported, required
from kprov.kube.apiserver.strategy.cluster_policy import privileged_is_allowed
from kprov.kube.apiserver.strategy.path_validation import descending_path_errors

Object = dict[str, Any]

_ID_RANGE = "must be between 0 and 2147483647, inclusive"


def id_errors(owner: Object, fields: tuple[str, ...], path: str) -> list[FieldError]:
    """That user and group numbers are ones."""
    found = []
    for field in fields:
        value = owner.get(field)
        if value is not None and not 0 <= value <= 2147483647:
            found.append(invalid(f"{path}.{field}", value, _ID_RANGE))
    return found


def seccomp_errors(profile: Object | None, path: str) -> list[FieldError]:
    """That a seccomp profile is complete."""
    if profile is None:
        return []
    kind, local = profile.get("type"), profile.get("localhostProfile")
    if not kind:
        return [required(f"{path}.type", "type is required when seccompProfile is set")]
    if kind == "Localhost":
        if not local:
            return [required(f"{path}.localhostProfile", "must be set when seccomp type is Localhost")]
        return descending_path_errors(local, f"{path}.localhostProfile")
    found = []
    if local:
        found.append(invalid(f"{path}.localhostProfile", local, "can only be set when seccomp type is Localhost"))
    if kind not in ("RuntimeDefault", "Unconfined"):
        found.append(not_supported(f"{path}.type", kind, ["Localhost", "RuntimeDefault", "Unconfined"]))
    return found


def validate_security(context: Object | None, path: str) -> list[FieldError]:
    """What is wrong with a container's security context."""
    if not context:
        return []
    found = id_errors(context, ("runAsUser", "runAsGroup"), path)
    if context.get("privileged") and not privileged_is_allowed():
        found.append(forbidden(f"{path}.privileged", "disallowed by cluster policy"))
    if context.get("procMount") not in (None, "Default", "Unmasked"):
        found.append(not_supported(f"{path}.procMount", context["procMount"], ["Default", "Unmasked"]))
    found += seccomp_errors(context.get("seccompProfile"), f"{path}.seccompProfile")
    if context.get("allowPrivilegeEscalation") is False:
        if context.get("privileged"):
            message = "cannot set `allowPrivilegeEscalation` to false and `privileged` to true"
            found.append(invalid(path, context, message))
        if "CAP_SYS_ADMIN" in ((context.get("capabilities") or {}).get("add") or ()):
            message = "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN"
            found.append(invalid(path, context, message))
    return found
