"""KubeSchedulerConfiguration: what the scheduler's file may say, and what its flags say where the file is silent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kprov.kube.api.daemon import DaemonError
from kprov.kube.api.flags import Flags, parse_duration

_API_VERSIONS = ("kubescheduler.config.k8s.io/v1", "kubescheduler.config.k8s.io/v1beta3")


@dataclass(slots=True)
class Profile:
    """One profile: the plugins for pods that name it.

    Args:
        name: the schedulerName.
        disabled: plugins that do not take part, by extension point ("*" means all points).
        weights: scores' weights that differ from the defaults.
        most_allocated: prefer fuller nodes.
        hard_pod_affinity_weight: what placed pods' required affinity adds to a node's score.
        default_spreading: spread pods that say nothing about it.
    """

    name: str = "default-scheduler"
    disabled: dict[str, set[str]] = field(default_factory=dict)
    weights: dict[str, int] = field(default_factory=dict)
    most_allocated: bool = False
    hard_pod_affinity_weight: int = 1
    default_spreading: bool = True

    def has(self, plugin: str, point: str) -> bool:
        """Whether a plugin takes part at an extension point."""
        return not any({plugin, "*"} & self.disabled.get(where, set()) for where in (point, "multiPoint"))


@dataclass(slots=True)
class LeaderElection:
    """Whether and how the scheduler is elected."""

    enabled: bool = True
    lease_duration: float = 15.0
    renew_deadline: float = 10.0
    retry_period: float = 2.0
    name: str = "kube-scheduler"
    namespace: str = "kube-system"


@dataclass(slots=True)
class Configuration:
    """All that the scheduler was told."""

    kubeconfig: str = ""
    profiles: list[Profile] = field(default_factory=lambda: [Profile()])
    leader_election: LeaderElection = field(default_factory=LeaderElection)
    initial_backoff: float = 1.0
    max_backoff: float = 10.0


class _Section:
    """A part of the file that must be read wholly: what is left over is an error, with its path."""

    def __init__(self, content: Any, path: str) -> None:
        if not isinstance(content, Mapping):
            raise DaemonError(f"--config: {path or 'the file'} must be a mapping")
        self._content = dict(content)
        self._path = path

    def take(self, name: str, default: Any = None) -> Any:
        value = self._content.pop(name, None)
        return default if value is None else value

    def section(self, name: str) -> _Section:
        return _Section(self.take(name, {}), f"{self._path}.{name}".lstrip("."))

    def duration(self, name: str, default: float) -> float:
        try:
            return parse_duration(str(self.take(name, f"{default}s")))
        except ValueError as error:
            raise DaemonError(f"--config: {self._path}.{name}: {error}") from None

    def end(self) -> None:
        for name in self._content:
            where = f"{self._path}.{name}".lstrip(".")
            raise DaemonError(f"--config: {where} is not a setting that kprov implements")


def load(flags: Flags) -> Configuration:
    """The configuration that flags and file give together; as upstream, the file wins over these flags.

    Raises:
        DaemonError: the file cannot be read, or says what kprov does not implement.
    """
    election = LeaderElection(
        flags.leader_elect,
        flags.leader_elect_lease_duration,
        flags.leader_elect_renew_deadline,
        flags.leader_elect_retry_period,
        flags.leader_elect_resource_name,
        flags.leader_elect_resource_namespace,
    )
    configuration = Configuration(kubeconfig=flags.kubeconfig, leader_election=election)
    if flags.config:
        _read_file(Path(flags.config), configuration)
    return configuration


def _read_file(path: Path, into: Configuration) -> None:
    import yaml  # only while starting

    try:
        top = _Section(yaml.safe_load(path.read_text()), "")
    except (OSError, yaml.YAMLError) as error:
        raise DaemonError(f"--config {path}: {error}") from error
    kind, version = top.take("kind"), top.take("apiVersion")
    if kind != "KubeSchedulerConfiguration" or version not in _API_VERSIONS:
        raise DaemonError(f"--config {path}: write kind: KubeSchedulerConfiguration, apiVersion: {_API_VERSIONS[0]}")
    connection = top.section("clientConnection")
    into.kubeconfig = connection.take("kubeconfig", into.kubeconfig)
    connection.end()
    _read_election(top.section("leaderElection"), into.leader_election)
    into.initial_backoff = float(top.take("podInitialBackoffSeconds", into.initial_backoff))
    into.max_backoff = float(top.take("podMaxBackoffSeconds", into.max_backoff))
    # all nodes are scored at once, whatever share would do: the setting only ever allowed to look at fewer
    share = top.take("percentageOfNodesToScore", 0)
    if not isinstance(share, int) or not 0 <= share <= 100:
        raise DaemonError("--config: percentageOfNodesToScore must be a number from 0 to 100")
    profiles = top.take("profiles", [])
    if profiles:
        into.profiles = [_profile(_Section(entry, f"profiles[{i}]")) for i, entry in enumerate(profiles)]
    names = [profile.name for profile in into.profiles]
    if len(set(names)) != len(names):
        raise DaemonError("--config: two profiles have the same schedulerName")
    top.end()


def _read_election(section: _Section, into: LeaderElection) -> None:
    into.enabled = bool(section.take("leaderElect", into.enabled))
    into.lease_duration = section.duration("leaseDuration", into.lease_duration)
    into.renew_deadline = section.duration("renewDeadline", into.renew_deadline)
    into.retry_period = section.duration("retryPeriod", into.retry_period)
    into.name = section.take("resourceName", into.name)
    into.namespace = section.take("resourceNamespace", into.namespace)
    if section.take("resourceLock", "leases") != "leases":
        raise DaemonError("--config: leaderElection.resourceLock: kprov implements leases only")
    section.end()


def _profile(section: _Section) -> Profile:
    profile = Profile(section.take("schedulerName", "default-scheduler"))
    section.take("percentageOfNodesToScore")
    plugins = section.section("plugins")
    for point in ("multiPoint", "preFilter", "filter", "postFilter", "preScore", "score", "reserve", "preBind", "bind"):
        part = plugins.section(point)
        for entry in part.take("disabled", []):
            where = {"preFilter": "filter", "preScore": "score"}.get(point, point)
            profile.disabled.setdefault(where, set()).add(entry["name"])
        for entry in part.take("enabled", []):
            _enable(profile, point, entry)
        part.end()
    plugins.end()
    for index, entry in enumerate(section.take("pluginConfig", [])):
        _plugin_config(profile, entry, index)
    section.end()
    return profile


def _enable(profile: Profile, point: str, entry: Mapping[str, Any]) -> None:
    from kprov.kube.scheduler.profiles import KNOWN_PLUGINS

    name = entry["name"]
    if name not in KNOWN_PLUGINS:
        raise DaemonError(f"--config: plugin {name!r} is not one that kprov implements")
    if entry.get("weight"):
        profile.weights[name] = int(entry["weight"])
    # a plugin that is enabled by name takes part even where "*" is disabled
    if "*" in profile.disabled.get(point, set()):
        profile.disabled[point] = set(KNOWN_PLUGINS) & (profile.disabled[point] | set(KNOWN_PLUGINS)) - {name}
    profile.disabled.get(point, set()).discard(name)


def _plugin_config(profile: Profile, entry: Mapping[str, Any], index: int) -> None:
    name = entry.get("name")
    arguments = _Section(entry.get("args") or {}, f"profiles[].pluginConfig[{index}].args")
    arguments.take("kind")
    arguments.take("apiVersion")
    if name == "NodeResourcesFit":
        strategy = arguments.section("scoringStrategy")
        kind = strategy.take("type", "LeastAllocated")
        if kind not in ("LeastAllocated", "MostAllocated"):
            raise DaemonError(f"--config: NodeResourcesFit's scoringStrategy {kind!r} is not one that kprov implements")
        resources = strategy.take("resources")
        even = [{"name": "cpu", "weight": 1}, {"name": "memory", "weight": 1}]
        if resources is not None and sorted(resources, key=lambda r: str(r.get("name"))) != even:
            raise DaemonError("--config: NodeResourcesFit: kprov scores cpu and memory, each with weight 1")
        profile.most_allocated = kind == "MostAllocated"
        strategy.end()
    elif name == "InterPodAffinity":
        profile.hard_pod_affinity_weight = int(arguments.take("hardPodAffinityWeight", 1))
    elif name == "PodTopologySpread":
        kind = arguments.take("defaultingType", "System")
        if arguments.take("defaultConstraints", []):
            raise DaemonError("--config: PodTopologySpread: defaultConstraints is not implemented by kprov")
        profile.default_spreading = kind == "System"
    arguments.end()
