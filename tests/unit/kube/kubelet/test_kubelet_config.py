"""KubeletConfiguration: what is read, and what is refused with which words."""

from __future__ import annotations

from typing import Any

import pytest

from kprov.kube.kubelet.config import ConfigurationError, parse_config
from kprov.kube.kubelet.flags import kubelet_flags, parse_taints

HEAD = {"apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration"}


def test_everything_that_a_cluster_sets_is_read() -> None:
    config = parse_config(
        {
            **HEAD,
            "authentication": {
                "anonymous": {"enabled": False},
                "x509": {"clientCAFile": "/ca"},
                "webhook": {"cacheTTL": "2m"},
            },
            "authorization": {"mode": "Webhook", "webhook": {"cacheAuthorizedTTL": "5m0s"}},
            "nodeStatusUpdateFrequency": "10s",
            "containerLogMaxSize": "20Mi",
            "systemReserved": {"cpu": "100m"},
            "evictionHard": {"memory.available": "5%"},
            "registerWithTaints": [{"key": "a", "effect": "NoSchedule"}],
            "staticPodPath": "",
            "logging": {"format": "text", "verbosity": 2},
            "cgroupDriver": "systemd",
        }
    )
    assert (config.client_ca_file, config.webhook_authentication_ttl, config.authorized_ttl) == ("/ca", 120, 300)
    assert (config.log_max_size, config.verbosity, config.cgroup_driver) == (20 * 2**20, 2, "systemd")
    assert config.eviction_hard == {"memory.available": "5%"}


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"maxPod": 10}, "unknown key maxPod; did you mean maxPods?"),
        (
            {"staticPodPath": "/etc/kubernetes/manifests"},
            "staticPodPath: '/etc/kubernetes/manifests' is not implemented",
        ),
        (
            {"evictionSoft": {"memory.available": "1Gi"}},
            "evictionSoft is a kubelet setting that kprov does not implement",
        ),
        ({"maxPods": "110"}, "maxPods: '110' is not a number"),
        ({"syncFrequency": "soon"}, "syncFrequency: invalid duration"),
        ({"authentication": {"anonymous": {"enable": True}}}, "did you mean authentication.anonymous.enabled"),
        ({"tlsCertFile": "/a"}, "tlsCertFile and tlsPrivateKeyFile go together"),
        ({"shutdownGracePeriod": "500ms"}, "shutdownGracePeriod: write at least 1s, or 0s"),
        (
            {"shutdownGracePeriod": "10s", "shutdownGracePeriodCriticalPods": "11s"},
            "shutdownGracePeriodCriticalPods is a part of shutdownGracePeriod",
        ),
        ({"cgroupDriver": "cgroupsfs"}, "cgroupDriver must be"),
        ({"featureGates": {"X": True}}, "featureGates: {'X': True} is not implemented"),
    ],
)
def test_what_cannot_be_done_is_refused(more: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        parse_config({**HEAD, **more})
    assert words in str(refused.value)


def test_flags_and_taints() -> None:
    flags = kubelet_flags().parse(["--node-labels=a=b,c=d", "--node-ip", "192.0.2.1", "--container-runtime=remote"])
    assert (flags.node_labels, flags.node_ip) == ({"a": "b", "c": "d"}, "192.0.2.1")
    assert parse_taints("a=b:NoSchedule,c:NoExecute") == [
        {"key": "a", "value": "b", "effect": "NoSchedule"},
        {"key": "c", "effect": "NoExecute"},
    ]
    with pytest.raises(ValueError, match="is not a taint"):
        parse_taints("a=b")
