"""The sandbox of a pod, as the runtime wants it described."""

from __future__ import annotations

from typing import Any

from kprov.kube.api import clock
from kprov.kube.kubelet.cri import runtime_pb2 as pb
from kprov.kube.kubelet.names import log_directory, pod_labels
from kprov.kube.kubelet.pods import resources
from kprov.kube.kubelet.pods.dns import Resolver

Pod = dict[str, Any]

_PROTOCOLS = {"TCP": pb.TCP, "UDP": pb.UDP, "SCTP": pb.SCTP}


def namespaces(pod: Pod) -> pb.NamespaceOption:
    """Which namespaces the pod's containers share, with each other or with the machine."""
    spec = pod["spec"]
    pid = pb.CONTAINER
    if spec.get("hostPID"):
        pid = pb.NODE
    elif spec.get("shareProcessNamespace"):
        pid = pb.POD
    return pb.NamespaceOption(
        network=pb.NODE if spec.get("hostNetwork") else pb.POD, pid=pid, ipc=pb.NODE if spec.get("hostIPC") else pb.POD
    )


def seccomp_profile(
    *contexts: dict[str, Any] | None, privileged: bool = False, default: bool = False
) -> pb.SecurityProfile:
    """The first profile that the security contexts name; where none does, unconfined (or the setting's default)."""
    if privileged:
        return pb.SecurityProfile(profile_type=pb.SecurityProfile.Unconfined)
    for context in contexts:
        profile = (context or {}).get("seccompProfile")
        if not profile:
            continue
        if profile["type"] == "Localhost":
            path = f"/var/lib/kubelet/seccomp/{profile.get('localhostProfile', '')}"
            return pb.SecurityProfile(profile_type=pb.SecurityProfile.Localhost, localhost_ref=path)
        chosen = (
            pb.SecurityProfile.RuntimeDefault if profile["type"] == "RuntimeDefault" else pb.SecurityProfile.Unconfined
        )
        return pb.SecurityProfile(profile_type=chosen)
    return pb.SecurityProfile(
        profile_type=pb.SecurityProfile.RuntimeDefault if default else pb.SecurityProfile.Unconfined
    )


def hostname_of(pod: Pod, node_hostname: str, domain: str) -> tuple[str, str]:
    """The pod's host name and its domain (empty where it has none)."""
    spec, meta = pod["spec"], pod["metadata"]
    if spec.get("hostNetwork"):
        return node_hostname, ""
    hostname = (spec.get("hostname") or meta["name"])[:63].rstrip("-.")
    if spec.get("subdomain"):
        return hostname, f"{spec['subdomain']}.{meta['namespace']}.svc.{domain}"
    return hostname, ""


def port_mappings(pod: Pod) -> list[pb.PortMapping]:
    """The ports of the machine that lead to the pod."""
    found: list[pb.PortMapping] = []
    if pod["spec"].get("hostNetwork"):
        return found
    sidecars = [each for each in pod["spec"].get("initContainers") or [] if resources.is_sidecar(each)]
    for container in [*pod["spec"]["containers"], *sidecars]:
        for port in container.get("ports") or []:
            if port.get("hostPort"):
                found.append(
                    pb.PortMapping(
                        protocol=_PROTOCOLS[port.get("protocol", "TCP")],
                        container_port=port["containerPort"],
                        host_port=port["hostPort"],
                        host_ip=port.get("hostIP", ""),
                    )
                )
    return found


def security_context(pod: Pod, seccomp_default: bool) -> pb.LinuxSandboxSecurityContext:
    """The sandbox's own security context."""
    wanted = pod["spec"].get("securityContext") or {}
    context = pb.LinuxSandboxSecurityContext(
        namespace_options=namespaces(pod),
        privileged=any((each.get("securityContext") or {}).get("privileged") for each in pod["spec"]["containers"]),
        seccomp=pb.SecurityProfile(profile_type=pb.SecurityProfile.RuntimeDefault),
        supplemental_groups=supplemental_groups(pod),
    )
    if wanted.get("runAsUser") is not None:
        context.run_as_user.value = wanted["runAsUser"]
        if wanted.get("runAsGroup") is not None:
            context.run_as_group.value = wanted["runAsGroup"]
    if selinux := wanted.get("seLinuxOptions"):
        context.selinux_options.CopyFrom(pb.SELinuxOption(**selinux))
    return context


def supplemental_groups(pod: Pod) -> list[int]:
    """The pod's fsGroup and supplemental groups."""
    wanted = pod["spec"].get("securityContext") or {}
    groups = [wanted["fsGroup"]] if wanted.get("fsGroup") is not None else []
    return groups + list(wanted.get("supplementalGroups") or [])


def sandbox_config(
    pod: Pod, attempt: int, resolver: Resolver, cgroup_parent: str, hostname: str, *, seccomp_default: bool = False
) -> pb.PodSandboxConfig:
    """Everything that RunPodSandbox is told."""
    meta, spec = pod["metadata"], pod["spec"]
    sysctls = {entry["name"]: entry["value"] for entry in (spec.get("securityContext") or {}).get("sysctls") or []}
    requests, limits = resources.pod_requests(pod), resources.pod_limits(pod)
    config = pb.PodSandboxConfig(
        metadata=pb.PodSandboxMetadata(
            name=meta["name"], uid=meta["uid"], namespace=meta["namespace"], attempt=attempt
        ),
        hostname=hostname,
        log_directory=str(log_directory(meta["namespace"], meta["name"], meta["uid"])),
        dns_config=pb.DNSConfig(servers=resolver.servers, searches=resolver.searches, options=resolver.options),
        port_mappings=port_mappings(pod),
        labels={**(meta.get("labels") or {}), **pod_labels(pod)},
        annotations={
            **(meta.get("annotations") or {}),
            "kubernetes.io/config.seen": clock.now(),
            "kubernetes.io/config.source": "api",
        },
        linux=pb.LinuxPodSandboxConfig(
            cgroup_parent=cgroup_parent,
            sysctls=sysctls,
            security_context=security_context(pod, seccomp_default),
            resources=pb.LinuxContainerResources(
                cpu_period=100000,
                cpu_quota=resources.cpu_quota(limits.get("cpu", 0), 0.1),
                cpu_shares=resources.cpu_shares(requests.get("cpu", 0)),
                memory_limit_in_bytes=limits.get("memory", 0),
            ),
        ),
    )
    return config
