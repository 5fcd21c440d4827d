"""A machine that goes down: what ends when, what is said of it, and what keeps nothing up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from types import SimpleNamespace
from typing import Any

import pytest

from kprov.kube.kubelet.node.logind import NoLogind
from kprov.kube.kubelet.node.shutdown import NodeShutdown
from kprov.kube.kubelet.pods import worker as worker_module
from kprov.kube.kubelet.pods.manager import NODE_SHUTDOWN, PodManager
from kprov.kube.kubelet.pods.records import EXITED, RUNNING, ContainerRecord, PodRecord, SandboxRecord
from kprov.kube.kubelet.pods.worker import PodWorker

Pod = dict[str, Any]


class Worker:
    """A pod that ends when it is told to, or never."""

    def __init__(self, name: str, told: list[str], *, critical: bool = False, ends: bool = True) -> None:
        priority = {"priority": 2_000_000_000} if critical else {}
        self.pod: Pod = {"metadata": {"name": name, "namespace": "ns", "uid": name}, "spec": priority}
        self._told, self._ends, self.over, self.deadline = told, ends, asyncio.Event(), 0.0

    def shut_down(self, deadline: float) -> None:
        self._told.append(self.pod["metadata"]["name"])
        self.deadline = deadline
        if self._ends:
            self.over.set()

    async def until_ended(self) -> None:
        await self.over.wait()


class Machine:
    """Its pods, its voice in the API, and its logind."""

    def __init__(self, *, announced: tuple[bool, ...] = (), stops: bool = False) -> None:
        self.told: list[str] = []
        self.workers: list[Worker] = []
        self.stopping, self._announced, self._stops = False, announced, stops
        self.all_heard = asyncio.Event()

    def running(self) -> list[Any]:
        return [worker for worker in self.workers if not worker.over.is_set()]

    def close_down(self) -> None:
        self.told.append("closed")

    def open_up(self) -> None:
        self.told.append("open")

    async def report_now(self) -> None:
        self.told.append(f"stopping={self.stopping}")

    def allow(self, seconds: float) -> None:
        self.told.append(f"allow {seconds:g}")

    def hold(self) -> None:
        self.told.append("hold")

    def let_go(self) -> None:
        self.told.append("let go")

    def close(self) -> None:
        self.told.append("hung up")

    async def announcements(self) -> AsyncGenerator[bool, None]:
        for each in self._announced:
            yield each
        self.all_heard.set()
        await asyncio.Event().wait()

    async def stops(self) -> bool:
        return self._stops

    def shutdown(self, grace: float, critical: float) -> NodeShutdown:
        return NodeShutdown(self, self, grace, critical, connect=lambda: self, stops=self.stops)


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not holds():  # noqa: ASYNC110 - what is waited for is seen by looking
            await asyncio.sleep(0.01)


async def run_until_heard(machine: Machine, shutdown: NodeShutdown) -> None:
    running = asyncio.create_task(shutdown.run())
    await asyncio.wait_for(machine.all_heard.wait(), 30)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_the_systems_own_pods_end_last_and_then_the_lock_is_let_go() -> None:
    machine = Machine(announced=(True,))
    machine.workers = [Worker("own", machine.told, critical=True), Worker("a", machine.told), Worker("b", machine.told)]
    begun = asyncio.get_running_loop().time()
    await run_until_heard(machine, machine.shutdown(30, 10))
    order = [each for each in machine.told if not each.startswith("stopping")]
    assert order == ["allow 30", "hold", "closed", "a", "b", "own", "let go", "hung up"]
    assert "stopping=True" in machine.told
    own, a, _ = machine.workers
    assert 19 < a.deadline - begun < 25 and 9 < own.deadline - begun < 15


async def test_what_does_not_end_holds_up_nobody_for_longer_than_its_time() -> None:
    machine = Machine(announced=(True,))
    machine.workers = [Worker("stubborn", machine.told, ends=False), Worker("own", machine.told, critical=True)]
    await asyncio.wait_for(run_until_heard(machine, machine.shutdown(0.3, 0.1)), 60)
    assert machine.told.index("stubborn") < machine.told.index("own") < machine.told.index("let go")


async def test_a_shutdown_that_is_called_off() -> None:
    machine = Machine(announced=(True, False))
    await run_until_heard(machine, machine.shutdown(3, 1))
    assert machine.told[-4:] == ["open", "stopping=False", "hold", "hung up"] and not machine.stopping


@pytest.mark.parametrize("problem", [NoLogind("there is no message bus"), ImportError("no jeepney"), RuntimeError("?")])
async def test_without_logind_the_pods_end_when_the_system_stops_and_only_then(
    problem: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    def nobody() -> Any:
        raise problem

    for stops, wanted in ((True, ["closed", "a", "stopping=True"]), (False, [])):
        caplog.clear()
        machine = Machine(stops=stops)
        machine.workers = [Worker("a", machine.told)]
        shutdown = NodeShutdown(machine, machine, 3, 1, connect=nobody, stops=machine.stops)
        following = asyncio.create_task(shutdown.run())
        await until(lambda: "shutdowns are not delayed" in caplog.text)
        assert not following.done()
        await shutdown.at_stop()
        await shutdown.at_stop()  # a second time it does no more
        following.cancel()
        assert sorted(machine.told) == sorted(wanted)


async def test_without_a_grace_period_nothing_is_delayed() -> None:
    machine = Machine(announced=(True,), stops=True)
    shutdown = machine.shutdown(0, 0)
    await asyncio.wait_for(shutdown.run(), 60)
    await shutdown.at_stop()
    assert machine.told == []


# ---- a pod of such a machine


class Surroundings:
    """What a worker works with: one container that runs until it is stopped. Notes what happens, in order."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.state = RUNNING
        self.status: Pod | None = None
        quiet = SimpleNamespace(
            remove=self._nothing, prepare=self._nothing, refresh_at=lambda uid: None, expire=lambda uid: None
        )
        forgetful = SimpleNamespace(forget=lambda *names: None)
        self.host: Any = SimpleNamespace(
            reader=SimpleNamespace(read=self._read),
            runtime=SimpleNamespace(stop_container=self._stop, stop_sandbox=self._nothing),
            statuses=SimpleNamespace(put=self._put, flush=self._flush, current=lambda uid: self.status),
            volumes=quiet,
            cgroups=SimpleNamespace(remove=lambda uid: None),
            images=forgetful,
            tokens=forgetful,
            backoff=forgetful,
            checker=None,
            hooks=None,
            node_ip="10.0.0.1",
            started_at=0.0,
            event=lambda *words: None,
            network_problem=lambda: "",
            remove_pod=self._nothing,
            lookup=self._nothing,
        )

    async def _nothing(self, *words: Any) -> Any:
        return SimpleNamespace(paths={})

    async def _read(self, uid: str) -> PodRecord:
        container = ContainerRecord("c-0", "c", "s", self.state, 0, "", exit_code=143, created_at=0)
        sandbox = SandboxRecord("s", 0, 0, True, addresses=["10.0.0.9"])
        return PodRecord(uid, "p", "ns", [sandbox], [container])

    async def _stop(self, name: str, grace: float) -> None:
        self.told.append(f"stop within {grace:g}")
        self.state = EXITED

    async def _flush(self, uid: str) -> None:
        self.told.append("flush")

    def _put(self, pod: Pod, status: Pod) -> None:
        self.status = status
        ready = next(each for each in status["conditions"] if each["type"] == "Ready")
        self.told.append(f"{status['phase']} ready={ready['status']}")


