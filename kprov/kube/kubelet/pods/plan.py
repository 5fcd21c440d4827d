"""Decides what to do for a pod next: pure, from what is wanted and what runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from kprov.kube.kubelet import names
from kprov.kube.kubelet.pods.records import CREATED, EXITED, RUNNING, UNKNOWN, ContainerRecord, PodRecord
from kprov.kube.kubelet.pods.resources import is_sidecar

Pod = dict[str, Any]


@dataclass(slots=True)
class Stop:
    """A container to be stopped, and why; ``probe`` names the kind of probe that it failed."""

    record: ContainerRecord
    container: dict[str, Any] | None
    message: str
    probe: str | None = None


@dataclass(slots=True)
class Actions:
    """What to do now."""

    new_sandbox: bool = False
    start: list[dict[str, Any]] = field(default_factory=list)
    stop: list[Stop] = field(default_factory=list)
    finished: bool = False  # every container did what it could; nothing will be started again


def wants_restart(policy: str, latest: ContainerRecord | None) -> bool:
    """Whether a container in that state is to be started (again)."""
    if latest is None or latest.state == CREATED:
        return True
    if latest.state in (RUNNING, UNKNOWN):
        return False
    return policy == "Always" or (policy == "OnFailure" and latest.exit_code != 0)


def plan(
    pod: Pod, record: PodRecord, failed_probe: Callable[[str], str | None], started: Callable[[str], bool]
) -> Actions:
    """The next actions.

    ``failed_probe`` names the probe for which a container must be restarted, ``started`` says whether its startup
    probe passed.
    """
    spec = pod["spec"]
    policy = spec.get("restartPolicy", "Always")
    containers = spec["containers"]
    latest = {each["name"]: record.latest(each["name"]) for each in containers}
    pending = [each for each in containers if wants_restart(policy, latest[each["name"]])]
    if not pending and all(each is not None and each.state == EXITED for each in latest.values()):
        return Actions(finished=True)
    sandbox = record.sandbox
    usable = (
        sandbox is not None
        and sandbox.ready
        and sandbox.host_network == bool(spec.get("hostNetwork"))
        and (sandbox.host_network or bool(sandbox.addresses))
    )
    if not usable:
        if policy == "Never" and sandbox is not None and record.containers:
            return Actions(finished=True)  # its containers went with the sandbox
        if sandbox is not None and not pending and not record.running:
            return Actions(finished=True)
        return Actions(new_sandbox=True)
    assert sandbox is not None
    actions = Actions()
    if not _plan_inits(spec, policy, record, sandbox.id, actions, failed_probe, started):
        return actions
    for container in containers:
        current = latest[container["name"]]
        if current is not None and current.state in (RUNNING, UNKNOWN):
            _check_running(container, current, actions, failed_probe)
        elif wants_restart(policy, current):
            actions.start.append(container)
    for container in spec.get("ephemeralContainers") or []:
        if record.latest(container["name"]) is None:
            actions.start.append(container)
    known = {
        each["name"] for key in ("containers", "initContainers", "ephemeralContainers") for each in spec.get(key) or []
    }
    for current in record.running:
        if current.name not in known:
            actions.stop.append(Stop(current, None, f"Container {current.name} is not in the pod any more"))
    return actions


def _plan_inits(
    spec: dict[str, Any],
    policy: str,
    record: PodRecord,
    sandbox: str,
    actions: Actions,
    failed_probe: Callable[[str], str | None],
    started: Callable[[str], bool],
) -> bool:
    """Plan the init containers; returns whether the pod's containers may run."""
    main_names = {each["name"] for each in spec["containers"]}
    main_ran = any(
        each.name in main_names and each.sandbox == sandbox and each.state != CREATED for each in record.containers
    )
    for container in spec.get("initContainers") or []:
        current = record.latest(container["name"])
        if current is not None and current.sandbox != sandbox and current.state not in (RUNNING, UNKNOWN):
            current = None  # what ran in a former sandbox runs again
        if is_sidecar(container):
            if current is None or current.state in (CREATED, EXITED):
                actions.start.append(container)
            else:
                _check_running(container, current, actions, failed_probe)
            if not main_ran and not (current is not None and current.state == RUNNING and started(current.id)):
                return False
            continue
        if main_ran:
            continue
        if current is None or current.state == CREATED:
            actions.start.append(container)
            return False
        if current.state == RUNNING:
            return False
        if current.state == UNKNOWN:
            actions.stop.append(Stop(current, container, f"Init container {container['name']} is in an unknown state"))
            return False
        if current.exit_code:
            if policy == "Never":
                actions.finished = True
            else:
                actions.start.append(container)
            return False
    return True


def _check_running(
    container: dict[str, Any], current: ContainerRecord, actions: Actions, failed_probe: Callable[[str], str | None]
) -> None:
    name = container["name"]
    if current.state == UNKNOWN:
        actions.stop.append(Stop(current, container, f"Container {name} is in an unknown state, will be restarted"))
    elif current.hash and current.hash != names.container_hash(container):
        actions.stop.append(Stop(current, container, f"Container {name} definition changed, will be restarted"))
    elif probe := failed_probe(current.id):
        actions.stop.append(
            Stop(current, container, f"Container {name} failed {probe} probe, will be restarted", probe)
        )
