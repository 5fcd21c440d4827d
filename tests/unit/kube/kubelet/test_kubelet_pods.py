"""What a pod is made into: resources, environment, plan, status, hosts, DNS."""

from __future__ import annotations

from typing import Any

import pytest

from kprov.kube.kubelet.pods import resources
from kprov.kube.kubelet.pods.admission import forbidden_sysctl, refusal
from kprov.kube.kubelet.pods.backoff import Backoff
from kprov.kube.kubelet.pods.dns import Resolver, pod_resolver
from kprov.kube.kubelet.pods.environment import ContainerConfigError, container_environment, service_environment
from kprov.kube.kubelet.pods.expansion import expand
from kprov.kube.kubelet.pods.fields import FieldError, field_value, resource_value
from kprov.kube.kubelet.pods.images import ImageError, credentials, default_policy, normalised
from kprov.kube.kubelet.pods.mounts import hosts_file
from kprov.kube.kubelet.pods.plan import plan
from kprov.kube.kubelet.pods.records import CREATED, EXITED, RUNNING, ContainerRecord, PodRecord, SandboxRecord
from kprov.kube.kubelet.pods.status import Observation, pod_status
from kprov.kube.kubelet.pods.status_writer import differs, status_patch

Pod = dict[str, Any]


def pod(*containers: Pod, **spec: Any) -> Pod:
    meta = {"name": "p", "namespace": "ns", "uid": "u", "labels": {"app": "x"}}
    return {"metadata": meta, "spec": {"containers": list(containers) or [{"name": "c", "image": "i"}], **spec}}


def sized(name: str = "c", requests: Pod | None = None, limits: Pod | None = None, **more: Any) -> Pod:
    return {"name": name, "image": "i", "resources": {"requests": requests or {}, "limits": limits or {}}, **more}


def ran(name: str, state: int, *, code: int = 0, sandbox: str = "s", restarts: int = 0) -> ContainerRecord:
    return ContainerRecord(
        f"{name}-{restarts}", name, sandbox, state, restarts, "", exit_code=code, created_at=restarts
    )


def record(*containers: ContainerRecord, ready: bool = True) -> PodRecord:
    return PodRecord("u", "p", "ns", [SandboxRecord("s", 0, 0, ready, addresses=["10.0.0.1"])], list(containers))


@pytest.mark.parametrize(
    ("containers", "expected"),
    [
        ([sized()], "BestEffort"),
        ([sized(requests={"cpu": "1"})], "Burstable"),
        ([sized(limits={"cpu": "1", "memory": "1Gi"})], "Guaranteed"),
        ([sized(limits={"cpu": "1", "memory": "1Gi"}, requests={"cpu": "500m"})], "Burstable"),
        ([sized(limits={"cpu": "1", "memory": "1Gi"}), sized("d")], "Burstable"),
        ([sized(requests={"cpu": "0"})], "BestEffort"),
    ],
)
def test_quality_of_service(containers: list[Pod], expected: str) -> None:
    assert resources.qos_class(pod(*containers)) == expected


def test_a_pod_needs_the_larger_of_its_containers_and_its_init_containers() -> None:
    wanted = pod(
        sized(requests={"cpu": "100m", "memory": "1Gi"}),
        initContainers=[
            sized("sidecar", {"cpu": "50m"}, restartPolicy="Always"),
            sized("large", {"cpu": "500m", "memory": "10Mi"}),
        ],
        overhead={"cpu": "10m"},
    )
    assert resources.pod_requests(wanted) == {"cpu": 560, "memory": 2**30}


@pytest.mark.parametrize(
    ("text", "expected"),
    [("$(A)", "1"), ("$$(A)", "$(A)"), ("$(B)-$(A)", "$(B)-1"), ("$A $", "$A $"), ("$(", "$("), ("$$", "$")],
)
def test_expansion(text: str, expected: str) -> None:
    assert expand(text, {"A": "1"}) == expected


def test_fields() -> None:
    mine = pod(sized(limits={"cpu": "1500m"}))
    assert field_value(mine, "metadata.labels['app']") == "x"
    assert field_value(mine, "metadata.labels") == 'app="x"'
    with pytest.raises(FieldError):
        field_value(mine, "spec.containers")
    container = mine["spec"]["containers"][0]
    assert resource_value(container, {"resource": "limits.cpu"}, {}) == "2"
    assert resource_value(container, {"resource": "limits.cpu", "divisor": "1m"}, {}) == "1500"
    assert resource_value(container, {"resource": "limits.memory", "divisor": "1Mi"}, {"memory": 2**30}) == "1024"
    assert resource_value(container, {"resource": "requests.memory"}, {"memory": 2**30}) == "0"


