"""What a container sees of volumes, and the files that the kubelet itself gives it."""

from __future__ import annotations

import asyncio
import secrets
from pathlib import Path
from typing import Any

from kprov.kube.kubelet.cri import runtime_pb2 as pb
from kprov.kube.kubelet.names import PodPaths
from kprov.kube.kubelet.pods.environment import ContainerConfigError
from kprov.kube.kubelet.pods.expansion import expand
from kprov.kube.kubelet.volumes.sources import VolumeError
from kprov.kube.kubelet.volumes.subpath import bind_subpath

Pod = dict[str, Any]

_PROPAGATION = {
    "None": pb.PROPAGATION_PRIVATE,
    "HostToContainer": pb.PROPAGATION_HOST_TO_CONTAINER,
    "Bidirectional": pb.PROPAGATION_BIDIRECTIONAL,
}


async def container_mounts(
    pod: Pod,
    container: dict[str, Any],
    volumes: dict[str, Path],
    environment: dict[str, str],
    paths: PodPaths,
    hosts: bytes | None,
) -> list[pb.Mount]:
    """The mounts of one container; raises ContainerConfigError.

    ``hosts`` is the content of /etc/hosts, or None where the container keeps the machine's or its own.
    """
    found: list[pb.Mount] = []
    read_only_volumes = {
        volume["name"]
        for volume in pod["spec"].get("volumes") or []
        if (volume.get("persistentVolumeClaim") or {}).get("readOnly")
        or any(kind in volume for kind in ("configMap", "secret", "downwardAPI", "projected"))
    }
    for index, mount in enumerate(container.get("volumeMounts") or []):
        name = mount["name"]
        if name not in volumes:
            raise ContainerConfigError(f'cannot find volume "{name}" to mount into container "{container["name"]}"')
        source = volumes[name]
        subpath = mount.get("subPath") or ""
        if mount.get("subPathExpr"):
            subpath = expand(mount["subPathExpr"], environment)
            if "$(" in subpath:
                raise ContainerConfigError(f"missing value for {mount['subPathExpr']!r}")
        if subpath:
            target = paths.subpaths / name / container["name"] / str(index)
            try:
                source = await asyncio.to_thread(bind_subpath, source, subpath, target)
            except (VolumeError, OSError) as error:
                raise ContainerConfigError(
                    f'failed to prepare subPath for volumeMount "{name}" of container "{container["name"]}": {error}'
                ) from None
        place = mount["mountPath"]
        found.append(
            pb.Mount(
                container_path=place if place.startswith("/") else f"/{place}",
                host_path=str(source),
                readonly=bool(mount.get("readOnly")) or name in read_only_volumes,
                propagation=_PROPAGATION[mount.get("mountPropagation") or "None"],
            )
        )
    taken = {mount.container_path for mount in found}
    if hosts is not None and "/etc/hosts" not in taken:
        await asyncio.to_thread(_write, paths.hosts, hosts)
        found.append(pb.Mount(container_path="/etc/hosts", host_path=str(paths.hosts)))
    message = container.get("terminationMessagePath", "/dev/termination-log")
    if message:
        file = paths.containers / container["name"] / secrets.token_hex(4)
        await asyncio.to_thread(_write, file, b"", 0o666)
        found.append(pb.Mount(container_path=message, host_path=str(file)))
    return found


def _write(path: Path, content: bytes, mode: int = 0o644) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(mode)


def hosts_file(pod: Pod, addresses: list[str], hostname: str, domain: str) -> bytes:
    """The content of a pod's /etc/hosts, in upstream's form."""
    aliases = pod["spec"].get("hostAliases") or []
    extra = "".join(f"{alias['ip']}\t" + "\t".join(alias.get("hostnames") or []) + "\n" for alias in aliases)
    if extra:
        extra = "\n# Entries added by HostAliases.\n" + extra
    if pod["spec"].get("hostNetwork"):
        try:
            machine = Path("/etc/hosts").read_text()
        except OSError:
            machine = ""
        return ("# Kubernetes-managed hosts file (host network).\n" + machine + extra).encode()
    lines = [
        "# Kubernetes-managed hosts file.",
        "127.0.0.1\tlocalhost",
        "::1\tlocalhost ip6-localhost ip6-loopback",
        "fe00::0\tip6-localnet",
        "fe00::0\tip6-mcastprefix",
        "fe00::1\tip6-allnodes",
        "fe00::2\tip6-allrouters",
    ]
    for address in addresses:
        lines.append(f"{address}\t{hostname}.{domain}\t{hostname}" if domain else f"{address}\t{hostname}")
    return ("\n".join(lines) + "\n" + extra).encode()
