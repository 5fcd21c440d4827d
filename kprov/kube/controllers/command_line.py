"""The command line of kube-controller-manager: upstream's flags, and the settings that they make."""

from __future__ import annotations

from kprov.kube.api.daemon import DaemonError
from kprov.kube.api.flags import Flags, FlagSet
from kprov.kube.api.leader_flags import add_leader_flags
from kprov.kube.api.serving_flags import add_serving_flags
from kprov.kube.controllers.options import Options
from kprov.kube.controllers.registry import ROWS

_NO_LEGACY_TOKENS = "LegacyServiceAccountTokenNoAutoGeneration"
GATES = {_NO_LEGACY_TOKENS: True}
"""Upstream's feature gates that mean something here, with their defaults."""


def flag_set() -> FlagSet:
    """Every flag that upstream knows: those that mean something here, and those that are refused."""
    flags = FlagSet("kube-controller-manager", "moves the cluster from what is to what should be")
    defaults = Options()
    flags.string("kubeconfig", "", "path to the kubeconfig file with authorization information")
    flags.string("master", "", "address of the API server; overrides the kubeconfig's")
    add_serving_flags(flags, 10257)
    flags.boolean("authentication-skip-lookup", False, "do not look up the missing authentication configuration")
    flags.boolean("authentication-tolerate-lookup-failure", False, "serve without the authentication configuration")
    flags.string("requestheader-client-ca-file", "", "authority of front proxies; kprov believes none here")
    flags.strings("requestheader-allowed-names", (), "names of front proxies; kprov believes none here")
    flags.strings("controllers", ("*",), "the controllers to run: '*', 'name', '-name'")
    flags.integer("port", 0, "the insecure port of old releases: only 0")
    flags.string("cert-dir", "", "folder for a self-made certificate; kprov keeps it in memory")
    flags.boolean("profiling", False, "kprov serves no profiles: only false changes nothing")
    flags.boolean("contention-profiling", False, "kprov serves no profiles")
    flags.boolean("use-service-account-credentials", False, "one service account for each controller")
    flags.string("cluster-name", defaults.cluster_name, "instance prefix of the cluster")
    flags.string("cluster-cidr", "", "range of the pods' addresses")
    flags.string("service-cluster-ip-range", "", "range of the Services' addresses")
    flags.boolean("allocate-node-cidrs", False, "give each node a share of the pods' range")
    flags.choice("cidr-allocator-type", "RangeAllocator", ("RangeAllocator",), "how shares are given")
    flags.boolean("configure-cloud-routes", True, "there is no cloud: changes nothing")
    flags.choice("cloud-provider", "", ("", "external"), "there is none")
    flags.integer("node-cidr-mask-size", defaults.node_cidr_mask_size, "prefix length of a node's share")
    flags.integer("node-cidr-mask-size-ipv4", 0, "the same, for IPv4")
    flags.string("cluster-signing-cert-file", "", "authority that signs certificates")
    flags.string("cluster-signing-key-file", "", "its key")
    flags.duration("cluster-signing-duration", None, "longest validity of a signed certificate")
    flags.duration("experimental-cluster-signing-duration", None, "the same, by its older name")
    flags.string("root-ca-file", "", "authority that pods are told to trust")
    flags.string("service-account-private-key-file", "", "key that signs service account tokens")
    flags.duration("node-monitor-period", defaults.node_monitor_period, "time between two looks at the nodes")
    flags.duration("node-monitor-grace-period", defaults.node_monitor_grace_period, "silence before a node is Unknown")
    flags.duration("node-startup-grace-period", defaults.node_startup_grace_period, "the same, for a node that starts")
    flags.duration(
        "pod-eviction-timeout", defaults.pod_eviction_timeout, "taints with tolerationSeconds took its place"
    )
    flags.number("node-eviction-rate", defaults.node_eviction_rate, "nodes a second that are given up")
    flags.number("secondary-node-eviction-rate", defaults.secondary_node_eviction_rate, "the same in a sick zone")
    flags.number("unhealthy-zone-threshold", defaults.unhealthy_zone_threshold, "share of nodes that makes a zone sick")
    flags.integer("large-cluster-size-threshold", defaults.large_cluster_size_threshold, "nodes of a large cluster")
    flags.integer("terminated-pod-gc-threshold", defaults.terminated_pod_gc_threshold, "finished pods that are kept")
    flags.integer("max-endpoints-per-slice", defaults.max_endpoints_per_slice, "endpoints of a slice")
    flags.integer("mirroring-max-endpoints-per-subset", 1000, "endpoints of a mirrored subset")
    flags.duration("namespace-sync-period", defaults.namespace_sync_period, "kprov reacts at once")
    flags.duration("resource-quota-sync-period", 300.0, "time between two full counts of a quota")
    flags.boolean("enable-garbage-collector", True, "run the garbage collector")
    add_leader_flags(flags)
    flags.number("kube-api-qps", 20.0, "kprov does not limit itself: changes nothing")
    flags.integer("kube-api-burst", 30, "kprov does not limit itself: changes nothing")
    flags.string("kube-api-content-type", "application/json", "kprov speaks JSON")
    flags.duration("min-resync-period", 43200.0, "kprov's informers need no resync")
    flags.duration("controller-start-interval", 0.0, "kprov starts all controllers together")
    flags.mapping("feature-gates", {}, f"upstream's switches; kprov has {', '.join(GATES)}")
    for row in ROWS:
        if row.workers_flag:
            flags.integer(row.workers_flag, 0, f"workers of {row.name}; 0 is kprov's own number")
    others = "cron-job ephemeralvolume horizontal-pod-autoscaler resource-quota service statefulset ttl-after-finished"
    for name in (f"concurrent-{word}-syncs" for word in [*others.split(), "validating-admission-policy-status"]):
        if not any(row.workers_flag == name for row in ROWS):
            flags.integer(name, 0, "changes nothing")
    flags.unimplemented(
        "address",
        "allow-untagged-cloud",
        "attach-detach-reconcile-sync-period",
        "cloud-config",
        "deployment-controller-sync-period",
        "disable-attach-detach-reconcile-sync",
        "enable-dynamic-provisioning",
        "enable-hostpath-provisioner",
        "enable-taint-manager",
        "endpoint-updates-batch-period",
        "endpointslice-updates-batch-period",
        "external-cloud-volume-plugin",
        "flex-volume-plugin-dir",
        "horizontal-pod-autoscaler-cpu-initialization-period",
        "horizontal-pod-autoscaler-downscale-stabilization",
        "horizontal-pod-autoscaler-initial-readiness-delay",
        "horizontal-pod-autoscaler-sync-period",
        "horizontal-pod-autoscaler-tolerance",
        "http2-max-streams-per-connection",
        "log-flush-frequency",
        "node-cidr-mask-size-ipv6",
        "node-sync-period",
        "permit-address-sharing",
        "permit-port-sharing",
        "pv-recycler-increment-timeout-nfs",
        "pv-recycler-minimum-timeout-hostpath",
        "pv-recycler-minimum-timeout-nfs",
        "pv-recycler-pod-template-filepath-hostpath",
        "pv-recycler-pod-template-filepath-nfs",
        "pv-recycler-timeout-increment-hostpath",
        "pvclaimbinder-sync-period",
        "requestheader-extra-headers-prefix",
        "requestheader-group-headers",
        "requestheader-username-headers",
        "route-reconciliation-period",
        "show-hidden-metrics-for-version",
        "tls-cipher-suites",
        "tls-min-version",
        "tls-sni-cert-key",
        "volume-host-allow-local-loopback",
        "volume-host-cidr-denylist",
    )
    for signer in ("kube-apiserver-client", "kubelet-client", "kubelet-serving", "legacy-unknown"):
        reason = "every signer uses --cluster-signing-cert-file and --cluster-signing-key-file"
        flags.unimplemented(f"cluster-signing-{signer}-cert-file", f"cluster-signing-{signer}-key-file", reason=reason)
    return flags


