"""The proxy's settings: upstream's flags and its KubeProxyConfiguration (kubeproxy.config.k8s.io/v1alpha1)."""

from __future__ import annotations

import difflib
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kprov.kube.api.flags import Flags, FlagSet, parse_duration

API_VERSION = "kubeproxy.config.k8s.io/v1alpha1"
KIND = "KubeProxyConfiguration"

# Fields that upstream knows and kprov does not implement: accepted only while they ask for nothing.
_UNIMPLEMENTED = {
    "bindAddress",
    "bindAddressHardFail",
    "configSyncPeriod",
    "conntrack",
    "detectLocal",
    "detectLocalMode",
    "enableProfiling",
    "featureGates",
    "iptables",
    "ipvs",
    "logging",
    "oomScoreAdj",
    "portRange",
    "showHiddenMetricsForVersion",
    "udpIdleTimeout",
    "winkernel",
    "windowsRunAsService",
}
_FIELDS = {
    "apiVersion",
    "kind",
    "clientConnection",
    "clusterCIDR",
    "healthzBindAddress",
    "hostnameOverride",
    "metricsBindAddress",
    "mode",
    "nftables",
    "nodePortAddresses",
}


class ConfigurationError(Exception):
    """A setting can't be followed; the message names the file and the field."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """What the proxy runs with. Periods are in seconds; ``host:port`` texts, "" for none."""

    kubeconfig: str
    node: str
    cluster_cidr: str = ""
    healthz_address: str = "0.0.0.0:10256"
    metrics_address: str = "127.0.0.1:10249"
    node_port_addresses: tuple[str, ...] = ()
    min_sync_period: float = 0.02
    sync_period: float = 30.0


def flag_set() -> FlagSet:
    """The command line of kube-proxy."""
    flags = FlagSet("kube-proxy", "programs the kernel so that Services lead to their endpoints")
    flags.string("config", "", "the path to the configuration file")
    flags.string("kubeconfig", "", "path to the kubeconfig file with authorization information")
    flags.string("hostname-override", "", "use this name as the node's instead of the actual host name")
    flags.string("cluster-cidr", "", "the range of the pods' addresses; traffic from elsewhere is masqueraded")
    flags.string("healthz-bind-address", "0.0.0.0:10256", "address and port of the health check; empty to disable")
    flags.string("metrics-bind-address", "127.0.0.1:10249", "address and port of the metrics; empty to disable")
    flags.choice("proxy-mode", "nftables", ("", "nftables"), "how the kernel is programmed")
    flags.strings("nodeport-addresses", (), "ranges of this machine's addresses on which node ports answer")
    flags.duration("nftables-sync-period", 30.0, "how often the kernel's table is looked at")
    flags.duration("nftables-min-sync-period", 0.02, "changes within this time become one transaction")
    flags.unimplemented(
        *("bind-address", "bind-address-hard-fail", "cleanup", "config-sync-period", "conntrack-max-per-core"),
        *(
            "conntrack-min",
            "conntrack-tcp-timeout-close-wait",
            "conntrack-tcp-timeout-established",
            "detect-local-mode",
        ),
        *("feature-gates", "iptables-masquerade-bit", "iptables-min-sync-period", "iptables-sync-period"),
        *("ipvs-exclude-cidrs", "ipvs-min-sync-period", "ipvs-scheduler", "ipvs-strict-arp", "ipvs-sync-period"),
        *("masquerade-all", "master", "kube-api-burst", "kube-api-qps", "oom-score-adj", "profiling"),
        *("proxy-port-range", "show-hidden-metrics-for-version", "udp-timeout", "write-config-to"),
    )
    return flags


def _check(where: str, known: set[str], given: Mapping[str, Any], unimplemented: frozenset[str] = frozenset()) -> None:
    for key, value in given.items():
        if key in known:
            continue
        if key in unimplemented:
            if value not in (None, "", [], {}, False):
                raise ConfigurationError(f"{where}: {key} is a field that kprov's kube-proxy does not implement")
            continue
        near = difflib.get_close_matches(key, known, 1)
        raise ConfigurationError(f"{where}: unknown field {key!r}" + (f" (is it {near[0]}?)" if near else ""))


def read_file(path: str) -> dict[str, Any]:
    """The configuration file's fields. Raises ConfigurationError when it can't be read or says what can't be done."""
    import yaml  # read once; not needed by those who use flags alone

    try:
        data = yaml.safe_load(Path(path).read_text())
    except (OSError, yaml.YAMLError) as error:
        raise ConfigurationError(f"{path}: {error}") from None
    if not isinstance(data, dict) or data.get("apiVersion") != API_VERSION or data.get("kind") != KIND:
        raise ConfigurationError(f"{path}: not a {KIND} of {API_VERSION}")
    _check(path, _FIELDS, data, frozenset(_UNIMPLEMENTED))
    _check(
        f"{path}: clientConnection",
        {"kubeconfig"},
        data.get("clientConnection") or {},
        frozenset({"acceptContentTypes", "burst", "contentType", "qps"}),
    )
    _check(
        f"{path}: nftables",
        {"minSyncPeriod", "syncPeriod"},
        data.get("nftables") or {},
        frozenset({"masqueradeAll", "masqueradeBit"}),
    )
    if data.get("mode") not in (None, "", "nftables"):
        raise ConfigurationError(f"{path}: mode: kprov's kube-proxy implements nftables, not {data['mode']!r}")
    return data


def _seconds(text: object, default: float) -> float:
    return parse_duration(str(text)) if text else default


def load(flags: Flags, host_name: str) -> Configuration:
    """The settings: a configuration file wins over flags, as upstream has it, but for the node's name.

    Raises ConfigurationError.
    """
    data = read_file(flags.config) if flags.config else {}
    nftables = data.get("nftables") or {}
    try:
        minimum = _seconds(nftables.get("minSyncPeriod"), flags.nftables_min_sync_period)
        period = _seconds(nftables.get("syncPeriod"), flags.nftables_sync_period)
    except ValueError as error:
        raise ConfigurationError(f"{flags.config}: nftables: {error}") from None
    found = Configuration(
        kubeconfig=(data.get("clientConnection") or {}).get("kubeconfig") or flags.kubeconfig,
        node=(flags.hostname_override or data.get("hostnameOverride") or host_name).lower(),
        cluster_cidr=data.get("clusterCIDR") or flags.cluster_cidr,
        healthz_address=data.get("healthzBindAddress", flags.healthz_bind_address) or "",
        metrics_address=data.get("metricsBindAddress", flags.metrics_bind_address) or "",
        node_port_addresses=tuple(data.get("nodePortAddresses") or flags.nodeport_addresses),
        min_sync_period=minimum,
        sync_period=period,
    )
    if not found.kubeconfig:
        raise ConfigurationError("no way to the API: give --kubeconfig, or clientConnection.kubeconfig in --config")
    for name, values in (
        ("clusterCIDR", [found.cluster_cidr] if found.cluster_cidr else []),
        ("nodePortAddresses", found.node_port_addresses),
    ):
        for value in values:
            try:
                ipaddress.IPv4Network(value)
            except ValueError as error:
                raise ConfigurationError(f"{name}: {error}") from None
    return found
