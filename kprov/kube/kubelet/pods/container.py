"""One container of a pod, as the runtime wants it described."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from kprov.kube.kubelet import names
from kprov.kube.kubelet.cri import runtime_pb2 as pb
from kprov.kube.kubelet.pods import resources
from kprov.kube.kubelet.pods.environment import ContainerConfigError
from kprov.kube.kubelet.pods.expansion import expand
from kprov.kube.kubelet.pods.sandbox import namespaces, seccomp_profile, supplemental_groups

Pod = dict[str, Any]

MASKED_PATHS = [
    "/proc/asound",
    "/proc/acpi",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/firmware",
    "/sys/devices/virtual/powercap",
]
READ_ONLY_PATHS = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]


@dataclass(slots=True)
class ContainerPlan:
    """What a container's description is made of, besides the pod."""

    attempt: int
    image: str
    image_ref: str
    environment: dict[str, str]
    mounts: list[pb.Mount]
    memory_capacity: int
    image_user: int | None = None
    image_username: str = ""
    seccomp_default: bool = False
    cpu_period: float = 0.1
    enforce_cpu_limits: bool = True
    devices: list[pb.Device] = field(default_factory=list)


def container_config(pod: Pod, container: dict[str, Any], plan: ContainerPlan) -> pb.ContainerConfig:
    """Everything that CreateContainer is told; raises ContainerConfigError for what must not run."""
    spec = pod["spec"]
    command = [expand(word, plan.environment) for word in container.get("command") or []]
    arguments = [expand(word, plan.environment) for word in container.get("args") or []]
    name = container["name"]
    return pb.ContainerConfig(
        metadata=pb.ContainerMetadata(name=name, attempt=plan.attempt),
        image=pb.ImageSpec(image=plan.image_ref),
        command=command,
        args=arguments,
        working_dir=container.get("workingDir", ""),
        envs=[
            pb.KeyValue(key=key, value=value.encode(errors="surrogateescape"))
            for key, value in plan.environment.items()
        ],
        mounts=plan.mounts,
        devices=plan.devices,
        labels={**names.pod_labels(pod), names.CONTAINER_NAME: name},
        annotations=_annotations(pod, container, plan.attempt),
        log_path=f"{name}/{plan.attempt}.log",
        stdin=bool(container.get("stdin")),
        stdin_once=bool(container.get("stdinOnce")),
        tty=bool(container.get("tty")),
        linux=pb.LinuxContainerConfig(
            resources=linux_resources(pod, container, plan),
            security_context=security_context(pod, spec, container, plan),
        ),
    )


def _annotations(pod: Pod, container: dict[str, Any], attempt: int) -> dict[str, str]:
    found = {
        names.CONTAINER_HASH: names.container_hash(container),
        names.CONTAINER_RESTART_COUNT: str(attempt),
        names.TERMINATION_MESSAGE_PATH: container.get("terminationMessagePath", "/dev/termination-log"),
        names.TERMINATION_MESSAGE_POLICY: container.get("terminationMessagePolicy", "File"),
        names.TERMINATION_GRACE_PERIOD: str(pod["spec"].get("terminationGracePeriodSeconds", 30)),
    }
    hook = (container.get("lifecycle") or {}).get("preStop")
    if hook:
        found[names.PRE_STOP_HANDLER] = json.dumps(hook)
    return found


def linux_resources(pod: Pod, container: dict[str, Any], plan: ContainerPlan) -> pb.LinuxContainerResources:
    """The kernel's limits for a container."""
    requests, limits = resources.requests_of(container), resources.limits_of(container)
    memory = limits.get("memory", 0)
    found = pb.LinuxContainerResources(
        cpu_shares=resources.cpu_shares(requests.get("cpu", 0)),
        memory_limit_in_bytes=memory,
        memory_swap_limit_in_bytes=memory,
        oom_score_adj=resources.oom_score_adjustment(pod, container, plan.memory_capacity),
    )
    if plan.enforce_cpu_limits and limits.get("cpu"):
        found.cpu_period = int(plan.cpu_period * 1e6)
        found.cpu_quota = resources.cpu_quota(limits["cpu"], plan.cpu_period)
    return found


def security_context(
    pod: Pod, spec: dict[str, Any], container: dict[str, Any], plan: ContainerPlan
) -> pb.LinuxContainerSecurityContext:
    """Users, groups, capabilities and confinement; what the container says wins over what the pod says."""
    own, shared = container.get("securityContext") or {}, spec.get("securityContext") or {}
    privileged = bool(own.get("privileged"))
    context = pb.LinuxContainerSecurityContext(
        privileged=privileged,
        namespace_options=namespaces(pod),
        readonly_rootfs=bool(own.get("readOnlyRootFilesystem")),
        no_new_privs=own.get("allowPrivilegeEscalation") is False,
        supplemental_groups=supplemental_groups(pod),
        seccomp=seccomp_profile(own, shared, privileged=privileged, default=plan.seccomp_default),
    )
    user = own.get("runAsUser", shared.get("runAsUser"))
    _refuse_root(container, own, shared, user, plan)
    if user is not None:
        context.run_as_user.value = user
    elif plan.image_user is not None:
        context.run_as_user.value = plan.image_user
    elif plan.image_username:
        context.run_as_username = plan.image_username
    group = own.get("runAsGroup", shared.get("runAsGroup"))
    if group is not None:
        if user is None and plan.image_user is None and not plan.image_username:
            context.run_as_user.value = 0
        context.run_as_group.value = group
    if capabilities := own.get("capabilities"):
        context.capabilities.add_capabilities.extend(capabilities.get("add") or [])
        context.capabilities.drop_capabilities.extend(capabilities.get("drop") or [])
    if selinux := own.get("seLinuxOptions") or shared.get("seLinuxOptions"):
        context.selinux_options.CopyFrom(pb.SELinuxOption(**selinux))
    if own.get("procMount", "Default") == "Default" and not privileged:
        context.masked_paths.extend(MASKED_PATHS)
        context.readonly_paths.extend(READ_ONLY_PATHS)
    return context


def _refuse_root(
    container: dict[str, Any], own: dict[str, Any], shared: dict[str, Any], user: int | None, plan: ContainerPlan
) -> None:
    if not own.get("runAsNonRoot", shared.get("runAsNonRoot")):
        return
    name = container["name"]
    if user is not None:
        if user == 0:
            raise ContainerConfigError(f'container\'s runAsUser breaks non-root policy (container: "{name}")')
        return
    if plan.image_username and plan.image_user is None:
        raise ContainerConfigError(
            f"container has runAsNonRoot and image has non-numeric user ({plan.image_username}), "
            "cannot verify user is non-root "
            f'(container: "{name}")'
        )
    if not plan.image_user:
        raise ContainerConfigError(f'container has runAsNonRoot and image will run as root (container: "{name}")')