async def test_environment_precedence_and_what_is_missing() -> None:
    async def lookup(kind: str, namespace: str, name: str) -> Pod | None:
        found: dict[str, Pod] = {"cm": {"data": {"A": "map", "B": "map"}}, "secret": {"data": {"S": "c2VjcmV0"}}}
        return found.get(name)

    container = {
        "name": "c",
        "envFrom": [{"configMapRef": {"name": "cm"}}, {"secretRef": {"name": "secret"}, "prefix": "P_"}],
        "env": [
            {"name": "A", "value": "env"},
            {"name": "D", "value": "$(A) $(HOST) $(P_S)"},
            {"name": "O", "valueFrom": {"configMapKeyRef": {"name": "none", "key": "k", "optional": True}}},
        ],
    }
    found = await container_environment(pod(), container, lookup, {"HOST": "h"}, {})
    assert found == {"HOST": "h", "A": "env", "B": "map", "P_S": "secret", "D": "env h secret"}
    container["env"] = [{"name": "X", "valueFrom": {"secretKeyRef": {"name": "secret", "key": "none"}}}]
    with pytest.raises(ContainerConfigError, match="couldn't find key none in Secret ns/secret"):
        await container_environment(pod(), container, lookup, {}, {})


def test_service_links() -> None:
    def service(name: str, namespace: str, address: str) -> Pod:
        ports = [{"name": "http-web", "port": 80}]
        return {"metadata": {"name": name, "namespace": namespace}, "spec": {"clusterIP": address, "ports": ports}}

    services = [
        service("kubernetes", "default", "10.0.0.1"),
        service("my-db", "ns", "10.0.0.2"),
        service("no", "ns", "None"),
    ]
    found = service_environment(services, "ns", True)
    assert found["KUBERNETES_SERVICE_HOST"] == "10.0.0.1"
    assert found["MY_DB_PORT_80_TCP"] == "tcp://10.0.0.2:80"
    assert found["MY_DB_SERVICE_PORT_HTTP_WEB"] == "80"
    assert not any(name.startswith("NO_") for name in found)
    assert not any(name.startswith("MY_DB") for name in service_environment(services, "ns", False))


def test_dns_policies() -> None:
    machine = Resolver(["192.0.2.53"], ["example.org"], [])
    cluster = pod_resolver(pod(), machine, ["10.96.0.10"], "cluster.local")
    assert cluster.servers == ["10.96.0.10"]
    assert cluster.searches == ["ns.svc.cluster.local", "svc.cluster.local", "cluster.local", "example.org"]
    assert cluster.options == ["ndots:5"]
    assert pod_resolver(pod(hostNetwork=True), machine, ["10.96.0.10"], "cluster.local").servers == ["192.0.2.53"]
    own = {"nameservers": ["1.1.1.1"], "options": [{"name": "ndots", "value": "2"}, {"name": "edns0"}]}
    none = pod_resolver(pod(dnsPolicy="None", dnsConfig=own), machine, ["10.96.0.10"], "cluster.local")
    assert (none.servers, none.options) == (["1.1.1.1"], ["ndots:2", "edns0"])


def test_hosts_file() -> None:
    aliases = [{"ip": "1.2.3.4", "hostnames": ["a", "b"]}]
    text = hosts_file(pod(hostAliases=aliases), ["10.0.0.1"], "p", "sub.ns.svc.cluster.local").decode()
    assert "10.0.0.1\tp.sub.ns.svc.cluster.local\tp\n" in text
    assert "1.2.3.4\ta\tb\n" in text


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("busybox", "docker.io/library/busybox:latest"),
        ("a/b:1", "docker.io/a/b:1"),
        ("registry:5000/x", "registry:5000/x:latest"),
        ("r.io/x@sha256:00", "r.io/x@sha256:00"),
    ],
)
def test_image_names(image: str, expected: str) -> None:
    assert normalised(image) == expected


def test_bad_image_names_and_policies() -> None:
    with pytest.raises(ImageError, match="must be lowercase"):
        normalised("Busybox")
    assert default_policy("docker.io/library/busybox:latest") == "Always"
    assert default_policy("docker.io/library/busybox:1") == "IfNotPresent"
    secret = {"data": {".dockerconfigjson": "eyJhdXRocyI6eyJyLmlvIjp7ImF1dGgiOiJkVHB3In19fQ=="}}
    found = credentials("r.io/x:1", [secret])
    assert [(each.username, each.password) for each in found] == [("u", "p")]
    assert credentials("other.io/x:1", [secret]) == []


def never(container_id: str) -> str | None:
    return None


def always(container_id: str) -> bool:
    return True