def the_pod(**more: Any) -> Pod:
    meta = {"name": "p", "namespace": "ns", "uid": "u"}
    return {"metadata": meta, "spec": {"containers": [{"name": "c", "image": "i"}], **more}}


async def test_services_know_before_a_pod_is_told_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_module, "NOTICE", 0.05)
    around = Surroundings()
    worker = PodWorker(around.host, the_pod(terminationGracePeriodSeconds=600), lambda uid: None)
    await until(lambda: "Running ready=True" in around.told)
    around.told.clear()
    worker.shut_down(asyncio.get_running_loop().time() + 20)
    await asyncio.wait_for(worker.until_ended(), 30)
    await until(lambda: worker.ended)
    await worker.stop()
    told = [each for each in around.told if not each.startswith("stop within")]
    assert told == ["Running ready=False", "flush", "Failed ready=False", "flush"]
    (stop,) = [each for each in around.told if each.startswith("stop within")]
    assert around.told.index(stop) == 2 and 15 < float(stop.split()[-1]) <= 20  # not the 600 s that it wishes for
    assert around.status is not None
    assert (around.status["reason"], around.status["message"]) == worker_module.SHUT_DOWN
    disrupted = next(each for each in around.status["conditions"] if each["type"] == "DisruptionTarget")
    assert (disrupted["status"], disrupted["reason"]) == ("True", "TerminationByKubelet")


def test_pods_that_come_meanwhile() -> None:
    told: list[Any] = []
    host = SimpleNamespace(
        runtime=None,
        event=lambda pod, *words: told.append(words[:2]),
        statuses=SimpleNamespace(put=lambda pod, status: told.append(status["reason"])),
        config=SimpleNamespace(allowed_unsafe_sysctls=[]),
        allocatable={},
        node_name="n",
    )
    nobody: Any = SimpleNamespace(list=lambda: [], get=lambda name: None)
    manager = PodManager(host, nobody, nobody)  # type: ignore[arg-type]
    manager.close_down()
    of_the_node = the_pod()
    of_the_node["metadata"] = {
        "name": "d",
        "namespace": "ns",
        "uid": "d",
        "ownerReferences": [{"kind": "DaemonSet", "controller": True}],
    }
    manager._add(of_the_node)
    assert told == [] and manager.workers == {}
    manager._add(the_pod())
    assert told == [("Warning", "NodeShutdown"), NODE_SHUTDOWN[0]] and manager.workers == {}
