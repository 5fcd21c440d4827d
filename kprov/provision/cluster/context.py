"""What the phases of a procedure share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kprov.provision.bundle import Bundle, BundleError
from kprov.provision.cluster.lost_members import lost_members
from kprov.provision.cluster.planned_changes import Guard, Recorder
from kprov.provision.engine import Engine
from kprov.provision.inventory import Host, Inventory
from kprov.provision.kubeapi.client import ClusterApi, ClusterApiError
from kprov.provision.kubeapi.credentials import read_kubeconfig
from kprov.provision.pki.authority import Authorities
from kprov.provision.pki.errors import PkiError
from kprov.provision.pki.keyring import load_keyring

PAUSE_IMAGE = "registry.kprov.local/pause:1"
# Of TLS 1.2: elliptic curves for the key exchange, and ciphers that authenticate. Each certificate of kprov's fits one.
STRONG_CIPHER_SUITES = [
    f"TLS_ECDHE_{kind}_WITH_{cipher}"
    for kind in ("ECDSA", "RSA")
    for cipher in ("AES_128_GCM_SHA256", "AES_256_GCM_SHA384", "CHACHA20_POLY1305")
]


@dataclass(slots=True)
class Context:
    """The run: its engine, the inventory, what machines need, and the cluster's authorities.

    ``variables`` are given to every role, on top of the inventory's.
    """

    engine: Engine
    inventory: Inventory
    opened_bundle: Bundle | None
    """None in procedures that bring nothing to the machines."""
    opened_authorities: Authorities | None
    """None in procedures that sign nothing: their keys may be sealed, and stay so."""
    kubeconfig: Path
    """The administrator's, on the controller."""
    limit: frozenset[str] | None = None
    """The names of the machines that the run is limited to; None: all. The others are part of the cluster as ever."""
    variables: dict[str, Any] = field(default_factory=dict)
    stale_services: dict[str, set[str]] = field(default_factory=dict)
    """By machine: the units that run with a certificate or a release that has been replaced."""
    ways_back: set[str] = field(default_factory=set)
    """The machines whose way back to the release that they run was noted by this run, or need not be."""
    renew: frozenset[str] = frozenset()
    """Certificates that are made anew though they need not be, by name; "all" for every one."""
    recorder: Recorder | None = None
    """Takes down what is changed, phase by phase."""
    guard: Guard | None = None
    """Keeps the run to a plan."""
    _api: ClusterApi | None = None
    _api_is_silent: bool = False

    @contextmanager
    def during(self, phase: str, hosts: list[Host]) -> Iterator[None]:
        """A phase, for as long as the block lasts: it is taken down by its name, and kept to the plan."""
        if self.recorder is not None:
            self.recorder.phase = phase
        with self.guard.during(phase, hosts) if self.guard is not None else nullcontext():
            yield

    @property
    def bundle(self) -> Bundle:
        """What machines need.

        Raises:
            BundleError: the procedure was begun without one.
        """
        if self.opened_bundle is None:
            raise BundleError("this command works without a bundle, and can't install anything")
        return self.opened_bundle

    @property
    def authorities(self) -> Authorities:
        """The cluster's authorities.

        Raises:
            PkiError: the procedure was begun without them.
        """
        if self.opened_authorities is None:
            raise PkiError("this command works without the authorities' keys, and can't sign anything")
        return self.opened_authorities

    def hosts_of(self, pattern: str) -> list[Host]:
        """The machines of a pattern that the run is for."""
        hosts = self.inventory.match(pattern)
        return hosts if self.limit is None else [host for host in hosts if host.name in self.limit]

    @property
    def api(self) -> ClusterApi:
        """The cluster's API, over every API server of the inventory."""
        if self._api is None:
            self._api = self._client(api_servers(self.inventory))
        return self._api

    def apply(self, host: Host, wanted: dict[str, Any]) -> bool:
        """Apply an object on behalf of a machine; where the machine is only compared, so is the object.

        Returns: whether something was changed, or would be. A cluster that does not answer yet has nothing.

        Raises: ClusterApiError.
        """
        if not self.engine.compares(host):
            return self.api.apply(wanted)
        if self._api_is_silent:
            return True
        try:
            return self.api.differs(wanted)
        except ClusterApiError as error:
            if error.code:
                raise
            self._api_is_silent = True
            return True

    def go_on_with(self, authorities: Authorities) -> None:
        """Sign with these from now on; the API is asked with the administrator's kubeconfig as it is by now."""
        self.opened_authorities = authorities
        if self._api is not None:
            self._api.close()
            self._api = None

    def api_of(self, host: Host) -> ClusterApi:
        """One machine's own API server alone; to be closed."""
        return self._client([f"https://{host.node_address}:{self.inventory.cluster.api_server_port}"])

    def _client(self, servers: list[str]) -> ClusterApi:
        return ClusterApi(servers, read_kubeconfig(self.kubeconfig), timeout=self.engine.timeouts.api)

    def role_variables(self) -> dict[str, Any]:
        """What roles and templates know besides the inventory and the facts."""
        keyring = load_keyring(self.inventory.cluster.state_directory)
        for key in keyring.keys if keyring else ():
            self.engine.secrets.add(key.secret)
        return {
            **({"encryption_configuration": keyring.configuration()} if keyring else {}),
            "pause_image": PAUSE_IMAGE,
            # In a container the kernel belongs to the host: some settings are not the machine's to make.
            "machine_is_container": "{{ ansible_virtualization_type in container_types }}",
            "container_types": ["systemd-nspawn", "lxc", "container", "docker", "podman"],
            "strong_cipher_suites": STRONG_CIPHER_SUITES,
            "unit_mode": "{{ '0600' if security_profile == 'cis' else '0644' }}",
            "cgroup_driver": "{{ 'systemd' if kprov_cgroup_version == 2 else 'cgroupfs' }}",
            # An API server that asks one of these would ask a cluster that is no more.
            "lost_etcd_members": lost_members(self.inventory.cluster.state_directory),
            **self.variables,
        }


def api_servers(inventory: Inventory) -> list[str]:
    """The base address of every API server of the inventory."""
    port = inventory.cluster.api_server_port
    return [f"https://{host.node_address}:{port}" for host in inventory.group("control_plane")]


def server_for_people(inventory: Inventory) -> str:
    """The address in the administrator's kubeconfig: the one that moves, where there is one, or the first machine's."""
    address = inventory.cluster.api_virtual_address
    return f"https://{address}:{inventory.cluster.api_server_port}" if address else api_servers(inventory)[0]
