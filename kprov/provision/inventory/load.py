"""Loads an inventory: reads, resolves and checks it, and reports every mistake at once."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import kprov
from kprov.provision.inventory import checks, file_checks, network_checks
from kprov.provision.inventory.document import Located
from kprov.provision.inventory.groups import ALL, REQUIRED, UNGROUPED, Tree
from kprov.provision.inventory.host_variables import ALIASES
from kprov.provision.inventory.layers import EXTRA_VARS, layers_of
from kprov.provision.inventory.model import Added, GroupView, Host, Inventory, Layer
from kprov.provision.inventory.names import check_name, check_names
from kprov.provision.inventory.problems import Locate, Location, ProblemLog
from kprov.provision.inventory.resolve import Render, Resolver
from kprov.provision.inventory.settings import OF_EVERY_INVENTORY, ClusterSettings, complete, is_cluster_wide
from kprov.provision.inventory.sources import folder_of, is_list, read_sources
from kprov.provision.inventory.variable_files import HOST_VARS, VariableFiles
from kprov.provision.vault import Vault

HostLayers = dict[str, dict[str, list[Layer]]]


def load(
    path: Path | str,
    extra_vars: Mapping[str, Any] | None = None,
    *,
    cluster: bool | None = True,
    playbook_directory: Path | None = None,
    vault: Vault | None = None,
    render: Render | None = None,
    also_known: Collection[str] = (),
    check_files: bool = True,
    private_key_file: Path | None = None,
) -> Inventory:
    """Read the inventory at ``path``: a file (YAML, INI, a program), a folder of them, or a list of names.

    Args:
        extra_vars: the strongest layer of variables (``--extra-vars``).
        cluster: whether it must describe a cluster. False: whatever Ansible takes is taken; None: a cluster where it
            looks like one, by its groups.
        playbook_directory: where else ``group_vars`` and ``host_vars`` are looked for.
        vault: opens what is encrypted.
        render: renders variables that say how to connect where they are templates.
        also_known: names of variables that are right besides kprov's own, such as the roles' defaults.
        check_files: whether the files that the inventory names (private keys) are looked at.
        private_key_file: the key of hosts for which the inventory names none, where it is no cluster's.

    Raises InventoryErrors with every problem found.
    """
    path, extra = Path(path), dict(extra_vars or {})
    log, vault = ProblemLog(), vault or Vault()
    tree = read_sources(path, log, vault)
    is_cluster = looks_like_cluster(tree) if cluster is None else cluster
    if not tree.members(ALL):
        # Nothing was understood; what is missing besides says nothing more.
        log.raise_if_any(strict=True)

    def read_files(log: ProblemLog, only: Collection[str] | None = None) -> None:
        _add_variable_files(tree, path, playbook_directory, log, vault, only)

    read_files(log)
    resolver = Resolver(
        log,
        folder_of(path),
        is_cluster=is_cluster,
        render=render,
        groups=lambda: _members(tree),
        private_key_file=private_key_file,
    )
    reading = _Reading(path, tree, extra, log, resolver, read_files)
    if is_cluster:
        reading.check_names(also_known)
    hosts, layers = reading.of_cluster(check_files) if is_cluster else reading.plain(check_files)
    log.raise_if_any(strict=is_cluster)
    return Inventory(
        path=path,
        cluster=reading.settings,
        hosts=hosts,
        groups={
            name: GroupView(name, tuple(group.children), tuple(group.hosts)) for name, group in tree.groups.items()
        },
        members=_members(tree),
        layers=layers,
        is_cluster=is_cluster,
        warnings=() if is_cluster else tuple(sorted(set(log.doubts), key=lambda p: (p.file, p.line or 0, p.message))),
        extra_vars=extra,
        vault=vault,
        addition=reading.added,
    )


def _members(tree: Tree) -> dict[str, tuple[str, ...]]:
    everyone = tree.members(ALL)
    return {name: tuple(host for host in everyone if host in tree.members(name)) for name in tree.groups}


def looks_like_cluster(tree: Tree) -> bool:
    """Whether an inventory is meant for a cluster: it has the groups; one of the three may be misspelt."""
    return sum(name in tree.groups for name in REQUIRED) >= 2


def _add_variable_files(
    tree: Tree, path: Path, playbook: Path | None, log: ProblemLog, vault: Vault, only: Collection[str] | None
) -> None:
    folder = folder_of(path)
    shown = path if path.is_dir() else Path() if is_list(path) else path.parent
    VariableFiles(folder, shown, log, vault).add_to(tree, only=only)
    if playbook is not None and playbook.resolve() != folder.resolve():
        VariableFiles(playbook, playbook, log, vault).add_to(tree, of_playbook=True, only=only)


class _Reading:
    """One inventory between its tree and its hosts."""

    def __init__(
        self,
        path: Path,
        tree: Tree,
        extra: dict[str, Any],
        log: ProblemLog,
        resolver: Resolver,
        read_files: Callable[[ProblemLog, Collection[str]], None],
    ) -> None:
        self.path = path
        self.tree = tree
        self.extra = extra
        self.log = log
        self.resolver = resolver
        self.read_files = read_files
        self.settings: ClusterSettings

    def check_names(self, also_known: Collection[str]) -> None:
        """Report variables that are unknown or stand in the wrong place."""
        check_names(self.tree, self.log, also_known)
        for name in self.extra:
            check_name(name, EXTRA_VARS, "--extra-vars", self.log, also_known)
        checks.check_groups(self.tree, self.log)
        checks.check_host_names(self.tree, self.log)

    def plain(self, check_files: bool) -> tuple[dict[str, Host], dict[str, dict[str, tuple[Layer, ...]]]]:
        """The hosts as Ansible has them: their own variables and no settings of a cluster."""
        given = self.resolver.settings(
            {name: layers for name, layers in self._shared_layers().items() if name in OF_EVERY_INVENTORY}
        )
        name = "hosts" if is_list(self.path) else self.path.stem or self.path.absolute().name
        given["state_directory"] = f".kprov/{name}"
        self.settings = complete(given, folder_of(self.path), kprov.__version__)
        everyone = self.tree.members(ALL)
        layers = {host: layers_of(self.tree, host, self.extra, {}) for host in everyone}
        hosts, where = self._hosts(layers, {})
        if check_files:
            file_checks.check_key_files(hosts, where, self.log.doubt)
        return hosts, {host: {name: tuple(given) for name, given in own.items()} for host, own in layers.items()}

    def of_cluster(self, check_files: bool) -> tuple[dict[str, Host], dict[str, dict[str, tuple[Layer, ...]]]]:
        """The hosts of a cluster, and every check that a cluster has to stand."""
        log, tree = self.log, self.tree
        shared = self._shared_layers()
        cluster = self.settings = complete(self.resolver.settings(shared), folder_of(self.path), kprov.__version__)
        layers = {host: layers_of(tree, host, self.extra, ALIASES) for host in tree.members(ALL)}
        hosts, where = self._hosts(layers, cluster.variables())
        start = tree.groups[ALL].location

        def locate_setting(name: str) -> Location:
            return (shared[name][-1].location or start) if name in shared else start

        network_checks.check_networks(cluster, len(hosts), locate_setting, log)
        network_checks.check_ports(cluster, locate_setting, log)
        checks.check_release(cluster, kprov.__version__, locate_setting, log)
        network_checks.check_virtual_address(hosts, cluster, locate_setting, log)
        checks.check_lifetimes(cluster, locate_setting, log)
        checks.check_defined(tree, layers, log)
        # A host whose address was found wrong or missing already needs no second complaint.
        sound = {
            name: host
            for name, host in hosts.items()
            if host.node_address
            or ("ansible_host" in layers[name] and layers[name]["ansible_host"][-1].value == host.address)
        }
        network_checks.check_addresses(sound, where, log)
        network_checks.check_machines_outside(
            sound, cluster, lambda name: locate_setting(name) if name in shared else None, where, log
        )
        if check_files:
            file_checks.check_key_files(hosts, where, log.add)
            file_checks.check_authority_files(cluster, locate_setting, log)
        defaults = cluster.variables()
        return hosts, {host: _with_defaults(layers[host], defaults, hosts[host]) for host in hosts}

    def added(self, name: str, groups: Sequence[str], variables: Mapping[str, Any]) -> Added:
        """A host that a run adds. Raises ValueError for one that can't be."""
        found, at = ProblemLog(), Location("add_host")
        own = {key: Located(value, at) for key, value in variables.items()}
        is_new = name not in self.tree.members(ALL)
        new = {group for group in groups if group not in self.tree.groups} | ({name} if is_new else set())
        for group in groups or [UNGROUPED] * is_new:
            self.tree.group(group, at)
            self.tree.add_hosts([name], group, at, {}, None)
        said = self.tree.host_variables.setdefault(name, [])
        said.insert(sum(kind != HOST_VARS for kind, _ in said), (ALL, own))
        self.tree.finish(ProblemLog())
        if new:
            self.read_files(found, new)
        cluster = self.resolver.is_cluster
        layers = layers_of(self.tree, name, self.extra, ALIASES if cluster else {})
        resolver = Resolver(
            found,
            folder_of(self.path),
            is_cluster=cluster,
            render=self.resolver.render,
            private_key_file=self.resolver.private_key_file,
            groups=lambda: _members(self.tree),
        )
        names = tuple(group.name for group in self.tree.groups_of(name))
        host = resolver.host(name, names, layers, self.settings.variables() if cluster else {}, at, self.path)
        if found.problems:
            raise ValueError("; ".join(problem.message for problem in found.problems))
        return Added(host, {key: tuple(given) for key, given in layers.items()}, _members(self.tree))

    def _shared_layers(self) -> dict[str, list[Layer]]:
        """The layers that hold for all machines."""
        found: dict[str, list[Layer]] = {}
        for variables in self.tree.groups[ALL].every_place():
            for name, (value, location, secret) in variables.items():
                found.setdefault(ALIASES.get(name, name), []).append(Layer("all", ALL, value, location, secret))
        for name, value in self.extra.items():
            found.setdefault(name, []).append(Layer("extra vars", None, value, EXTRA_VARS))
        return found

    def _hosts(self, layers: HostLayers, settings: Mapping[str, Any]) -> tuple[dict[str, Host], dict[str, Locate]]:
        hosts, where = {}, {}
        for name, at in self.tree.members(ALL).items():
            groups = tuple(group.name for group in self.tree.groups_of(name))
            origin = Path(self.tree.origins.get(name, str(self.path)))
            hosts[name] = self.resolver.host(name, groups, layers[name], settings, at, origin)
            where[name] = _locator(layers[name], at)
        return hosts, where


def _locator(own: Mapping[str, list[Layer]], at: Location) -> Locate:
    """Says where a host's variable was written; where the host was, if it was not."""
    return lambda variable: (own[variable][-1].location or at) if variable in own else at


def _with_defaults(
    layers: dict[str, list[Layer]], defaults: Mapping[str, Any], host: Host
) -> dict[str, tuple[Layer, ...]]:
    """The layers with kprov's own defaults below them."""
    found: dict[str, tuple[Layer, ...]] = {}
    for name, value in defaults.items():
        if name not in layers:
            found[name] = (Layer("default", None, value, None),)
    for name in ("ansible_host", "node_address"):
        if name not in layers:
            found[name] = (Layer("default", None, host.variables[name], None),)
    for name, given in layers.items():
        kept = [layer for layer in given if not is_cluster_wide(name) or layer.kind in ("all", "extra vars")]
        found[name] = tuple(kept)
    return found
