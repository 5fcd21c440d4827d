"""A pod whose ConfigMap and Secret change, and what it sees of them."""

from __future__ import annotations

from acceptance_cluster import Kubectl
from manifests import config_map, container, pod

READ = ("exec", "reader", "--", "sh", "-c", "echo $COLOR $(cat /settings/color; echo; cat /key/word)")


def start_and_change(kube: Kubectl) -> None:
    """Start the pod with red and one, and make blue and two of them."""
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "key"}, "stringData": {"word": "one"}}
    mounts = [{"name": "settings", "mountPath": "/settings"}, {"name": "key", "mountPath": "/key"}]
    volumes = [
        {"name": "settings", "configMap": {"name": "settings"}},
        {"name": "key", "secret": {"secretName": "key"}},
    ]
    environment = [{"name": "COLOR", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "color"}}}]
    reader = pod("reader", container(volumeMounts=mounts, env=environment), volumes=volumes)
    kube.apply(config_map("settings", color="red"), secret, reader)
    kube("wait", "--for=condition=Ready", "pod/reader", "--timeout=150s")
    assert kube(*READ).split() == ["red", "red", "one"]
    kube.apply(config_map("settings", color="blue"), {**secret, "stringData": {"word": "two"}})