def test_plan_starts_a_sandbox_then_inits_then_containers() -> None:
    wanted = pod(initContainers=[{"name": "i", "image": "i"}])
    assert plan(wanted, PodRecord("u"), never, always).new_sandbox
    assert [each["name"] for each in plan(wanted, record(), never, always).start] == ["i"]
    assert plan(wanted, record(ran("i", RUNNING)), never, always).start == []
    assert [each["name"] for each in plan(wanted, record(ran("i", EXITED)), never, always).start] == ["c"]
    done = record(ran("c", RUNNING), ran("i", EXITED))
    assert plan(wanted, done, never, always).start == []


def test_plan_holds_containers_back_until_a_sidecar_has_started() -> None:
    wanted = pod(initContainers=[{"name": "i", "image": "i", "restartPolicy": "Always"}])
    assert plan(wanted, record(ran("i", RUNNING)), never, lambda _: False).start == []
    assert [each["name"] for each in plan(wanted, record(ran("i", RUNNING)), never, always).start] == ["c"]


@pytest.mark.parametrize(
    ("policy", "code", "start", "finished"),
    [
        ("Always", 0, ["c"], False),
        ("Always", 1, ["c"], False),
        ("OnFailure", 0, [], True),
        ("OnFailure", 1, ["c"], False),
        ("Never", 0, [], True),
        ("Never", 1, [], True),
    ],
)
def test_plan_follows_the_restart_policy(policy: str, code: int, start: list[str], finished: bool) -> None:
    actions = plan(pod(restartPolicy=policy), record(ran("c", EXITED, code=code)), never, always)
    assert ([each["name"] for each in actions.start], actions.finished) == (start, finished)


def test_plan_after_a_reboot() -> None:
    lost = record(ran("c", EXITED, code=255), ready=False)
    assert plan(pod(), lost, never, always).new_sandbox
    assert plan(pod(restartPolicy="Never"), lost, never, always).finished
    ended = record(ran("c", EXITED), ready=False)
    assert plan(pod(restartPolicy="OnFailure"), ended, never, always).finished


def test_plan_stops_what_failed_its_probe_or_changed() -> None:
    running = record(ran("c", RUNNING))
    assert plan(pod(), running, lambda _: "liveness", always).stop[0].probe == "liveness"
    running.containers[0].hash = "another"
    assert "definition changed" in plan(pod(), running, never, always).stop[0].message


def phase(wanted: Pod, what: PodRecord, **seen: Any) -> str:
    return str(pod_status(wanted, what, Observation(host_ip="192.0.2.1", **seen))["phase"])


def test_phases() -> None:
    assert phase(pod(), record()) == "Pending"
    assert phase(pod(), record(ran("c", RUNNING))) == "Running"
    assert phase(pod(), record(ran("c", EXITED))) == "Running"
    assert phase(pod(restartPolicy="Never"), record(ran("c", EXITED))) == "Succeeded"
    assert phase(pod(restartPolicy="Never"), record(ran("c", EXITED, code=1))) == "Failed"
    assert phase(pod(restartPolicy="OnFailure"), record(ran("c", EXITED, code=1))) == "Running"
    assert phase(pod(), record(ran("c", EXITED, code=137)), ending=True) == "Failed"
    assert phase(pod(), record(ran("c", RUNNING)), failed=("Evicted", "x")) == "Failed"
    failed_init = pod(initContainers=[{"name": "i", "image": "i"}], restartPolicy="Never")
    assert phase(failed_init, record(ran("i", EXITED, code=1))) == "Failed"
    two = pod({"name": "a", "image": "i"}, {"name": "b", "image": "i"}, restartPolicy="Never")
    assert phase(two, record(ran("a", EXITED), ran("b", RUNNING))) == "Running"
    assert phase({**pod(), "status": {"phase": "Failed"}}, record(ran("c", RUNNING))) == "Failed"


def test_status_of_a_restarted_and_waiting_container() -> None:
    what = record(ran("c", EXITED, code=1, restarts=1), ran("c", EXITED, code=2, restarts=0))
    seen = Observation(waiting={"c": ("CrashLoopBackOff", "back-off 10s")}, host_ip="192.0.2.1")
    found = pod_status(pod(), what, seen)["containerStatuses"][0]
    assert found["state"]["waiting"]["reason"] == "CrashLoopBackOff"
    assert found["lastState"]["terminated"]["exitCode"] == 1
    assert found["restartCount"] == 1


