"""Loads an inventory: reads, resolves and checks it, and reports every mistake at once."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import kprov
from kprov.provision.inventory import checks
from kprov.provision.inventory.document import Document
from kprov.provision.inventory.groups import ALL, Tree, TreeReader
from kprov.provision.inventory.host_variables import ALIASES
from kprov.provision.inventory.layers import EXTRA_VARS, groups_of, layers_of
from kprov.provision.inventory.model import GroupView, Host, Inventory, Layer
from kprov.provision.inventory.names import check_name, check_names
from kprov.provision.inventory.problems import Location, ProblemLog
from kprov.provision.inventory.resolve import Resolver
from kprov.provision.inventory.settings import ClusterSettings, complete, is_cluster_wide
from kprov.provision.inventory.variable_files import add_variable_files

HostLayers = dict[str, dict[str, list[Layer]]]


def load(
    path: Path | str,
    extra_vars: Mapping[str, Any] | None = None,
    *,
    also_known: Collection[str] = (),
    check_files: bool = True,
) -> Inventory:
    """Read the inventory at ``path``.

    Args:
        extra_vars: the strongest layer of variables (``--extra-vars``).
        also_known: names of variables that are right besides kprov's own, such as the roles' defaults.
        check_files: whether the files that the inventory names (private keys) are looked at.

    Raises InventoryErrors with every problem found.
    """
    path, extra = Path(path), dict(extra_vars or {})
    log = ProblemLog()
    document = Document(path, log)
    tree = TreeReader(document).read()
    if not tree.members(ALL):
        # Nothing was understood; what is missing besides says nothing more.
        log.raise_if_any()
    add_variable_files(tree, path, log)
    check_names(tree, log, also_known)
    for name in extra:
        check_name(name, EXTRA_VARS, "--extra-vars", log, also_known)
    checks.check_groups(tree, log)
    checks.check_host_names(tree, log)

    everyone = tree.members(ALL)
    layers = {host: layers_of(tree, host, extra) for host in everyone}
    resolver = Resolver(log, path)
    shared = _cluster_layers(tree, extra)
    given = resolver.settings(shared)
    cluster = complete(given, path, kprov.__version__)
    hosts, where = _hosts(tree, layers, everyone, resolver, cluster)

    start = tree.groups[ALL].location

    def locate_setting(name: str) -> Location:
        return (shared[name][-1].location or start) if name in shared else start

    checks.check_networks(cluster, len(hosts), locate_setting, log)
    checks.check_ports(cluster, locate_setting, log)
    checks.check_release(cluster, kprov.__version__, locate_setting, log)
    checks.check_virtual_address(hosts, cluster, locate_setting, log)
    checks.check_lifetimes(cluster, locate_setting, log)
    checks.check_defined(tree, layers, log)
    # A host whose address was found wrong or missing already needs no second complaint.
    sound = {
        name: host
        for name, host in hosts.items()
        if host.node_address
        or ("ansible_host" in layers[name] and layers[name]["ansible_host"][-1].value == host.address)
    }
    checks.check_addresses(sound, where, log)
    checks.check_machines_outside(
        sound, cluster, lambda name: locate_setting(name) if name in shared else None, where, log
    )
    if check_files:
        checks.check_key_files(hosts, where, log)
    log.raise_if_any()
    return Inventory(
        path=path,
        cluster=cluster,
        hosts=hosts,
        groups={
            name: GroupView(name, tuple(group.children), tuple(group.hosts)) for name, group in tree.groups.items()
        },
        members={name: tuple(host for host in everyone if host in tree.members(name)) for name in tree.groups},
        layers={host: _with_defaults(layers[host], cluster, hosts[host]) for host in hosts},
    )


def _cluster_layers(tree: Tree, extra: Mapping[str, Any]) -> dict[str, list[Layer]]:
    """The layers that hold for the whole cluster."""
    found: dict[str, list[Layer]] = {}
    everything = tree.groups[ALL]
    for variables in (everything.variables, everything.file_variables):
        for name, (value, location) in variables.items():
            found.setdefault(ALIASES.get(name, name), []).append(Layer("all", ALL, value, location))
    for name, value in extra.items():
        found.setdefault(name, []).append(Layer("extra vars", None, value, EXTRA_VARS))
    return found


def _hosts(
    tree: Tree, layers: HostLayers, everyone: Mapping[str, Location], resolver: Resolver, cluster: ClusterSettings
) -> tuple[dict[str, Host], dict[str, checks.Locate]]:
    hosts, where = {}, {}
    for name, at in everyone.items():
        groups = tuple(group.name for group in groups_of(tree, name))
        hosts[name] = resolver.host(name, groups, layers[name], cluster, at)

        where[name] = _locator(layers[name], at)
    return hosts, where


def _locator(own: Mapping[str, list[Layer]], at: Location) -> checks.Locate:
    """Says where a host's variable was written; where the host was, if it was not."""
    return lambda variable: (own[variable][-1].location or at) if variable in own else at


def _with_defaults(
    layers: dict[str, list[Layer]], cluster: ClusterSettings, host: Host
) -> dict[str, tuple[Layer, ...]]:
    """The layers with kprov's own defaults below them."""
    found: dict[str, tuple[Layer, ...]] = {}
    for name, value in cluster.variables().items():
        if name not in layers:
            found[name] = (Layer("default", None, value, None),)
    for name in ("ansible_host", "node_address"):
        if name not in layers:
            found[name] = (Layer("default", None, host.variables[name], None),)
    for name, given in layers.items():
        kept = [layer for layer in given if not is_cluster_wide(name) or layer.kind in ("all", "extra vars")]
        found[name] = tuple(kept)
    return found
