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
from kprov.kube.api.cipher_suites import openssl_ciphers
from kprov.kube.api.flags import parse_duration
from kprov.kube.kubelet.config_keys import FIELDS, FIXED, REFUSED

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
    protect_kernel_defaults: bool = False
    enable_debugging_handlers: bool = True
    verbosity: int = 0


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
    for key, length in (
        ("shutdownGracePeriod", config.shutdown_grace),
        ("shutdownGracePeriodCriticalPods", config.shutdown_grace_critical),
    ):
        if 0 < length < 1:
            raise ConfigurationError(f"{key}: write at least 1s, or 0s for none")
    if config.shutdown_grace_critical > config.shutdown_grace:
        raise ConfigurationError("shutdownGracePeriodCriticalPods is a part of shutdownGracePeriod: it can't be longer")
    if config.tls_cipher_suites:
        try:
            openssl_ciphers(config.tls_cipher_suites)
        except ValueError as error:
            raise ConfigurationError(f"tlsCipherSuites: {error}") from None
    if bool(config.tls_cert_file) != bool(config.tls_private_key_file):
        raise ConfigurationError("tlsCertFile and tlsPrivateKeyFile go together")
    if config.log_max_files < 2:
        raise ConfigurationError("containerLogMaxFiles must be at least 2")
