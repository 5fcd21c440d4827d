"""The checks that the level "restricted" has besides: what a hardened pod does without."""

from __future__ import annotations

from kprov.kube.apiserver.admission.pod_security.baseline import Check, Violation
from kprov.kube.apiserver.admission.pod_security.pod import Object, containers, context, named, quoted, those

_VOLUMES = frozenset(
    {
        "configMap",
        "csi",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "image",
        "name",
        "persistentVolumeClaim",
        "projected",
        "secret",
    }
)
_SECCOMP = frozenset({"RuntimeDefault", "Localhost"})


def allow_privilege_escalation(annotations: Object, spec: Object) -> Violation | None:
    """No program gets more rights than its container has."""
    names = those(spec, lambda container: context(container).get("allowPrivilegeEscalation") is not False)
    if not names:
        return None
    return "allowPrivilegeEscalation != false", (
        f"{named('container', names)} must set securityContext.allowPrivilegeEscalation=false"
    )


def capabilities(annotations: Object, spec: Object) -> Violation | None:
    """All capabilities are dropped; only NET_BIND_SERVICE may come back."""
    not_dropping, adding, added = [], [], set()
    for container in containers(spec):
        found = context(container).get("capabilities") or {}
        if "ALL" not in (found.get("drop") or ()):
            not_dropping.append(container["name"])
        wrong = [each for each in found.get("add") or () if each != "NET_BIND_SERVICE"]
        if wrong:
            adding.append(container["name"])
            added.update(wrong)
    said = []
    if not_dropping:
        said.append(f'{named("container", not_dropping)} must set securityContext.capabilities.drop=["ALL"]')
    if adding:
        said.append(
            f"{named('container', adding)} must not include {quoted(added)} in securityContext.capabilities.add"
        )
    return ("unrestricted capabilities", "; ".join(said)) if said else None


def volumes(annotations: Object, spec: Object) -> Violation | None:
    """Only volumes that are no way out of the pod."""
    names, kinds = [], set()
    for volume in spec.get("volumes") or ():
        wrong = {kind for kind, value in volume.items() if value is not None and kind not in _VOLUMES}
        if wrong:
            names.append(volume["name"])
            kinds |= wrong
    if not names:
        return None
    verb = "uses" if len(names) == 1 else "use"
    return "restricted volume types", (
        f"{named('volume', names)} {verb} restricted volume type{'s' if len(kinds) > 1 else ''} {quoted(kinds)}"
    )


def run_as_non_root(annotations: Object, spec: Object) -> Violation | None:
    """Containers run as a user other than root, and say so."""
    pod = context(spec).get("runAsNonRoot")
    explicit = those(spec, lambda container: context(container).get("runAsNonRoot") is False)
    silent = those(spec, lambda container: context(container).get("runAsNonRoot") is None)
    said = []
    if pod is False:
        said.append("pod must not set securityContext.runAsNonRoot=false")
    if explicit:
        said.append(f"{named('container', explicit)} must not set securityContext.runAsNonRoot=false")
    if not said and silent and not pod:
        said.append(f"pod or {named('container', silent)} must set securityContext.runAsNonRoot=true")
    return ("runAsNonRoot != true", "; ".join(said)) if said else None


def run_as_user(annotations: Object, spec: Object) -> Violation | None:
    """Nobody asks to be root."""
    names = those(spec, lambda container: context(container).get("runAsUser") == 0)
    who = (["pod"] if context(spec).get("runAsUser") == 0 else []) + ([named("container", names)] if names else [])
    return ("runAsUser=0", f"{' and '.join(who)} must not set runAsUser=0") if who else None


def seccomp(annotations: Object, spec: Object) -> Violation | None:
    """Seccomp is on, by the runtime's profile or a local one."""

    def profile(holder: Object) -> str | None:
        found: str | None = (context(holder).get("seccompProfile") or {}).get("type")
        return found

    pod = profile(spec)
    explicit = those(spec, lambda container: profile(container) not in (None, *_SECCOMP))
    silent = those(spec, lambda container: profile(container) is None)
    who = (["pod"] if pod not in (None, *_SECCOMP) else []) + ([named("container", explicit)] if explicit else [])
    if who:
        values = {
            each for each in (pod, *(profile(each) for each in containers(spec))) if each not in (None, *_SECCOMP)
        }
        wrong = quoted(str(each) for each in values)
        return "seccompProfile", f"{' and '.join(who)} must not set securityContext.seccompProfile.type to {wrong}"
    if silent and pod is None:
        return "seccompProfile", (
            f"pod or {named('container', silent)} must set securityContext.seccompProfile.type to "
            '"RuntimeDefault" or "Localhost"'
        )
    return None


CHECKS: tuple[Check, ...] = (allow_privilege_escalation, capabilities, volumes, run_as_non_root, run_as_user, seccomp)
"""Every check that the level adds."""
