"""KubeletConfiguration (kubelet.config.k8s.io/v1beta1): what the kubelet reads from --config.

Keys that upstream knows and kprov does not implement are refused, so that nobody relies on what is not there. Keys that
say what kprov does anyway are accepted with that one value.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kprov.kube.api import quantity
from kprov.kube.api.flags import parse_duration

API_VERSION = "kubelet.config.k8s.io/v1beta1"


class ConfigurationError(ValueError):
    """The configuration file cannot be used; the message names the key and what to write instead."""


@dataclass(slots=True)
class KubeletConfig:
    """The settings, in Python's terms (seconds, bytes), with upstream's defaults."""

    address: str = "0.0.0.0"  # noqa: S104  the API server calls from other machines
    port: int = 10250
    healthz_port: int = 10248
    healthz_address: str = "127.0.0.1"
    client_ca_file: str = ""
    anonymous: bool = False
    webhook_authentication: bool = True
    webhook_authentication_ttl: float = 120
    authorization_mode: str = "Webhook"
    authorized_ttl: float = 300
    unauthorized_ttl: float = 30
    tls_cert_file: str = ""
    tls_private_key_file: str = ""
    tls_min_version: str = "VersionTLS12"
    tls_cipher_suites: list[str] = field(default_factory=list)
    rotate_certificates: bool = False
    server_tls_bootstrap: bool = False
    cluster_domain: str = ""
    cluster_dns: list[str] = field(default_factory=list)
    resolv_conf: str = "/etc/resolv.conf"
    cgroup_driver: str = "cgroupfs"
    cgroup_root: str = ""
    cgroups_per_qos: bool = True
    max_pods: int = 110
    pod_pids_limit: int = -1
    cpu_cfs_quota: bool = True
    cpu_cfs_period: float = 0.1
    node_status_update_frequency: float = 10
    node_status_report_frequency: float = 300
    node_lease_duration: int = 40
    sync_frequency: float = 60
    runtime_endpoint: str = ""
    image_endpoint: str = ""
    runtime_request_timeout: float = 120
    system_reserved: dict[str, str] = field(default_factory=dict)
    kube_reserved: dict[str, str] = field(default_factory=dict)
    eviction_hard: dict[str, str] = field(
        default_factory=lambda: {
            "memory.available": "100Mi",
            "nodefs.available": "10%",
            "nodefs.inodesFree": "5%",
            "imagefs.available": "15%",
        }
    )
    eviction_pressure_transition: float = 300
    log_max_size: int = 10 * 1024 * 1024
    log_max_files: int = 5
    image_minimum_age: float = 120
    image_maximum_age: float = 0
    image_gc_high: int = 85
    image_gc_low: int = 80
    register_node: bool = True
    register_with_taints: list[dict[str, str]] = field(default_factory=list)
    fail_swap_on: bool = True
    shutdown_grace: float = 0
    shutdown_grace_critical: float = 0
    serialize_image_pulls: bool = True
    max_parallel_image_pulls: int = 0
    allowed_unsafe_sysctls: list[str] = field(default_factory=list)
    seccomp_default: bool = False
    enable_debugging_handlers: bool = True
    verbosity: int = 0


# key -> (attribute, how to read it)
FIELDS: dict[str, tuple[str, str]] = {
    "address": ("address", "text"),
    "port": ("port", "number"),
    "healthzPort": ("healthz_port", "number"),
    "healthzBindAddress": ("healthz_address", "text"),
    "authentication.x509.clientCAFile": ("client_ca_file", "text"),
    "authentication.anonymous.enabled": ("anonymous", "flag"),
    "authentication.webhook.enabled": ("webhook_authentication", "flag"),
    "authentication.webhook.cacheTTL": ("webhook_authentication_ttl", "duration"),
    "authorization.mode": ("authorization_mode", "text"),
    "authorization.webhook.cacheAuthorizedTTL": ("authorized_ttl", "duration"),
    "authorization.webhook.cacheUnauthorizedTTL": ("unauthorized_ttl", "duration"),
    "tlsCertFile": ("tls_cert_file", "text"),
    "tlsPrivateKeyFile": ("tls_private_key_file", "text"),
    "tlsMinVersion": ("tls_min_version", "text"),
    "tlsCipherSuites": ("tls_cipher_suites", "list"),
    "rotateCertificates": ("rotate_certificates", "flag"),
    "serverTLSBootstrap": ("server_tls_bootstrap", "flag"),
    "clusterDomain": ("cluster_domain", "text"),
    "clusterDNS": ("cluster_dns", "list"),
    "resolvConf": ("resolv_conf", "text"),
    "cgroupDriver": ("cgroup_driver", "text"),
    "cgroupRoot": ("cgroup_root", "text"),
    "cgroupsPerQOS": ("cgroups_per_qos", "flag"),
    "maxPods": ("max_pods", "number"),
    "podPidsLimit": ("pod_pids_limit", "number"),
    "cpuCFSQuota": ("cpu_cfs_quota", "flag"),
    "cpuCFSQuotaPeriod": ("cpu_cfs_period", "duration"),
    "nodeStatusUpdateFrequency": ("node_status_update_frequency", "duration"),
    "nodeStatusReportFrequency": ("node_status_report_frequency", "duration"),
    "nodeLeaseDurationSeconds": ("node_lease_duration", "number"),
    "syncFrequency": ("sync_frequency", "duration"),
    "containerRuntimeEndpoint": ("runtime_endpoint", "text"),
    "imageServiceEndpoint": ("image_endpoint", "text"),
    "runtimeRequestTimeout": ("runtime_request_timeout", "duration"),
    "systemReserved": ("system_reserved", "map"),
    "kubeReserved": ("kube_reserved", "map"),
    "evictionHard": ("eviction_hard", "map"),
    "evictionPressureTransitionPeriod": ("eviction_pressure_transition", "duration"),
    "containerLogMaxSize": ("log_max_size", "quantity"),
    "containerLogMaxFiles": ("log_max_files", "number"),
    "imageMinimumGCAge": ("image_minimum_age", "duration"),
    "imageMaximumGCAge": ("image_maximum_age", "duration"),
    "imageGCHighThresholdPercent": ("image_gc_high", "number"),
    "imageGCLowThresholdPercent": ("image_gc_low", "number"),
    "registerNode": ("register_node", "flag"),
    "registerWithTaints": ("register_with_taints", "list"),
    "failSwapOn": ("fail_swap_on", "flag"),
    "shutdownGracePeriod": ("shutdown_grace", "duration"),
    "shutdownGracePeriodCriticalPods": ("shutdown_grace_critical", "duration"),
    "serializeImagePulls": ("serialize_image_pulls", "flag"),
    "maxParallelImagePulls": ("max_parallel_image_pulls", "number"),
    "allowedUnsafeSysctls": ("allowed_unsafe_sysctls", "list"),
    "seccompDefault": ("seccomp_default", "flag"),
    "enableDebuggingHandlers": ("enable_debugging_handlers", "flag"),
    "logging.verbosity": ("verbosity", "number"),
}

# What kprov does anyway, or what has no meaning without the part that it configures: accepted with these values only.
FIXED: dict[str, tuple[Any, ...]] = {
    "enableServer": (True,),
    "readOnlyPort": (0,),
    "enforceNodeAllocatable": (["pods"], ["none"], []),
    "logging.format": ("text",),
    "logging.flushFrequency": (0, "0s", "5s", 5000000000),
    "configMapAndSecretChangeDetectionStrategy": ("Cache",),
    "hairpinMode": ("promiscuous-bridge", "hairpin-veth", "none"),  # the pod network's own affair
    "cpuManagerPolicy": ("none",),
    "cpuManagerReconcilePeriod": (0, "0s", "10s"),
    "memoryManagerPolicy": ("None",),
    "topologyManagerPolicy": ("none",),
    "topologyManagerScope": ("container",),
    "featureGates": ({},),
    "memorySwap": ({},),
    "podsPerCore": (0,),
    "protectKernelDefaults": (False,),
    "makeIPTablesUtilChains": (False,),
    "localStorageCapacityIsolation": (True,),
    "enableControllerAttachDetach": (True,),
    "enableContentionProfiling": (False,),
    "enableProfilingHandler": (False,),
    "enableDebugFlagsHandler": (False,),
    "enableSystemLogHandler": (False,),
    "staticPodPath": ("",),
    "staticPodURL": ("",),
    "podCIDR": None,  # type: ignore[dict-item]  # upstream reads it in standalone mode only
    "registryPullQPS": None,  # type: ignore[dict-item]  # pulls are one after the other
    "registryBurst": None,  # type: ignore[dict-item]
    "eventRecordQPS": None,  # type: ignore[dict-item]  # events are aggregated and bounded
    "eventBurst": None,  # type: ignore[dict-item]
    "kubeAPIQPS": None,  # type: ignore[dict-item]  # the API server's fairness decides
    "kubeAPIBurst": None,  # type: ignore[dict-item]
    "fileCheckFrequency": None,  # type: ignore[dict-item]  # of static pods, which there are none of
    "httpCheckFrequency": None,  # type: ignore[dict-item]
    "volumeStatsAggPeriod": None,  # type: ignore[dict-item]
    "streamingConnectionIdleTimeout": None,  # type: ignore[dict-item]  # the container runtime's setting
    "maxOpenFiles": None,  # type: ignore[dict-item]
    "nodeStatusMaxImages": None,  # type: ignore[dict-item]
    "oomScoreAdj": None,  # type: ignore[dict-item]  # systemd's setting
    "contentType": None,  # type: ignore[dict-item]
}

REFUSED = frozenset(
    [
        "staticPodURLHeader",
        "tlsCertificates",
        "systemCgroups",
        "kubeletCgroups",
        "runtimeCgroups",
        "cpuManagerPolicyOptions",
        "qosReserved",
        "evictionSoft",
        "evictionSoftGracePeriod",
        "evictionMaxPodGracePeriod",
        "evictionMinimumReclaim",
        "iptablesMasqueradeBit",
        "iptablesDropBit",
        "showHiddenMetricsForVersion",
        "systemReservedCgroup",
        "kubeReservedCgroup",
        "reservedSystemCPUs",
        "providerID",
        "volumePluginDir",
        "kernelMemcgNotification",
        "topologyManagerPolicyOptions",
        "reservedMemory",
        "memoryThrottlingFactor",
        "shutdownGracePeriodByPodPriority",
        "crashLoopBackOff",
        "tracing",
        "containerLogMaxWorkers",
        "containerLogMonitorInterval",
        "singleProcessOOMKill",
        "imagePullCredentialsVerificationPolicy",
        "preloadedImagesVerificationAllowlist",
        "mergeDefaultEvictionSettings",
        "failCgroupV1",
        "userNamespaces",
    ]
)


def load_config(path: Path) -> KubeletConfig:
    """Read a configuration file.

    Raises ConfigurationError naming the first key that is wrong, OSError where the file cannot be read.
    """
    import yaml

    try:
        document = yaml.safe_load(path.read_text())
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{path}: not YAML: {error}") from None
    try:
        return parse_config(document)
    except ConfigurationError as error:
        raise ConfigurationError(f"{path}: {error}") from None


def parse_config(document: Any) -> KubeletConfig:
    """Make a KubeletConfig of a document's content; raises ConfigurationError."""
    if not isinstance(document, dict) or document.get("kind") != "KubeletConfiguration":
        raise ConfigurationError("kind must be KubeletConfiguration")
    if document.get("apiVersion") != API_VERSION:
        raise ConfigurationError(f"apiVersion must be {API_VERSION}")
    config = KubeletConfig()
    for key, value in _flatten({k: v for k, v in document.items() if k not in {"apiVersion", "kind"}}):
        if value is None:
            continue
        if key in FIELDS:
            attribute, how = FIELDS[key]
            setattr(config, attribute, _read(key, value, how))
        elif key in FIXED:
            allowed = FIXED[key]
            if allowed is not None and value not in allowed:
                wanted = " or ".join(repr(choice) for choice in allowed)
                raise ConfigurationError(
                    f"{key}: {value!r} is not implemented by kprov; write {wanted}, or leave it out"
                )
        elif key.split(".")[0] in REFUSED:
            raise ConfigurationError(f"{key} is a kubelet setting that kprov does not implement; leave it out")
        else:
            near = difflib.get_close_matches(key, [*FIELDS, *FIXED], 1)
            raise ConfigurationError(f"unknown key {key}" + (f"; did you mean {near[0]}?" if near else ""))
    _check(config)
    return config


