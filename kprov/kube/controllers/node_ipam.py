"""Each node's share of the pod network, given once and never to two nodes."""

from __future__ import annotations

import ipaddress
from typing import Any

from kprov.kube.api.kinds import NODES
from kprov.kube.controllers.controller import Context, Controller

Object = dict[str, Any]
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class RangeFull(Exception):
    """The pod network has no share left."""


class Shares:
    """The shares of one cluster network: which are taken, and which comes next.

    Shares are handed out in turn, not lowest first: one that was just given back rests for as long as possible,
    because routes to its former owner may still be about.
    """

    def __init__(self, network: Network, prefix: int, reserved: Network | None = None) -> None:
        if prefix < network.prefixlen:
            raise ValueError(f"--node-cidr-mask-size {prefix} is larger than the cluster's network {network}")
        self._network = network
        self._prefix = prefix
        self._count = 1 << (prefix - network.prefixlen)
        self._size = 1 << (network.max_prefixlen - prefix)
        self._taken: set[int] = set()
        self._next = 0
        if reserved is not None and reserved.version == network.version:
            self.occupy(reserved)

    def _span(self, part: Network) -> range:
        if part.version != self._network.version or not self._network.overlaps(part):
            return range(0)
        base = int(self._network.network_address)
        first = max(int(part.network_address) - base, 0) // self._size
        last = min((int(part.broadcast_address) - base) // self._size, self._count - 1)
        return range(first, last + 1)

    def occupy(self, part: Network) -> None:
        """Mark what a node holds (or another range covers) as taken."""
        self._taken.update(self._span(part))

    def release(self, part: Network) -> None:
        """A node is gone."""
        self._taken.difference_update(self._span(part))

    def allocate(self) -> Network:
        """Take the next free share. Raises RangeFull."""
        for step in range(self._count):
            index = (self._next + step) % self._count
            if index not in self._taken:
                self._taken.add(index)
                self._next = index + 1
                address = int(self._network.network_address) + index * self._size
                return ipaddress.ip_network((address, self._prefix))
        raise RangeFull(f"no share of {self._network} is left for another node: {self._count} are in use")


def cidrs_of(node: Object) -> list[Network]:
    """The shares that a node holds."""
    spec = node.get("spec") or {}
    texts = spec.get("podCIDRs") or ([spec["podCIDR"]] if spec.get("podCIDR") else [])
    return [ipaddress.ip_network(text, strict=False) for text in texts]


class NodeIpam(Controller):
    """Gives podCIDRs. What is taken is read from the nodes themselves, so a restart forgets nothing."""

    name = "nodeipam"
    account = "node-controller"
    component = "cidrAllocator"
    workers = 1  # one at a time: an assignment sees all those before it

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        options = context.options
        reserved = [ipaddress.ip_network(r) for r in options.service_cluster_ip_range.split(",") if r]
        self._shares: list[Shares] = []
        for text in filter(None, options.cluster_cidr.split(",")):
            network = ipaddress.ip_network(text)
            prefix = options.node_cidr_mask_size if network.version == 4 else 64
            same = next((r for r in reserved if r.version == network.version), None)
            self._shares.append(Shares(network, prefix, same))
        self._sure = False
        self.nodes = self.watch(
            NODES, on_add=self._node_seen, on_update=lambda _, new: self._node_seen(new), on_delete=self._node_gone
        )

    def _node_seen(self, node: Object) -> None:
        held = cidrs_of(node)
        if not held:
            self.enqueue(node)
        for part in held:
            for shares in self._shares:
                shares.occupy(part)

    def _node_gone(self, node: Object) -> None:
        still_used = {part for other in self.nodes.list() for part in cidrs_of(other)}
        for part in cidrs_of(node):
            if part not in still_used:
                for shares in self._shares:
                    shares.release(part)

    async def reconcile(self, key: str) -> None:
        """Assign a share to a node that has none."""
        if self.nodes.get(key) is None:
            return
        if not self._sure:
            # Once, past every cache: what a former leader gave last may not have reached them yet.
            for other in (await self.client.list(NODES)).get("items") or ():
                for part in cidrs_of(other):
                    for shares in self._shares:
                        shares.occupy(part)
            self._sure = True
        node = await self.client.get(NODES, key)
        if held := cidrs_of(node):
            for part in held:
                for shares in self._shares:
                    shares.occupy(part)
            return
        try:
            given = [shares.allocate() for shares in self._shares]
        except RangeFull as full:
            self.recorder.event(node, "Normal", "CIDRNotAvailable", f"Node {key} status is now: CIDRNotAvailable")
            raise full
        texts = [str(part) for part in given]
        patch = {
            "metadata": {"resourceVersion": node["metadata"]["resourceVersion"]},
            "spec": {"podCIDR": texts[0], "podCIDRs": texts},
        }
        try:
            await self.client.patch(NODES, key, None, patch, patch_type="merge")
        except Exception:
            # Whether the write happened is unknown after a lost answer. The share stays taken until the node says so;
            # at worst one is wasted until the next restart, and none is ever given twice.
            latest = await self.client.get(NODES, key)
            if not cidrs_of(latest):
                for shares, part in zip(self._shares, given, strict=True):
                    shares.release(part)
            raise