def _gates(given: dict[str, str]) -> dict[str, bool]:
    found = dict(GATES)
    for name, value in given.items():
        if name not in GATES:
            raise DaemonError(f"--feature-gates: kprov has no gate {name}; it has {', '.join(GATES)}")
        if value not in ("true", "false"):
            raise DaemonError(f"--feature-gates: {name} is true or false, not {value!r}")
        found[name] = value == "true"
    return found


def options_of(flags: Flags) -> Options:
    """The settings that the flags make. Raises DaemonError for a feature gate that does not exist here."""
    year = Options().cluster_signing_duration
    signing = flags.cluster_signing_duration or flags.experimental_cluster_signing_duration or year
    workers = {
        row.name: count
        for row in ROWS
        if row.workers_flag and (count := getattr(flags, row.workers_flag.replace("-", "_"))) > 0
    }
    return Options(
        cluster_name=flags.cluster_name,
        cluster_cidr=flags.cluster_cidr,
        service_cluster_ip_range=flags.service_cluster_ip_range,
        allocate_node_cidrs=flags.allocate_node_cidrs,
        node_cidr_mask_size=flags.node_cidr_mask_size_ipv4 or flags.node_cidr_mask_size,
        cluster_signing_cert_file=flags.cluster_signing_cert_file,
        cluster_signing_key_file=flags.cluster_signing_key_file,
        cluster_signing_duration=signing,
        root_ca_file=flags.root_ca_file,
        service_account_private_key_file=flags.service_account_private_key_file,
        legacy_tokens=not _gates(flags.feature_gates)[_NO_LEGACY_TOKENS],
        node_monitor_period=flags.node_monitor_period,
        node_monitor_grace_period=flags.node_monitor_grace_period,
        node_startup_grace_period=flags.node_startup_grace_period,
        pod_eviction_timeout=flags.pod_eviction_timeout,
        node_eviction_rate=flags.node_eviction_rate,
        secondary_node_eviction_rate=flags.secondary_node_eviction_rate,
        unhealthy_zone_threshold=flags.unhealthy_zone_threshold,
        large_cluster_size_threshold=flags.large_cluster_size_threshold,
        terminated_pod_gc_threshold=flags.terminated_pod_gc_threshold,
        namespace_sync_period=flags.namespace_sync_period,
        max_endpoints_per_slice=flags.max_endpoints_per_slice,
        concurrent=workers,
    )