_NESTED = {key.rpartition(".")[0] for key in [*FIELDS, *FIXED] if "." in key} | {"authentication", "authorization"}


def _flatten(document: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for key, value in document.items():
        name = f"{prefix}{key}"
        if name in _NESTED and isinstance(value, dict):
            found += _flatten(value, f"{name}.")
        else:
            found.append((name, value))
    return found


def _read(key: str, value: Any, how: str) -> Any:
    try:
        match how:
            case "text" if isinstance(value, str):
                return value
            case "number" if isinstance(value, int) and not isinstance(value, bool):
                return value
            case "flag" if isinstance(value, bool):
                return value
            case "list" if isinstance(value, list):
                return value
            case "map" if isinstance(value, dict):
                return {str(name): str(amount) for name, amount in value.items()}
            case "duration" if isinstance(value, str):
                return parse_duration(value)
            case "quantity":
                return quantity.value(str(value))
    except ValueError as error:
        raise ConfigurationError(f"{key}: {error}") from None
    raise ConfigurationError(f"{key}: {value!r} is not a {how}")


def _check(config: KubeletConfig) -> None:
    if config.authorization_mode not in {"Webhook", "AlwaysAllow"}:
        raise ConfigurationError("authorization.mode must be Webhook or AlwaysAllow")
    if config.cgroup_driver not in {"cgroupfs", "systemd"}:
        raise ConfigurationError("cgroupDriver must be cgroupfs or systemd")
    if config.image_gc_low >= config.image_gc_high:
        raise ConfigurationError("imageGCLowThresholdPercent must be less than imageGCHighThresholdPercent")
    if config.shutdown_grace_critical > config.shutdown_grace:
        raise ConfigurationError("shutdownGracePeriodCriticalPods must not be longer than shutdownGracePeriod")
    if bool(config.tls_cert_file) != bool(config.tls_private_key_file):
        raise ConfigurationError("tlsCertFile and tlsPrivateKeyFile go together")
    if config.log_max_files < 2:
        raise ConfigurationError("containerLogMaxFiles must be at least 2")
