"""Pods on a real container runtime: run, restart, end, and survive the kubelet."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import aiohttp
from conftest import IMAGE, NODE_IP, Machine
from fake_api import FakeApi

Object = dict[str, Any]
FOREVER = ["sh", "-c", "trap 'exit 0' TERM; while true; do sleep 0.2; done"]


def container(name: str = "c", command: list[str] | None = None, **more: Any) -> Object:
    return {"name": name, "image": IMAGE, "command": command or FOREVER, **more}


def phase(api: FakeApi, name: str) -> str:
    pod = api.get_pod(name)
    return str((pod or {}).get("status", {}).get("phase", ""))


def status_of(api: FakeApi, pod: str, name: str = "c") -> Object:
    found = (api.get_pod(pod) or {}).get("status", {})
    for each in [*found.get("containerStatuses", []), *found.get("initContainerStatuses", [])]:
        if each["name"] == name:
            return dict(each)
    return {}


def condition(api: FakeApi, pod: str, kind: str) -> str:
    found = (api.get_pod(pod) or {}).get("status", {}).get("conditions", [])
    return next((each["status"] for each in found if each["type"] == kind), "")


async def test_a_pod_runs_serves_its_log_and_ends(api: FakeApi, machine: Machine) -> None:
    say = [
        "sh",
        "-c",
        "echo \"$GREETING $(cat /cm/key)\"; trap 'echo bye; exit 0' TERM; while true; do sleep 0.2; done",
    ]
    api.create("/api/v1/namespaces/default/configmaps", {"metadata": {"name": "cm"}, "data": {"key": "world"}})
    pod = api.pod(
        "one",
        {
            "containers": [
                container(
                    command=say,
                    env=[{"name": "GREETING", "value": "hello from $(NAME)"}, {"name": "UNUSED", "value": "x"}],
                    volumeMounts=[{"name": "cm", "mountPath": "/cm"}],
                )
            ],
            "volumes": [{"name": "cm", "configMap": {"name": "cm"}}],
        },
    )
    await api.until(lambda: condition(api, "one", "Ready") == "True", "the pod to be ready")
    status = (api.get_pod("one") or {})["status"]
    assert status["phase"] == "Running"
    assert status["podIP"].startswith("10.199.0.")
    assert status["qosClass"] == "BestEffort"
    log = Path(f"/var/log/pods/default_one_{pod['metadata']['uid']}/c/0.log")
    await api.until(lambda: "hello from $(NAME) world" in log.read_text(), "the greeting")
    await api.until(lambda: len(api.events("one")) >= 3, "the events, which are sent beside the status")
    assert api.events("one") == ["Pulled", "Created", "Started"]

    api.delete_pod("one", 5)
    await api.until(lambda: api.get_pod("one") is None, "the object to be gone")
    await api.until(lambda: "Killing" in api.events("one"), "the last event")
    await api.until(lambda: not machine.runtime.containers(), "the containers to be gone")
    await api.until(lambda: not log.exists(), "the log to be gone")
    folder = machine.root / "pods" / pod["metadata"]["uid"]
    await api.until(lambda: not folder.exists(), "the folder to be gone")


async def test_init_containers_run_in_order_and_completion_is_final(api: FakeApi, machine: Machine) -> None:
    share = [{"name": "work", "mountPath": "/work"}]
    api.pod(
        "job",
        {
            "restartPolicy": "Never",
            "initContainers": [
                container("first", ["sh", "-c", "echo 1 >> /work/order"], volumeMounts=share),
                container("second", ["sh", "-c", "echo 2 >> /work/order"], volumeMounts=share),
            ],
            "containers": [
                container(command=["sh", "-c", "cat /work/order > /dev/termination-log; exit 3"], volumeMounts=share)
            ],
            "volumes": [{"name": "work", "emptyDir": {"medium": "Memory"}}],
        },
    )
    await api.until(lambda: phase(api, "job") == "Failed", "the pod to fail")
    ended = status_of(api, "job")["state"]["terminated"]
    assert (ended["exitCode"], ended["reason"], ended["message"]) == (3, "Error", "1\n2\n")


async def test_a_failing_container_is_restarted_and_backs_off(api: FakeApi, machine: Machine) -> None:
    api.pod("crash", {"containers": [container(command=["sh", "-c", "exit 1"])]})
    waiting = lambda: status_of(api, "crash").get("state", {}).get("waiting", {}).get("reason")  # noqa: E731
    await api.until(lambda: waiting() == "CrashLoopBackOff", "the container to back off")
    assert status_of(api, "crash")["restartCount"] == 1
    assert status_of(api, "crash")["lastState"]["terminated"]["exitCode"] == 1
    await api.until(lambda: "BackOff" in api.events("crash"), "the event")
    await api.until(lambda: status_of(api, "crash")["restartCount"] == 2, "the second restart")


def samples(text: str, *wanted: str) -> dict[str, float]:
    """The values of the metrics whose labels are so, by name."""
    lines = [line for line in text.splitlines() if not line.startswith("#") and all(each in line for each in wanted)]
    return {line.partition("{")[0]: float(line.rpartition(" ")[2]) for line in lines}


async def test_liveness_failure_restarts_and_readiness_gates(api: FakeApi, machine: Machine) -> None:
    probe = {"exec": {"command": ["test", "-e", "/shared/well"]}, "periodSeconds": 1, "failureThreshold": 1}
    shared = machine.folder / "shared"
    shared.mkdir()
    api.pod(
        "probed",
        {
            "terminationGracePeriodSeconds": 1,
            "containers": [
                container(
                    command=["sh", "-c", "touch /shared/well; sleep 600"],
                    livenessProbe={**probe, "initialDelaySeconds": 1},
                    readinessProbe=probe,
                    volumeMounts=[{"name": "s", "mountPath": "/shared"}],
                )
            ],
            "volumes": [{"name": "s", "hostPath": {"path": str(shared), "type": "Directory"}}],
        },
    )
    await api.until(lambda: condition(api, "probed", "Ready") == "True", "the pod to be ready")
    (shared / "well").unlink()
    await api.until(lambda: condition(api, "probed", "Ready") != "True", "the pod to be ready no longer")
    await api.until(lambda: status_of(api, "probed")["restartCount"] == 1, "the restart")
    await api.until(lambda: condition(api, "probed", "Ready") == "True", "the pod to be ready again")
    await api.until(lambda: "Unhealthy" in api.events("probed"), "the event")


async def see_what_is_counted(kubelet: str) -> None:
    async with aiohttp.ClientSession(kubelet) as session:
        async with session.get("/metrics/probes", ssl=False) as answer:
            probes = samples(await answer.text(), 'probe_type="Readiness"', 'result="successful"', 'pod="stays"')
        async with session.get("/metrics/cadvisor", ssl=False) as answer:
            text = await answer.text()
    assert probes["prober_probe_total"] >= 1
    used = samples(text, 'container="c"', 'pod="stays"', f'image="{IMAGE}"')
    assert used["container_memory_working_set_bytes"] > 0
    assert used["container_cpu_usage_seconds_total"] > 0
    assert used["container_processes"] >= 1
    assert samples(text, 'container=""', 'pod="stays"', 'id="/')["container_memory_usage_bytes"] > 0


async def test_restarting_the_kubelet_leaves_containers_alone(api: FakeApi, machine: Machine) -> None:
    api.pod("stays", {"containers": [container(readinessProbe={"exec": {"command": ["true"]}, "periodSeconds": 1})]})
    await api.until(lambda: condition(api, "stays", "Ready") == "True", "the pod to be ready")
    await see_what_is_counted(f"https://{NODE_IP}:10250")
    before = status_of(api, "stays")
    machine.stop(kill=True)
    versions = (api.get_pod("stays") or {})["metadata"]["resourceVersion"]
    machine.log.write_text("")
    machine.start()
    await api.until(lambda: machine.ran("] ready"), "the kubelet to be ready again")
    api.pod("new", {"containers": [container()]})
    await api.until(lambda: condition(api, "new", "Ready") == "True", "a new pod to be ready")
    assert status_of(api, "stays") == before
    assert (api.get_pod("stays") or {})["metadata"]["resourceVersion"] == versions, "the status was written again"


async def test_a_pod_deleted_while_the_kubelet_was_away_is_ended(api: FakeApi, machine: Machine) -> None:
    api.pod("orphan", {"containers": [container()]})
    await api.until(lambda: condition(api, "orphan", "Ready") == "True", "the pod to be ready")
    machine.stop()
    api.drop("/api/v1/namespaces/default/pods/orphan")
    machine.start()
    await api.until(lambda: not machine.runtime.containers(), "the orphan to be gone")


async def test_an_api_that_is_away_ends_nothing(api: FakeApi, machine: Machine) -> None:
    api.pod("keeps", {"containers": [container()]})
    await api.until(lambda: condition(api, "keeps", "Ready") == "True", "the pod to be ready")
    running = machine.runtime.containers()
    machine.stop()
    api.down = True
    machine.log.write_text("")
    machine.start()
    await api.until(lambda: machine.ran("503"), "the kubelet to see that the API is away")
    assert machine.runtime.containers() == running
    api.down = False
    await api.until(lambda: machine.ran("] ready"), "the kubelet to be ready")
    assert machine.runtime.containers() == running


async def test_an_image_that_is_not_there(api: FakeApi, machine: Machine) -> None:
    api.pod("never", {"containers": [{"name": "c", "image": "registry.invalid/none:1", "imagePullPolicy": "Never"}]})
    api.pod("pull", {"containers": [{"name": "c", "image": "127.0.0.1:1/none:1"}]})
    reason = lambda pod: status_of(api, pod).get("state", {}).get("waiting", {}).get("reason")  # noqa: E731
    await api.until(lambda: reason("never") == "ErrImageNeverPull", "ErrImageNeverPull")
    await api.until(lambda: reason("pull") in ("ErrImagePull", "ImagePullBackOff"), "ErrImagePull")


async def test_a_missing_configmap_holds_the_container_until_it_is_there(api: FakeApi, machine: Machine) -> None:
    key = {"name": "A", "valueFrom": {"configMapKeyRef": {"name": "late", "key": "a"}}}
    api.pod("waits", {"containers": [container(env=[key])]})
    reason = lambda: status_of(api, "waits").get("state", {}).get("waiting", {}).get("reason")  # noqa: E731
    await api.until(lambda: reason() == "CreateContainerConfigError", "CreateContainerConfigError")
    api.create("/api/v1/namespaces/default/configmaps", {"metadata": {"name": "late"}, "data": {"a": "1"}})
    await api.until(lambda: condition(api, "waits", "Ready") == "True", "the pod to be ready")


async def test_configmap_volumes_follow_their_source(api: FakeApi, machine: Machine) -> None:
    where = "/api/v1/namespaces/default/configmaps"
    api.create(where, {"metadata": {"name": "live"}, "data": {"a": "old"}})
    pod = api.pod(
        "follows",
        {
            "containers": [container(volumeMounts=[{"name": "v", "mountPath": "/v"}])],
            "volumes": [{"name": "v", "configMap": {"name": "live"}}],
        },
    )
    file = machine.root / "pods" / pod["metadata"]["uid"] / "volumes/kubernetes.io~configmap/v/a"
    await api.until(lambda: file.exists() and file.read_text() == "old", "the file")
    api.put(f"{where}/live", {"metadata": {"name": "live"}, "data": {"a": "new"}})
    await api.until(lambda: file.read_text() == "new", "the new content")


async def test_a_pod_that_does_not_fit_is_refused(api: FakeApi, machine: Machine) -> None:
    api.pod("large", {"containers": [container(resources={"requests": {"cpu": "1000"}})]})
    await api.until(lambda: phase(api, "large") == "Failed", "the refusal")
    assert (api.get_pod("large") or {})["status"]["reason"] == "OutOfcpu"


async def test_a_pod_whose_time_is_over_fails(api: FakeApi, machine: Machine) -> None:
    api.pod("timed", {"activeDeadlineSeconds": 2, "terminationGracePeriodSeconds": 1, "containers": [container()]})
    await api.until(lambda: phase(api, "timed") == "Failed", "the end")
    assert (api.get_pod("timed") or {})["status"]["reason"] == "DeadlineExceeded"


async def test_pre_stop_runs_within_the_grace_period(api: FakeApi, machine: Machine) -> None:
    hook = {"preStop": {"exec": {"command": ["sh", "-c", "echo stopped > /shared/mark"]}}}
    shared = machine.folder / "shared"
    shared.mkdir()
    api.pod(
        "hooked",
        {
            "containers": [container(lifecycle=hook, volumeMounts=[{"name": "s", "mountPath": "/shared"}])],
            "volumes": [{"name": "s", "hostPath": {"path": str(shared), "type": "Directory"}}],
        },
    )
    await api.until(lambda: condition(api, "hooked", "Ready") == "True", "the pod to be ready")
    api.delete_pod("hooked", 10)
    await api.until(lambda: api.get_pod("hooked") is None, "the object to be gone")
    assert (shared / "mark").read_text() == "stopped\n"


async def test_a_lost_sandbox_is_made_again(api: FakeApi, machine: Machine) -> None:
    api.pod("again", {"containers": [container()]})
    await api.until(lambda: condition(api, "again", "Ready") == "True", "the pod to be ready")
    for each in machine.runtime.containers():
        machine.runtime.ctr("tasks", "kill", "-s", "SIGKILL", each)
    await api.until(lambda: status_of(api, "again").get("restartCount") == 1, "the restart")
    await api.until(lambda: condition(api, "again", "Ready") == "True", "the pod to be ready again")
