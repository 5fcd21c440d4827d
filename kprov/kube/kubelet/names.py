"""Labels, annotations and paths by which a pod's things are found again, as upstream names them."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

POD_NAME = "io.kubernetes.pod.name"
POD_NAMESPACE = "io.kubernetes.pod.namespace"
POD_UID = "io.kubernetes.pod.uid"
CONTAINER_NAME = "io.kubernetes.container.name"
CONTAINER_HASH = "io.kubernetes.container.hash"
CONTAINER_RESTART_COUNT = "io.kubernetes.container.restartCount"
TERMINATION_MESSAGE_PATH = "io.kubernetes.container.terminationMessagePath"
TERMINATION_MESSAGE_POLICY = "io.kubernetes.container.terminationMessagePolicy"
PRE_STOP_HANDLER = "io.kubernetes.container.preStopHandler"
TERMINATION_GRACE_PERIOD = "io.kubernetes.pod.terminationGracePeriod"

PODS_LOG_DIRECTORY = Path("/var/log/pods")
CONTAINERS_LOG_DIRECTORY = Path("/var/log/containers")


def pod_labels(pod: dict[str, Any]) -> dict[str, str]:
    """The labels by which a sandbox or container is known to be the pod's."""
    meta = pod["metadata"]
    return {POD_NAME: meta["name"], POD_NAMESPACE: meta["namespace"], POD_UID: meta["uid"]}


def full_name(pod: dict[str, Any]) -> str:
    """``name_namespace(uid)``, as messages name a pod."""
    meta = pod["metadata"]
    return f"{meta['name']}_{meta['namespace']}({meta['uid']})"


def container_hash(container: dict[str, Any]) -> str:
    """What must stay the same for a running container to be the one that the pod asks for: its name and image."""
    text = f"{container['name']}\0{container.get('image', '')}"
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def log_directory(namespace: str, name: str, uid: str) -> Path:
    """Where a pod's logs lie."""
    return PODS_LOG_DIRECTORY / f"{namespace}_{name}_{uid}"


class PodPaths:
    """The folders of one pod under the kubelet's root."""

    def __init__(self, root: Path, uid: str) -> None:
        """``root`` is the kubelet's --root-dir."""
        self.folder = root / "pods" / uid
        self.volumes = self.folder / "volumes"
        self.subpaths = self.folder / "volume-subpaths"
        self.containers = self.folder / "containers"
        self.hosts = self.folder / "etc-hosts"

    def volume(self, plugin: str, name: str) -> Path:
        """The folder of a volume, e.g. ``volumes/kubernetes.io~empty-dir/cache``."""
        return self.volumes / f"kubernetes.io~{plugin}" / name
