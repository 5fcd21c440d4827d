"""The daemon kube-proxy."""

from __future__ import annotations

import asyncio
import socket
import sys

from kprov.kube.api.client import ApiClient
from kprov.kube.api.daemon import DaemonError, ready, run_daemon
from kprov.kube.api.flags import Flags
from kprov.kube.api.informer import Informer
from kprov.kube.api.kinds import ENDPOINT_SLICES, SERVICES
from kprov.kube.proxy.configuration import ConfigurationError, flag_set, load
from kprov.kube.proxy.health import serve
from kprov.kube.proxy.libnftables import NftablesError
from kprov.kube.proxy.ruleset import static_chains
from kprov.kube.proxy.service_ports import HEADLESS_LABEL, PROXY_NAME_LABEL
from kprov.kube.proxy.syncer import Syncer


async def run(flags: Flags) -> None:
    """Follow Services and EndpointSlices until cancelled. The ruleset stays when the daemon ends."""
    try:
        settings = load(flags, socket.gethostname())
    except ConfigurationError as error:
        raise DaemonError(str(error)) from None
    client = ApiClient.from_kubeconfig(settings.kubeconfig, user_agent="kube-proxy")
    chosen = f"!{PROXY_NAME_LABEL},!{HEADLESS_LABEL}"
    services = Informer(client, SERVICES, label_selector=chosen)
    slices = Informer(client, ENDPOINT_SLICES, label_selector=chosen)
    runners = []
    try:
        try:
            syncer = Syncer(
                services,
                slices,
                node=settings.node,
                static_chains=static_chains(settings.cluster_cidr, settings.node_port_addresses),
                min_sync_period=settings.min_sync_period,
                sync_period=settings.sync_period,
            )
        except NftablesError as error:
            raise DaemonError(str(error)) from None
        runners = await serve(syncer, settings.healthz_address, settings.metrics_address)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(services.run())
            tasks.create_task(slices.run())
            tasks.create_task(syncer.run())
            await syncer.first_sync.wait()
            ready()
    finally:
        for runner in runners:
            await runner.cleanup()
        await client.close()


def main() -> None:
    """The program."""
    sys.exit(run_daemon("kube-proxy", run, flag_set()))


if __name__ == "__main__":
    main()
