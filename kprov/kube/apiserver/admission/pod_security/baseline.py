"""The checks of the level "baseline": what gives a pod power over its node.

Each check gets a pod's annotations and spec, and says what is forbidden and where, or nothing. Reasons and words are
upstream's (k8s.io/pod-security-admission/policy).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kprov.kube.apiserver.admission.pod_security.pod import Object, containers, context, named, quoted, those

Violation = tuple[str, str]
"""What is forbidden, and the detail of where."""
Check = Callable[[Object, Object], "Violation | None"]

_CAPABILITIES = frozenset(
    {
        "AUDIT_WRITE",
        "CHOWN",
        "DAC_OVERRIDE",
        "FOWNER",
        "FSETID",
        "KILL",
        "MKNOD",
        "NET_BIND_SERVICE",
        "SETFCAP",
        "SETGID",
        "SETPCAP",
        "SETUID",
        "SYS_CHROOT",
    }
)
_SYSCTLS = frozenset(
    {
        "kernel.shm_rmid_forced",
        "net.ipv4.ip_local_port_range",
        "net.ipv4.ip_local_reserved_ports",
        "net.ipv4.ip_unprivileged_port_start",
        "net.ipv4.ping_group_range",
        "net.ipv4.tcp_fin_timeout",
        "net.ipv4.tcp_keepalive_intvl",
        "net.ipv4.tcp_keepalive_probes",
        "net.ipv4.tcp_keepalive_time",
        "net.ipv4.tcp_rmem",
        "net.ipv4.tcp_syncookies",
        "net.ipv4.tcp_wmem",
    }
)
_SELINUX_TYPES = frozenset({"", "container_engine_t", "container_init_t", "container_kvm_t", "container_t"})
_APPARMOR = "container.apparmor.security.beta.kubernetes.io/"


def app_armor(annotations: Object, spec: Object) -> Violation | None:
    """AppArmor's profile is the runtime's or a local one."""
    found = [
        f'{key}="{value}"'
        for key, value in sorted(annotations.items())
        if key.startswith(_APPARMOR) and value not in ("", "runtime/default") and not value.startswith("localhost/")
    ]
    if _unconfined(spec, "appArmorProfile"):
        found.insert(0, 'pod must not set AppArmor profile type to "Unconfined"')
    names = those(spec, lambda container: _unconfined(container, "appArmorProfile"))
    if names:
        found.insert(0, f'{named("container", names)} must not set AppArmor profile type to "Unconfined"')
    return ("forbidden AppArmor profile" + ("s" if len(found) > 1 else ""), ", ".join(found)) if found else None


def _unconfined(holder: Object, field: str) -> bool:
    return (context(holder).get(field) or {}).get("type") == "Unconfined"


def capabilities(annotations: Object, spec: Object) -> Violation | None:
    """No capabilities are added but those that runtimes give anyway."""
    added = {
        container["name"]: [each for each in _added(container) if each not in _CAPABILITIES]
        for container in containers(spec)
    }
    names = [name for name, wrong in added.items() if wrong]
    if not names:
        return None
    wrong = quoted(each for found in added.values() for each in found)
    return "non-default capabilities", (
        f"{named('container', names)} must not include {wrong} in securityContext.capabilities.add"
    )


def _added(container: Object) -> list[str]:
    return (context(container).get("capabilities") or {}).get("add") or []


def host_namespaces(annotations: Object, spec: Object) -> Violation | None:
    """The pod has namespaces of its own."""
    found = [f"{field}=true" for field in ("hostNetwork", "hostPID", "hostIPC") if spec.get(field)]
    return ("host namespaces", ", ".join(found)) if found else None


def host_path_volumes(annotations: Object, spec: Object) -> Violation | None:
    """No volume is a folder of the node."""
    names = [volume["name"] for volume in spec.get("volumes") or () if volume.get("hostPath") is not None]
    return ("hostPath volumes", named("volume", names)) if names else None


def host_ports(annotations: Object, spec: Object) -> Violation | None:
    """No port of the node is taken."""
    found = {
        container["name"]: [str(port["hostPort"]) for port in container.get("ports") or () if port.get("hostPort")]
        for container in containers(spec)
    }
    names = [name for name, ports in found.items() if ports]
    if not names:
        return None
    ports = sorted({port for each in found.values() for port in each}, key=int)
    verb = "uses" if len(names) == 1 else "use"
    return "hostPort", f"{named('container', names)} {verb} hostPort{'s' if len(ports) > 1 else ''} {', '.join(ports)}"


def host_process(annotations: Object, spec: Object) -> Violation | None:
    """No process of the node (Windows)."""

    def wrong(holder: Object) -> bool:
        return bool((context(holder).get("windowsOptions") or {}).get("hostProcess"))

    names = those(spec, wrong)
    who = (["pod"] if wrong(spec) else []) + ([named("container", names)] if names else [])
    return (
        ("hostProcess", f"{' and '.join(who)} must not set securityContext.windowsOptions.hostProcess=true")
        if who
        else None
    )


def privileged(annotations: Object, spec: Object) -> Violation | None:
    """No container is privileged."""
    names = those(spec, lambda container: bool(context(container).get("privileged")))
    return (
        ("privileged", f"{named('container', names)} must not set securityContext.privileged=true") if names else None
    )


def proc_mount(annotations: Object, spec: Object) -> Violation | None:
    """/proc is masked as usual."""
    names, values = [], []
    for container in containers(spec):
        value = context(container).get("procMount") or "Default"
        if value != "Default":
            names.append(container["name"])
            values.append(value)
    if not names:
        return None
    return "procMount", f"{named('container', names)} must not set securityContext.procMount to {quoted(values)}"


def seccomp(annotations: Object, spec: Object) -> Violation | None:
    """Seccomp is not switched off."""
    names = those(spec, lambda container: _unconfined(container, "seccompProfile"))
    who = (["pod"] if _unconfined(spec, "seccompProfile") else []) + ([named("container", names)] if names else [])
    if not who:
        return None
    return "seccompProfile", f'{" and ".join(who)} must not set securityContext.seccompProfile.type to "Unconfined"'


def selinux(annotations: Object, spec: Object) -> Violation | None:
    """SELinux's user and role are left alone, its type is one for containers."""
    types, names, others = set(), [], set()
    bad_pod = False
    for container in (None, *containers(spec)):
        options: dict[str, Any] = context(container or spec).get("seLinuxOptions") or {}
        wrong = {field for field in ("user", "role") if options.get(field)}
        if options.get("type", "") not in _SELINUX_TYPES:
            types.add(str(options["type"]))
            wrong.add("type")
        others |= wrong - {"type"}
        if wrong and container is None:
            bad_pod = True
        elif wrong and container is not None:
            names.append(container["name"])
    who = (["pod"] if bad_pod else []) + ([named("container", names)] if names else [])
    if not who:
        return None
    said = ([f"type{'s' if len(types) > 1 else ''} {quoted(types)}"] if types else []) + [
        f"{field} may not be set" for field in ("user", "role") if field in others
    ]
    return "seLinuxOptions", f"{' and '.join(who)} set forbidden securityContext.seLinuxOptions: {'; '.join(said)}"


def sysctls(annotations: Object, spec: Object) -> Violation | None:
    """Only sysctls that concern the pod alone."""
    found = [each["name"] for each in context(spec).get("sysctls") or () if each["name"] not in _SYSCTLS]
    return ("forbidden sysctls", ", ".join(found)) if found else None


CHECKS: tuple[Check, ...] = (
    app_armor,
    capabilities,
    host_namespaces,
    host_path_volumes,
    host_ports,
    host_process,
    privileged,
    proc_mount,
    seccomp,
    selinux,
    sysctls,
)
"""Every check of the level, by upstream's names in order."""
