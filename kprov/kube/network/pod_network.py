"""Keeps this machine's part of the pod network: CNI configuration, routes to the other nodes, masquerade."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

from kprov.kube.api.informer import Informer
from kprov.kube.network.cni import write_conflist
from kprov.kube.network.ip_command import IpError, ask, tell
from kprov.kube.network.masquerade import TABLE, MasqueradeError, listing, load, ruleset
from kprov.kube.network.routes import (
    commands,
    fence,
    internal_address,
    own_routes,
    pod_network,
    service_route,
    wanted_routes,
)

log = logging.getLogger(__name__)

_RESYNC_SECONDS = 30.0
_GATHER_SECONDS = 0.05


class PodNetwork:
    """Follows the Nodes.

    Args:
        nodes: an informer of all Nodes.
        node_name: this machine's Node.
        cluster_cidr: the network of all pods.
        service_cidr: the network of the Services.
        cni_folder: where containerd looks for its configuration.
    """

    def __init__(
        self,
        nodes: Informer,
        *,
        node_name: str,
        cluster_cidr: str,
        service_cidr: str,
        cni_folder: str,
        on_ready: Callable[[], None] | None = None,
    ) -> None:
        self._nodes = nodes
        self._node_name = node_name
        self._cluster_cidr, self._service_cidr = cluster_cidr, service_cidr
        self._cni_folder = cni_folder
        self._on_ready = on_ready
        self._wake = asyncio.Event()
        self._rules = ""
        self._stands = ""
        self.problem = "the nodes have not been listed yet"
        """What is not right, for the health check; "" when all is."""
        nodes.add_handler(
            on_add=lambda node: self._wake.set(),
            on_update=lambda old, new: self._notice(old, new),
            on_delete=lambda node: self._wake.set(),
        )

    def _notice(self, old: dict[str, object], new: dict[str, object]) -> None:
        """A node's heartbeat changes its status all the time; only its networks and addresses matter here."""
        if (pod_network(old), internal_address(old)) != (pod_network(new), internal_address(new)):
            self._wake.set()

    async def run(self) -> None:
        """Follow the Nodes for ever; look at the kernel every half a minute, since others may change it too."""
        await self._nodes.wait_synced()
        await asyncio.to_thread(Path("/proc/sys/net/ipv4/ip_forward").write_text, "1\n")
        while True:
            self._wake.clear()
            try:
                await self._sync()
            except (IpError, MasqueradeError, OSError) as error:
                self.problem = str(error)
                log.error("the pod network is not as it should be: %s", error)
            try:
                async with asyncio.timeout(_RESYNC_SECONDS if not self.problem else 2.0):
                    await self._wake.wait()
                    await asyncio.sleep(_GATHER_SECONDS)  # machines join together: one look for all of them
            except TimeoutError:
                pass

    async def _sync(self) -> None:
        nodes = self._nodes.list()
        listed = await ask("route", "show")
        changes = commands(own_routes(listed), wanted_routes(nodes, self._node_name))
        own = next((node for node in nodes if node["metadata"]["name"] == self._node_name), None)
        network = pod_network(own) if own else ""
        address = internal_address(own) if own else ""
        if address and self._service_cidr:
            line = service_route(listed, self._service_cidr, address)
            changes += [line] if line else []
        changes += fence(listed, self._cluster_cidr)
        if changes:
            await tell(changes)
            log.info("routes: %s", "; ".join(changes))
        if not network:
            self.problem = f"the node {self._node_name} has no pod network yet"
            return
        rules = ruleset(network, self._cluster_cidr, filter(None, map(internal_address, nodes)))
        stands = await listing()
        if rules != self._rules or stands != self._stands:
            if rules == self._rules:
                log.warning("the table %s is not as it was left: somebody changed it; it is written again", TABLE)
            await load(rules)
            self._rules, self._stands = rules, await listing()
        if await asyncio.to_thread(write_conflist, self._cni_folder, network):
            log.info("pods of this node live in %s", network)
        self.problem = ""
        if self._on_ready:
            self._on_ready()
