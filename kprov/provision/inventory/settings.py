"""The settings of a cluster: their types, their defaults and what each is for.

A setting is a field of ClusterSettings. It is written under ``all.vars`` (or given with ``--extra-vars``), because it
must be one and the same for all machines.
"""

from __future__ import annotations

import dataclasses
import ipaddress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kprov.provision.inventory import values
from kprov.provision.inventory.timeouts import Timeouts

_UNSET = Path()  # complete() knows the default: it depends on other settings
DNS_HOST_NUMBER = 10  # upstream's installers take the tenth address of the service network for DNS


def _setting(default: Any, check: values.Check, about: str) -> Any:
    return dataclasses.field(default=default, metadata={"check": check, "about": about})


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterSettings:
    """What is true of the whole cluster. Values are checked and complete: no default is left to be filled in."""

    cluster_name: str = _setting("kubernetes", values.label, "the cluster's name, in kubeconfigs and folders")
    pod_network_cidr: str = _setting("10.244.0.0/16", values.network, "where pods get their addresses")
    node_cidr_mask_size: int = _setting(24, values.whole(8, 30), "the size of each machine's share of the pod network")
    service_network_cidr: str = _setting("10.96.0.0/16", values.network, "where Services get their addresses")
    service_node_port_range: str = _setting("30000-32767", values.port_range, "the ports of Services of type NodePort")
    dns_domain: str = _setting("cluster.local", values.domain, "the DNS domain of Services")
    dns_address: str = _setting("", values.ipv4_address, "the cluster's DNS server; default: tenth of the services")
    max_pods: int = _setting(110, values.whole(1, 1000), "how many pods a machine may run")
    api_server_port: int = _setting(6443, values.port, "where each API server listens")
    api_load_balancer_port: int = _setting(7443, values.port, "where each machine's own load balancer listens")
    api_virtual_address: str = _setting(
        "", values.ipv4_address, "for people and tools outside: an address that the control-plane machines share"
    )
    api_extra_names: tuple[str, ...] = _setting(
        (), values.names_or_addresses, "more names and addresses for the API server's certificate"
    )
    certificate_lifetime_days: int = _setting(365, values.whole(1, 3650), "how long certificates live")
    certificate_warning_days: int = _setting(
        30, values.whole(1, 3650), "how many days before its end a certificate is warned of, and fails `kprov verify`"
    )
    security_profile: str = _setting(
        "default", values.one_of("default", "cis"), "`cis` also meets what the CIS benchmark asks for: see its table"
    )
    ca_lifetime_days: int = _setting(3650, values.whole(1, 36500), "how long authorities live")
    cluster_ca_certificate_file: Path | None = _setting(  # noqa: RUF009 -- a field, as the others are
        None, values.text, "an authority of yours that signs instead of one that kprov makes: with those above it"
    )
    cluster_ca_key_file: Path | None = _setting(None, values.text, "its key")  # noqa: RUF009
    etcd_ca_certificate_file: Path | None = _setting(  # noqa: RUF009
        None, values.text, "the same for etcd: another one, with a key of its own"
    )
    etcd_ca_key_file: Path | None = _setting(None, values.text, "its key")  # noqa: RUF009
    front_proxy_ca_certificate_file: Path | None = _setting(  # noqa: RUF009
        None, values.text, "the same for the front proxy: a third one"
    )
    front_proxy_ca_key_file: Path | None = _setting(None, values.text, "its key")  # noqa: RUF009
    kprov_version: str = _setting("", values.text, "the one release of kprov that may raise this cluster; default: any")
    kprov_timeouts: Timeouts = _setting(  # noqa: RUF009 -- a field, as the others are
        Timeouts(), values.timeouts, "how long kprov waits, by kind: see the table of timeouts"
    )
    fact_caching_timeout: float = _setting(
        86400.0, values.duration, "how old the facts of a machine may be that a run is not connected to"
    )
    kprov_keep_connections: float = _setting(
        60.0, values.duration_or_none, "how long connections are kept after a run for the next one: see transports"
    )
    state_directory: Path = _setting(  # noqa: RUF009 -- a field, as the others are
        _UNSET, values.text, "the controller's folder of keys, journals and logs; default: .kprov/<cluster_name>"
    )
    releases_kept: int = _setting(
        3, values.whole(2, 1000), "how many releases of kprov's daemons a machine keeps, the way back among them"
    )
    runs_kept: int = _setting(50, values.whole(1, 100000), "how many runs the controller remembers")
    bundle_directory: Path | None = _setting(  # noqa: RUF009 -- a field, as the others are
        None, values.text, "what machines need, gathered once; default: the cache folder of this computer"
    )

    @property
    def pod_network(self) -> ipaddress.IPv4Network:
        """The pod network, to reckon with."""
        return ipaddress.IPv4Network(self.pod_network_cidr)

    @property
    def service_network(self) -> ipaddress.IPv4Network:
        """The service network, to reckon with."""
        return ipaddress.IPv4Network(self.service_network_cidr)

    @property
    def kubernetes_service_address(self) -> str:
        """The ClusterIP of the Service ``kubernetes``: the first address of the service network."""
        return str(self.service_network[1])

    def authority_files(self, name: str) -> tuple[Path, Path] | None:
        """The certificate and the key of an authority of the user's; None: kprov makes it, or it is imported."""
        certificate, key = (getattr(self, setting) for setting in AUTHORITY_SETTINGS[name])
        return (certificate, key) if certificate is not None and key is not None else None

    def variables(self) -> dict[str, Any]:
        """The settings as templates see them."""
        return {f.name: _plain(getattr(self, f.name)) for f in dataclasses.fields(self)}


