"""Where objects lie in etcd: upstream's keys."""

from __future__ import annotations

from kprov.kube.apiserver.resources.info import ResourceInfo


class Keys:
    """Keys below ``--etcd-prefix``."""

    def __init__(self, prefix: str = "/registry") -> None:
        self.root = "/" + prefix.strip("/")

    def prefix(self, resource: ResourceInfo) -> bytes:
        """What every key of a kind begins with, slash included."""
        return f"{self.root}/{resource.storage_prefix}/".encode()

    def key(self, resource: ResourceInfo, namespace: str, name: str) -> bytes:
        """The key of one object."""
        if resource.namespaced:
            return f"{self.root}/{resource.storage_prefix}/{namespace}/{name}".encode()
        return f"{self.root}/{resource.storage_prefix}/{name}".encode()


def range_end(prefix: bytes) -> bytes:
    """The end of the range of all keys with a prefix (which never ends in 0xff here)."""
    return prefix[:-1] + bytes((prefix[-1] + 1,))
