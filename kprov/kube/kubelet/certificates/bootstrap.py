"""Joining: from a bootstrap token to a client certificate and a kubeconfig that uses it."""

# ruff: noqa: ASYNC240 - small local files, read in no time
from __future__ import annotations

import asyncio
import base64
import logging
import os
import time
from pathlib import Path

from kprov.kube.api.client import ApiClient
from kprov.kube.kubelet.api_failures import API_FAILURES
from kprov.kube.kubelet.certificates.signing import CLIENT_SIGNER, SigningRefusedError, obtain
from kprov.kube.kubelet.certificates.store import CertificateStore

log = logging.getLogger(__name__)


async def join(kubeconfig: Path, bootstrap: Path, store: CertificateStore, node: str) -> None:
    """Make sure that ``kubeconfig`` exists and its certificate is valid.

    Asks with the ``bootstrap`` kubeconfig where that is not so, and keeps asking while the API is away. Raises
    FileNotFoundError where neither file exists.
    """
    if kubeconfig.exists():
        if f"{store.prefix}-current.pem" not in kubeconfig.read_text():
            return  # somebody else's certificate, which is used as it is
        present = await store.load()
        if present is not None and present.not_after > time.time():
            return
        if not bootstrap.is_file():
            if present is not None:
                log.error(
                    "the client certificate ended on %s and there is no bootstrap kubeconfig",
                    time.ctime(present.not_after),
                )
            return
    elif not bootstrap.is_file():
        raise FileNotFoundError(f"neither {kubeconfig} nor the bootstrap kubeconfig {bootstrap} exists")
    pause = 0.5
    while True:
        client = ApiClient.from_kubeconfig(bootstrap, user_agent="kubelet-bootstrap")
        try:
            await obtain(client, store, CLIENT_SIGNER, node)
            break
        except (SigningRefusedError, *API_FAILURES) as failure:
            log.warning("no client certificate yet: %s", failure or type(failure).__name__)
        finally:
            await client.close()
        await asyncio.sleep(pause)
        pause = min(pause * 2, 10)
    write_kubeconfig(kubeconfig, bootstrap, store.current)
    log.info("joined: client certificate in %s", store.current)


def write_kubeconfig(target: Path, bootstrap: Path, certificate: Path) -> None:
    """Write a kubeconfig with the bootstrap file's cluster and the given certificate."""
    import yaml

    source = yaml.safe_load(bootstrap.read_text())
    context = next(each["context"] for each in source["contexts"] if each["name"] == source["current-context"])
    cluster = next(each["cluster"] for each in source["clusters"] if each["name"] == context["cluster"])
    authority = cluster.get("certificate-authority")
    if authority and not Path(authority).is_absolute():
        cluster["certificate-authority"] = str(bootstrap.parent / authority)
    elif cluster.get("certificate-authority-data"):
        base64.b64decode(cluster["certificate-authority-data"], validate=True)
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "default-cluster", "cluster": cluster}],
        "users": [
            {"name": "default-auth", "user": {"client-certificate": str(certificate), "client-key": str(certificate)}}
        ],
        "contexts": [
            {
                "name": "default-context",
                "context": {"cluster": "default-cluster", "namespace": "default", "user": "default-auth"},
            }
        ],
        "current-context": "default-context",
    }
    temporary = target.with_name(target.name + ".new")
    temporary.unlink(missing_ok=True)
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as file:
        yaml.safe_dump(content, file)
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(target)
