"""How often the container runtime is called, and how long it takes, under upstream's names."""

from __future__ import annotations

from typing import Any

from kprov.kube.api.metrics import REGISTRY

TOTAL = REGISTRY.counter(
    "kubelet_runtime_operations_total",
    "Cumulative number of runtime operations by operation type.",
    ("operation_type",),
)
ERRORS = REGISTRY.counter(
    "kubelet_runtime_operations_errors_total",
    "Cumulative number of runtime operation errors by operation type.",
    ("operation_type",),
)
SECONDS = REGISTRY.histogram(
    "kubelet_runtime_operations_duration_seconds",
    "Duration in seconds of runtime operations. Broken down by operation type.",
    ("operation_type",),
    tuple(0.005 * 2.5**step for step in range(14)),
)

# What pkg/kubelet/kuberuntime/instrumented_services.go calls the requests.
_NAMES = {
    "VersionRequest": "version",
    "StatusRequest": "status",
    "RunPodSandboxRequest": "run_podsandbox",
    "StopPodSandboxRequest": "stop_podsandbox",
    "RemovePodSandboxRequest": "remove_podsandbox",
    "PodSandboxStatusRequest": "podsandbox_status",
    "ListPodSandboxRequest": "list_podsandbox",
    "CreateContainerRequest": "create_container",
    "StartContainerRequest": "start_container",
    "StopContainerRequest": "stop_container",
    "RemoveContainerRequest": "remove_container",
    "ListContainersRequest": "list_containers",
    "ContainerStatusRequest": "container_status",
    "ReopenContainerLogRequest": "reopen_container_log",
    "ListContainerStatsRequest": "list_container_stats",
    "ExecSyncRequest": "exec_sync",
    "ExecRequest": "exec",
    "AttachRequest": "attach",
    "PortForwardRequest": "port_forward",
    "ListImagesRequest": "list_images",
    "ImageStatusRequest": "image_status",
    "PullImageRequest": "pull_image",
    "RemoveImageRequest": "remove_image",
    "ImageFsInfoRequest": "image_fs_info",
}


def name_of(request: Any) -> str:
    """What upstream calls the operation of a request."""
    kind = type(request).__name__
    return _NAMES.get(kind, kind)
