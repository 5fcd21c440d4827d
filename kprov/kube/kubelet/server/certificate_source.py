"""Where the node server's certificate comes from: files, the cluster, or the kubelet itself."""

# ruff: noqa: ASYNC240 - small local files, read in no time
from __future__ import annotations

import asyncio
from pathlib import Path

from kprov.kube.api.client import ApiClient
from kprov.kube.kubelet.certificates.rotation import Renewer
from kprov.kube.kubelet.certificates.signing import SERVING_SIGNER
from kprov.kube.kubelet.certificates.store import Certificate, CertificateStore, ask_tool, write_private
from kprov.kube.kubelet.config import KubeletConfig
from kprov.kube.kubelet.instruments import certificate_end
from kprov.kube.kubelet.node.status import NodeSettings
from kprov.kube.kubelet.server.node_server import NodeServer


async def serve_with_certificate(
    folder: Path,
    config: KubeletConfig,
    settings: NodeSettings,
    client: ApiClient,
    server: NodeServer,
    group: asyncio.TaskGroup,
) -> asyncio.Event:
    """Bring the HTTPS server up with the certificate that is asked for; returns what is set when it serves."""
    serving = asyncio.Event()

    async def start(certificate: Path, key: Path) -> None:
        await server.certificate(certificate, key)
        serving.set()

    if config.tls_cert_file:
        await start(Path(config.tls_cert_file), Path(config.tls_private_key_file))
    elif config.server_tls_bootstrap:
        store = CertificateStore(folder, "kubelet-server")

        ends = certificate_end("server")

        def renewed(certificate: Certificate) -> None:
            ends(certificate.not_after)
            group.create_task(start(certificate.path, certificate.path))

        renewer = Renewer(
            client,
            store,
            SERVING_SIGNER,
            settings.name,
            dns_names=[settings.hostname],
            addresses=settings.addresses,
            renewed=renewed,
        )
        group.create_task(renewer.run())
    else:
        certificate, key = folder / "kubelet.crt", folder / "kubelet.key"
        if not certificate.exists():
            made = await ask_tool(
                "self_signed",
                common_name=f"{settings.name}-ca",
                dns_names=[settings.hostname],
                addresses=settings.addresses,
            )
            folder.mkdir(parents=True, exist_ok=True)
            write_private(key, made["key"])
            write_private(certificate, made["certificate"])  # last: where it is, the pair is whole
        await start(certificate, key)
    return serving
