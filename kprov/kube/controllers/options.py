"""The settings of kube-controller-manager that its controllers read."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Options:
    """Defaults are upstream's; durations are seconds."""

    cluster_name: str = "kubernetes"
    cluster_cidr: str = ""
    service_cluster_ip_range: str = ""
    allocate_node_cidrs: bool = False
    node_cidr_mask_size: int = 24
    cluster_signing_cert_file: str = ""
    cluster_signing_key_file: str = ""
    cluster_signing_duration: float = 365 * 86400.0
    root_ca_file: str = ""
    service_account_private_key_file: str = ""
    legacy_tokens: bool = False  # a token Secret for every service account
    node_monitor_period: float = 5.0
    node_monitor_grace_period: float = 40.0
    node_startup_grace_period: float = 60.0
    pod_eviction_timeout: float = 300.0
    node_eviction_rate: float = 0.1
    secondary_node_eviction_rate: float = 0.01
    unhealthy_zone_threshold: float = 0.55
    large_cluster_size_threshold: int = 50
    terminated_pod_gc_threshold: int = 12500
    namespace_sync_period: float = 300.0
    max_endpoints_per_slice: int = 100
    concurrent: dict[str, int] = field(default_factory=dict)  # controller's name -> workers
