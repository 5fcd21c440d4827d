from __future__ import annotations

from pathlib import Path

import pytest

from kprov.kube.api.daemon import DaemonError
from kprov.kube.scheduler import configuration
from kprov.kube.scheduler.options import scheduler_flags
from kprov.kube.scheduler.profiles import framework_of

HEAD = "apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\n"


def load(tmp_path: Path, text: str, *flags: str) -> configuration.Configuration:
    file = tmp_path / "config.yaml"
    file.write_text(HEAD + text)
    return configuration.load(scheduler_flags().parse([f"--config={file}", *flags]))


def test_the_file_is_read(tmp_path: Path) -> None:
    settings = load(
        tmp_path,
        """
clientConnection: {kubeconfig: /etc/kubernetes/scheduler.conf}
leaderElection: {leaderElect: false, leaseDuration: 30s}
percentageOfNodesToScore: 50
podMaxBackoffSeconds: 20
profiles:
- schedulerName: packing
  plugins: {score: {disabled: [{name: ImageLocality}], enabled: [{name: TaintToleration, weight: 7}]}}
  pluginConfig:
  - {name: NodeResourcesFit, args: {scoringStrategy: {type: MostAllocated}}}
""",
        "--kubeconfig=other",
    )
    assert settings.kubeconfig == "/etc/kubernetes/scheduler.conf"
    assert (settings.leader_election.enabled, settings.leader_election.lease_duration) == (False, 30)
    assert (settings.initial_backoff, settings.max_backoff) == (1, 20)
    (profile,) = settings.profiles
    assert profile.most_allocated
    framework = framework_of(profile)
    weights = {plugin.name: weight for plugin, weight in framework.scores}
    assert "ImageLocality" not in weights
    assert weights["TaintToleration"] == 7
    assert "NodePorts" in {plugin.name for plugin in framework.filters}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("foo: 1", "foo is not a setting that kprov implements"),
        ("leaderElection: {resourceLock: configmaps}", "kprov implements leases only"),
        ("profiles: [{schedulerName: a}, {schedulerName: a}]", "the same schedulerName"),
        ("profiles: [{plugins: {filter: {enabled: [{name: Mine}]}}}]", "'Mine' is not one that kprov implements"),
        ("percentageOfNodesToScore: 101", "from 0 to 100"),
        ("leaderElection: {leaseDuration: soon}", "invalid duration"),
    ],
)
def test_what_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DaemonError, match=message):
        load(tmp_path, text)


def test_another_kind_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("kind: KubeletConfiguration\n")
    with pytest.raises(DaemonError, match="write kind: KubeSchedulerConfiguration"):
        configuration.load(scheduler_flags().parse([f"--config={file}"]))