CLUSTER_SETTINGS: dict[str, dataclasses.Field[Any]] = {f.name: f for f in dataclasses.fields(ClusterSettings)}

# May be written for one machine or group; under all.vars they speak for all machines.
_PER_MACHINE = frozenset({"max_pods"})

# Hold in an inventory that is no cluster's too: their names can't mean anything else.
OF_EVERY_INVENTORY = frozenset({"kprov_timeouts", "fact_caching_timeout", "kprov_keep_connections"})


# By authority: the settings that name its certificate and its key.
AUTHORITY_SETTINGS = {
    name: (f"{name.replace('-', '_')}_ca_certificate_file", f"{name.replace('-', '_')}_ca_key_file")
    for name in ("cluster", "etcd", "front-proxy")
}
AUTHORITY_FILES = tuple(name for pair in AUTHORITY_SETTINGS.values() for name in pair)


def is_cluster_wide(name: str) -> bool:
    """Whether ``name`` is a setting that can't differ between machines."""
    return name in CLUSTER_SETTINGS and name not in _PER_MACHINE


def check_of(name: str) -> values.Check:
    """The check of the cluster setting ``name``."""
    check: values.Check = CLUSTER_SETTINGS[name].metadata["check"]
    return check


def complete(given: dict[str, Any], folder: Path, release: str) -> ClusterSettings:
    """Settings with every default filled in.

    Args: ``given`` holds checked values; ``folder`` is what folders are relative to; ``release`` is the
    version to install when none is named.
    """
    whole = {name: given.get(name, field.default) for name, field in CLUSTER_SETTINGS.items()}
    if not whole["dns_address"]:
        services = ipaddress.IPv4Network(whole["service_network_cidr"])
        offset = DNS_HOST_NUMBER if services.num_addresses > DNS_HOST_NUMBER + 1 else services.num_addresses - 2
        whole["dns_address"] = str(services.network_address + max(offset, 0))
    whole["kprov_version"] = whole["kprov_version"] or release
    state = given.get("state_directory") or Path(".kprov") / whole["cluster_name"]
    whole["state_directory"] = folder / Path(state).expanduser()
    for name in ("bundle_directory", *AUTHORITY_FILES):
        whole[name] = folder / Path(given[name]).expanduser() if given.get(name) else None
    return ClusterSettings(**whole)


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return list(value)
    if isinstance(value, Timeouts):
        return dataclasses.asdict(value)
    return str(value) if isinstance(value, Path) else value
