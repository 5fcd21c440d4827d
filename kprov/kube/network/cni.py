"""The CNI configuration that containerd reads: how a pod gets its interface and its address."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import orjson

FILE = "10-kprov.conflist"
# Debian 12's plugins (1.1) speak this version, and every later one still does.
CNI_VERSION = "0.4.0"


def conflist(pod_cidr: str, mtu: int = 0) -> dict[str, Any]:
    """The configuration for a node whose pods live in ``pod_cidr``.

    Each pod is at the end of a wire of its own (ptp), and the host routes between them: packets between pods of one
    node pass through the host's connection tracking, which a bridge would bypass on kernels without br_netfilter.
    """
    interface: dict[str, Any] = {
        "type": "ptp",
        "ipMasq": False,
        "ipam": {
            "type": "host-local",
            "ranges": [[{"subnet": pod_cidr}]],
            "routes": [{"dst": "0.0.0.0/0"}],
            "dataDir": "/run/kprov-cni",
        },
    }
    if mtu:
        interface["mtu"] = mtu
    return {
        "cniVersion": CNI_VERSION,
        "name": "kprov",
        "plugins": [interface, {"type": "portmap", "capabilities": {"portMappings": True}}],
    }


def write_conflist(folder: str, pod_cidr: str) -> bool:
    """Write the configuration, whole or not at all.

    Returns: whether it changed. Raises OSError.
    """
    content = orjson.dumps(conflist(pod_cidr), option=orjson.OPT_INDENT_2) + b"\n"
    path = Path(folder) / FILE
    if path.exists() and path.read_bytes() == content:
        path.chmod(0o600)
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".kprov-")
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        Path(temporary).chmod(0o600)  # container runtimes read it as root
        Path(temporary).rename(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return True
