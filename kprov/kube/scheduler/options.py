"""The scheduler's command line: upstream's flags, with upstream's defaults."""

from __future__ import annotations

from kprov.kube.api.flags import FlagSet
from kprov.kube.api.leader_flags import add_leader_flags
from kprov.kube.api.serving_flags import add_serving_flags

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
    add_leader_flags(flags)
    add_serving_flags(flags, 10259)
    flags.choice("port", "0", ("0",), "the insecure port, which there is none of")
    flags.choice("tls-min-version", "VersionTLS12", ("VersionTLS12",), "the least TLS version")
    flags.boolean("authentication-tolerate-lookup-failure", True, "start even if authentication cannot be looked up")
    flags.duration("pod-max-in-unschedulable-pods-duration", 300.0, "when a pod is tried again without any event")
    flags.choice("profiling", "false", ("false",), "kprov serves no profiles")
    flags.unimplemented(*_UNIMPLEMENTED)
    return flags