def test_conditions_keep_their_times_and_others() -> None:
    what = record(ran("c", RUNNING))
    first = pod_status(pod(), what, Observation(host_ip="192.0.2.1"))
    for each in first["conditions"]:
        each["lastTransitionTime"] = "2000-01-01T00:00:00Z"
    first["conditions"].append({"type": "Mine", "status": "True"})
    again = pod_status({**pod(), "status": first}, what, Observation(host_ip="192.0.2.1"))
    assert not differs(first, again)
    unready = pod_status({**pod(), "status": first}, what, Observation(host_ip="x", ready=lambda c, i: False))
    changed = {each["type"]: each.get("lastTransitionTime") for each in unready["conditions"]}
    assert changed["Initialized"] == "2000-01-01T00:00:00Z"
    assert changed["Ready"] != "2000-01-01T00:00:00Z"
    assert "Mine" in changed


def test_readiness_gates() -> None:
    gated = pod(readinessGates=[{"conditionType": "lb"}])
    found = pod_status(gated, record(ran("c", RUNNING)), Observation(host_ip="x"))
    ready = next(each for each in found["conditions"] if each["type"] == "Ready")
    assert (ready["status"], ready["reason"]) == ("False", "ReadinessGatesNotReady")


def test_a_created_container_waits() -> None:
    found = pod_status(pod(), record(ran("c", CREATED)), Observation(host_ip="x"))
    assert found["containerStatuses"][0]["state"]["waiting"]["reason"] == "ContainerCreating"


def test_status_patch_names_what_is_gone() -> None:
    base = {"podIPs": [{"ip": "10.0.0.1"}], "reason": "Old", "phase": "Running"}
    patch = status_patch(base, {"podIPs": [{"ip": "10.0.0.2"}], "phase": "Running"})
    assert patch["podIPs"] == [{"ip": "10.0.0.2"}, {"ip": "10.0.0.1", "$patch": "delete"}]
    assert patch["reason"] is None


def test_status_patch_clears_what_a_condition_no_longer_says() -> None:
    base = {"conditions": [{"type": "Ready", "status": "False", "reason": "ContainersNotReady"}]}
    patch = status_patch(base, {"conditions": [{"type": "Ready", "status": "True"}]})
    assert patch["conditions"] == [{"type": "Ready", "status": "True", "reason": None}]


def test_admission() -> None:
    room = {"cpu": 1000, "memory": 2**30, "pods": 2}
    small, large = pod(sized(requests={"cpu": "600m"})), pod(sized(requests={"cpu": "2"}))
    assert refusal(small, [], room, None) is None
    assert (refusal(small, [small], room, None) or ("", ""))[0] == "OutOfcpu"
    assert (refusal(large, [], room, None) or ("", ""))[1].endswith("requested: 2000, used: 0, capacity: 1000")
    assert (refusal(pod(), [pod(), pod()], room, None) or ("", ""))[0] == "OutOfpods"
    port = pod({"name": "c", "image": "i", "ports": [{"containerPort": 80, "hostPort": 80}]})
    assert (refusal(port, [port], room, None) or ("", ""))[0] == "NodePorts"
    elsewhere = pod(nodeSelector={"disk": "ssd"})
    assert (refusal(elsewhere, [], room, {"metadata": {"labels": {}}}) or ("", ""))[0] == "NodeAffinity"
    tuned = pod(securityContext={"sysctls": [{"name": "net.core.somaxconn", "value": "1"}]})
    assert (forbidden_sysctl(tuned, []) or ("",))[0] == "SysctlForbidden"
    assert forbidden_sysctl(tuned, ["net.core.*"]) is None


def test_backoff_doubles_and_forgets() -> None:
    moment = [1000.0]
    backoff = Backoff(clock=lambda: moment[0], steady=lambda: moment[0])
    assert backoff.remaining("k", 1000) == 0
    backoff.raise_delay("k", 1000)
    moment[0] = 1002
    assert backoff.remaining("k", 1001) == 9
    moment[0] = 1012
    assert backoff.remaining("k", 1001) == 0
    for _ in range(9):
        backoff.raise_delay("k", moment[0])
    assert backoff.delay("k") == 300
    moment[0] += 700
    assert backoff.remaining("k", 1012 + 700) == 0, "a container that ran for long starts at once"


@pytest.mark.parametrize("jump", [86400.0, -86400.0])
def test_backoff_is_as_long_as_it_is_whatever_the_machines_time_does(jump: float) -> None:
    moment, time = [50.0], [1_800_000_000.0]
    backoff = Backoff(clock=lambda: time[0], steady=lambda: moment[0])
    failed = time[0]
    backoff.raise_delay("k", failed)
    assert backoff.remaining("k", failed) == 10
    time[0] += jump
    moment[0] += 4
    assert backoff.remaining("k", failed) == 6
    moment[0] += 6
    assert backoff.remaining("k", failed) == 0
    if jump < 0:  # it failed before the time was set back, and is seen only now
        assert backoff.remaining("k", failed + 1) == 10
        moment[0] += 10
        assert backoff.remaining("k", failed + 1) == 0
