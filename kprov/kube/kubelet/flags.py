"""The kubelet's command line: upstream's flags."""

from __future__ import annotations

from kprov.kube.api.flags import Flags, FlagSet
from kprov.kube.kubelet.config import KubeletConfig


def kubelet_flags() -> FlagSet:
    """The flags that are understood, and those that are refused by name."""
    flags = FlagSet("kubelet", "The agent on every machine: runs pods and reports on them.")
    flags.string("config", "", "KubeletConfiguration file (kubelet.config.k8s.io/v1beta1)")
    flags.string("kubeconfig", "", "kubeconfig for the API server; written when the kubelet joins")
    flags.string(
        "bootstrap-kubeconfig", "", "kubeconfig with a bootstrap token, used where --kubeconfig does not exist yet"
    )
    flags.string("cert-dir", "/var/lib/kubelet/pki", "folder of the kubelet's certificates")
    flags.string("root-dir", "/var/lib/kubelet", "folder of the kubelet's files")
    flags.string("hostname-override", "", "node name, where it is not the machine's host name")
    flags.string("node-ip", "", "the machine's address in the cluster")
    flags.mapping("node-labels", {}, "labels that the node is registered with")
    flags.string("register-with-taints", "", "taints that the node is registered with: key=value:effect,...")
    flags.boolean("register-node", True, "register the node")
    flags.string("container-runtime-endpoint", "", "the container runtime's socket")
    flags.string("image-service-endpoint", "", "the image service's socket, where it is another")
    flags.choice("container-runtime", "remote", ("remote",), "the kind of container runtime")
    flags.string("pod-infra-container-image", "", "sandbox image, which image cleaning keeps")
    flags.choice("cloud-provider", "", ("",), "no cloud provider is built in")
    flags.unimplemented(
        "cgroup-driver",
        "cluster-dns",
        "cluster-domain",
        "fail-swap-on",
        "max-pods",
        "port",
        "address",
        "anonymous-auth",
        "authorization-mode",
        "client-ca-file",
        "tls-cert-file",
        "tls-private-key-file",
        "rotate-certificates",
        "resolv-conf",
        "system-reserved",
        "kube-reserved",
        "eviction-hard",
        "node-status-update-frequency",
        "read-only-port",
        "healthz-port",
        "image-gc-high-threshold",
        "image-gc-low-threshold",
        "sync-frequency",
        "container-log-max-size",
        reason="set it in the file that --config names",
    )
    flags.unimplemented(
        "config-dir",
        "exit-on-lock-contention",
        "lock-file",
        "experimental-allocatable-ignore-eviction",
        "runtime-cgroups",
        "kubelet-cgroups",
        "keep-terminated-pod-volumes",
        "seccomp-default",
        "image-credential-provider-config",
        "image-credential-provider-bin-dir",
        "node-status-max-images",
        "feature-gates",
        "pod-manifest-path",
        "manifest-url",
        "volume-plugin-dir",
        "housekeeping-interval",
        "max-open-files",
        "eviction-soft",
    )
    return flags


def parse_taints(text: str) -> list[dict[str, str]]:
    """``key=value:effect`` or ``key:effect``, separated by commas; raises ValueError."""
    found = []
    for part in filter(None, (each.strip() for each in text.split(","))):
        name, colon, effect = part.rpartition(":")
        if not colon or effect not in ("NoSchedule", "PreferNoSchedule", "NoExecute"):
            raise ValueError(f"{part!r} is not a taint such as key=value:NoSchedule")
        key, _, value = name.partition("=")
        found.append({"key": key, "effect": effect, **({"value": value} if value else {})})
    return found


def apply_flags(config: KubeletConfig, flags: Flags) -> None:
    """Let flags win over the configuration file, as upstream does; raises ValueError."""
    if flags.container_runtime_endpoint:
        config.runtime_endpoint = flags.container_runtime_endpoint
    if flags.image_service_endpoint:
        config.image_endpoint = flags.image_service_endpoint
    if "register-node" in flags.given:
        config.register_node = flags.register_node
    if flags.register_with_taints:
        config.register_with_taints = parse_taints(flags.register_with_taints)
    if not config.runtime_endpoint:
        config.runtime_endpoint = "unix:///run/containerd/containerd.sock"
