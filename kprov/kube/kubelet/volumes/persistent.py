"""persistentVolumeClaim: the path behind a claim, for volumes that are folders of this machine."""

# ruff: noqa: ASYNC240 - small local files, read in no time
from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from kprov.kube.kubelet.volumes.host_path import prepare_host_path
from kprov.kube.kubelet.volumes.sources import VolumeError

Pod = dict[str, Any]


def claim_name(pod: Pod, volume: dict[str, Any]) -> str:
    """The name of the claim behind a volume."""
    if "ephemeral" in volume:
        return f"{pod['metadata']['name']}-{volume['name']}"
    return str(volume["persistentVolumeClaim"]["claimName"])


async def claim_path(
    pod: Pod, volume: dict[str, Any], fetch: Callable[[str, str, str], Awaitable[dict[str, Any] | None]]
) -> Path:
    """Where the claimed volume lies; raises VolumeError where it is not bound, or not on this machine."""
    namespace, name = pod["metadata"]["namespace"], claim_name(pod, volume)
    claim = await fetch("PersistentVolumeClaim", namespace, name)
    if claim is None:
        raise VolumeError(f'persistentvolumeclaim "{name}" not found')
    if "ephemeral" in volume and not any(
        owner.get("uid") == pod["metadata"]["uid"] for owner in claim["metadata"].get("ownerReferences") or []
    ):
        raise VolumeError(f'PVC "{name}" was not created for this pod')
    bound = claim["spec"].get("volumeName")
    if not bound or (claim.get("status") or {}).get("phase") != "Bound":
        raise VolumeError(f'persistentvolumeclaim "{name}" is not bound')
    found = await fetch("PersistentVolume", "", bound)
    if found is None:
        raise VolumeError(f'persistentvolume "{bound}" not found')
    spec = found["spec"]
    if "hostPath" in spec:
        return prepare_host_path(spec["hostPath"]["path"], spec["hostPath"].get("type") or "DirectoryOrCreate")
    if "local" in spec:
        path = Path(spec["local"]["path"])
        if not path.exists():
            raise VolumeError(f'path "{path}" does not exist')
        return path
    kinds = [
        key
        for key, value in spec.items()
        if isinstance(value, dict) and key not in ("capacity", "claimRef", "nodeAffinity")
    ]
    raise VolumeError(f"persistent volumes of type {', '.join(kinds) or 'unknown'} are not implemented by kprov")
