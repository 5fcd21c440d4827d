"""kube-apiserver's flags: upstream's names, defaults and meanings."""

from __future__ import annotations

from kprov.kube.api.flags import FlagSet
from kprov.kube.api.server_tls import MIN_VERSIONS


def flag_set() -> FlagSet:
    """Every flag that kprov implements; upstream's others are refused by name."""
    flags = FlagSet("kube-apiserver", "serves the Kubernetes API and keeps its objects in etcd")
    _serving(flags)
    _etcd(flags)
    _authentication(flags)
    _cluster(flags)
    _audit(flags)
    flags.unimplemented(
        "audit-webhook-config-file", "authentication-config",
        "authentication-token-webhook-config-file", "authorization-config", "authorization-policy-file",
        "authorization-webhook-config-file", "egress-selector-config-file",
        "etcd-servers-overrides", "external-hostname", "feature-gates", "oidc-issuer-url", "oidc-client-id",
        "tls-sni-cert-key", "tracing-config-file", "admission-control-config-file",
        "runtime-config", "cors-allowed-origins", "storage-backend",
        "service-account-max-token-expiration", "goaway-chance", "unix-socket", "permit-port-sharing",
    )  # fmt: skip
    return flags


def _serving(flags: FlagSet) -> None:
    flags.string("advertise-address", "", "the address on which the members of the cluster reach this server")
    flags.string("bind-address", "0.0.0.0", "the address to listen on")  # noqa: S104
    flags.integer("secure-port", 6443, "the port for HTTPS")
    flags.string("tls-cert-file", "", "the serving certificate, with its chain")
    flags.string("tls-private-key-file", "", "the serving certificate's key")
    flags.choice("tls-min-version", "VersionTLS12", MIN_VERSIONS, "the lowest version of TLS")
    flags.strings("tls-cipher-suites", (), "the cipher suites of TLS 1.2, by IANA's names; all strong ones by default")
    flags.string("cert-dir", "/var/run/kubernetes", "where the serving certificate lies if no flag names it")
    flags.integer("max-requests-inflight", 400, "reads at a time; 0 for no limit")
    flags.integer("max-mutating-requests-inflight", 200, "writes at a time; 0 for no limit")
    flags.duration("request-timeout", 60.0, "how long a request may take, watches aside")
    flags.integer("min-request-timeout", 1800, "seconds after which a watch without a timeout is ended, at least")
    flags.duration("shutdown-delay-duration", 0.0, "how long to go on serving, not ready, once told to stop")
    flags.boolean("profiling", True, "upstream's profiles do not exist here; false changes nothing")


def _etcd(flags: FlagSet) -> None:
    flags.strings("etcd-servers", (), "the members of etcd, as scheme://host:port")
    flags.string("etcd-prefix", "/registry", "what every key begins with")
    flags.string("etcd-cafile", "", "etcd's authority")
    flags.string("etcd-certfile", "", "the certificate to show to etcd")
    flags.string("etcd-keyfile", "", "its key")
    flags.string("encryption-provider-config", "", "which kinds are encrypted in etcd, and with which keys")
    flags.duration("etcd-compaction-interval", 300.0, "how often etcd is told to forget; 0 for never")
    flags.choice("storage-media-type", "application/json", ("application/json",), "how objects are stored")
    flags.boolean("watch-cache", True, "kprov always serves from its cache; true only")
    flags.duration("event-ttl", 3600.0, "how long events are kept")


def _audit(flags: FlagSet) -> None:
    flags.string("audit-policy-file", "", "which requests are recorded, and how much of each")
    flags.string("audit-log-path", "", "the file that they are recorded in; - for standard output")
    flags.choice("audit-log-format", "json", ("json",), "how they are written: one JSON object a line")
    flags.choice(
        "audit-log-mode", "blocking", ("batch", "blocking", "blocking-strict"), "whether requests wait for the record"
    )
    flags.integer("audit-log-maxsize", 0, "megabytes after which the file is renamed; 0 for never")
    flags.integer("audit-log-maxbackup", 0, "how many old files are kept; 0 for all")
    flags.integer("audit-log-maxage", 0, "days after which old files go; 0 for never")
    flags.boolean("audit-log-compress", False, "whether old files are compressed")


def _authentication(flags: FlagSet) -> None:
    flags.boolean("anonymous-auth", True, "whether requests without credentials are let in as system:anonymous")
    flags.string("client-ca-file", "", "the authority of client certificates")
    flags.string("token-auth-file", "", 'a file of static tokens: token,user,uid,"group,group"')
    flags.boolean("enable-bootstrap-token-auth", False, "whether bootstrap tokens authenticate")
    flags.strings("service-account-issuer", (), "who signs tokens of service accounts; the first one for new ones")
    flags.strings("service-account-key-file", (), "keys that verify tokens of service accounts")
    flags.string("service-account-signing-key-file", "", "the key that signs them")
    flags.string("service-account-jwks-uri", "", "where the keys are published, if not here")
    flags.boolean("service-account-lookup", True, "whether a token's account must still exist; true only")
    flags.boolean("service-account-extend-token-expiration", True, "whether pods' tokens last a year")
    flags.strings("api-audiences", (), "what this server calls itself in tokens; the issuer by default")
    flags.string("requestheader-client-ca-file", "", "the authority of front proxies")
    flags.strings("requestheader-allowed-names", (), "the names that front proxies may have")
    flags.strings("requestheader-username-headers", ("x-remote-user",), "their header for the user")
    flags.strings("requestheader-group-headers", ("x-remote-group",), "their header for the groups")
    flags.strings("requestheader-extra-headers-prefix", ("x-remote-extra-",), "how their headers for more begin")
    flags.strings("authorization-mode", ("AlwaysAllow",), "Node, RBAC, AlwaysAllow, AlwaysDeny; in order")
    flags.strings("enable-admission-plugins", (), "plugins besides the default ones")
    flags.strings("disable-admission-plugins", (), "default plugins to leave out")


def _cluster(flags: FlagSet) -> None:
    flags.boolean("allow-privileged", False, "whether containers may be privileged")
    flags.string("service-cluster-ip-range", "10.0.0.0/24", "the network of Services")
    flags.string("service-node-port-range", "30000-32767", "the ports of Services of type NodePort")
    flags.integer("apiserver-count", 1, "kept for old manifests: leases tell how many servers there are")
    flags.choice("endpoint-reconciler-type", "lease", ("lease", "none"), "how the Service kubernetes is kept")
    flags.integer("kubernetes-service-node-port", 0, "the node port of the Service kubernetes, if it shall have one")
    flags.string("kubelet-client-certificate", "", "the certificate to show to kubelets")
    flags.string("kubelet-client-key", "", "its key")
    flags.string("kubelet-certificate-authority", "", "the authority of kubelets' serving certificates")
    flags.strings(
        "kubelet-preferred-address-types",
        ("Hostname", "InternalDNS", "InternalIP", "ExternalDNS", "ExternalIP"),
        "which of a node's addresses to reach its kubelet by",
    )
    flags.duration("kubelet-timeout", 5.0, "how long a kubelet may take to be connected to")
    flags.string("proxy-client-cert-file", "", "the certificate to show to API servers behind APIServices")
    flags.string("proxy-client-key-file", "", "its key")
    flags.boolean("enable-aggregator-routing", False, "whether Services are reached by their endpoints' addresses")
