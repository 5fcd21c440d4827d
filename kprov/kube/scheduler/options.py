"""The scheduler's command line: upstream's flags, with upstream's defaults."""

from __future__ import annotations

from kprov.kube.api.flags import FlagSet

_UNIMPLEMENTED = (
    "address",
    "algorithm-provider",
    "allow-metric-labels",
    "allow-metric-labels-manifest",
    "authentication-skip-lookup",
    "cert-dir",
    "contention-profiling",
    "disable-http2-serving",
    "disabled-metrics",
    "emulated-version",
    "feature-gates",
    "hard-pod-affinity-symmetric-weight",
    "http2-max-streams-per-connection",
    "kube-api-burst",
    "kube-api-content-type",
    "kube-api-qps",
    "lock-object-name",
    "lock-object-namespace",
    "log-flush-frequency",
    "permit-address-sharing",
    "permit-port-sharing",
    "policy-config-file",
    "policy-configmap",
    "policy-configmap-namespace",
    "requestheader-allowed-names",
    "requestheader-client-ca-file",
    "requestheader-extra-headers-prefix",
    "requestheader-group-headers",
    "requestheader-uid-headers",
    "requestheader-username-headers",
    "scheduler-name",
    "show-hidden-metrics-for-version",
    "tls-cipher-suites",
    "tls-sni-cert-key",
    "use-legacy-policy-config",
    "write-config-to",
)


def scheduler_flags() -> FlagSet:
    """The flags of kube-scheduler."""
    flags = FlagSet("kube-scheduler", "finds a node for each pod that has none")
    flags.string("config", "", "the configuration file (KubeSchedulerConfiguration)")
    flags.string("kubeconfig", "", "how to reach the API server; the configuration file wins")
    flags.string("master", "", "the address of the API server; overrides the kubeconfig's")
    flags.boolean("leader-elect", True, "schedule only while holding the lease")
    flags.duration("leader-elect-lease-duration", 15.0, "how long others wait before they take the lease")
    flags.duration("leader-elect-renew-deadline", 10.0, "how long the leader tries to renew before it gives up")
    flags.duration("leader-elect-retry-period", 2.0, "the pause between two attempts")
    flags.choice("leader-elect-resource-lock", "leases", ("leases",), "the kind of the lock")
    flags.string("leader-elect-resource-name", "kube-scheduler", "the lease's name")
    flags.string("leader-elect-resource-namespace", "kube-system", "the lease's namespace")
    flags.string("bind-address", "0.0.0.0", "where to serve health and metrics")  # noqa: S104 - upstream's default
    flags.integer("secure-port", 10259, "the port for it; 0 turns it off")
    flags.choice("port", "0", ("0",), "the insecure port, which there is none of")
    flags.string("tls-cert-file", "", "the serving certificate; without it one is made at the start")
    flags.string("tls-private-key-file", "", "its key")
    flags.choice("tls-min-version", "VersionTLS12", ("VersionTLS12",), "the least TLS version")
    flags.string("client-ca-file", "", "whose client certificates are believed")
    flags.string("authentication-kubeconfig", "", "where tokens are reviewed")
    flags.string("authorization-kubeconfig", "", "where access is reviewed")
    flags.boolean("authentication-tolerate-lookup-failure", True, "start even if authentication cannot be looked up")
    flags.duration("authentication-token-webhook-cache-ttl", 10.0, "how long a token's review is remembered")
    flags.duration("authorization-webhook-cache-authorized-ttl", 10.0, "how long a yes is remembered")
    flags.duration("authorization-webhook-cache-unauthorized-ttl", 10.0, "how long a no is remembered")
    flags.strings("authorization-always-allow-paths", ("/healthz", "/readyz", "/livez"), "paths that anybody may read")
    flags.duration("pod-max-in-unschedulable-pods-duration", 300.0, "when a pod is tried again without any event")
    flags.choice("profiling", "false", ("false",), "kprov serves no profiles")
    flags.unimplemented(*_UNIMPLEMENTED)
    return flags
