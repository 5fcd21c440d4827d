"""What the kubelet has reported of a pod stays so, also when another writes over it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from kprov.kube.kubelet.pods.status_writer import StatusWriter


def pod(version: int, ready: str, phase: str = "Running") -> dict[str, Any]:
    return {
        "metadata": {"name": "p", "namespace": "n", "uid": "u", "resourceVersion": str(version)},
        "status": status(ready, phase),
    }


def status(ready: str, phase: str = "Running") -> dict[str, Any]:
    gate = {"type": "example.com/gate", "status": ready}  # another's: the kubelet has nothing to say of it
    return {"phase": phase, "conditions": [{"type": "Ready", "status": ready}, gate]}


class Client:
    """An API that gives each write the next version."""

    def __init__(self) -> None:
        self.version, self.patches = 10, list[dict[str, Any]]()

    async def patch(self, resource: Any, name: str, namespace: str, patch: Any, **options: Any) -> dict[str, Any]:
        self.version += 1
        self.patches.append(patch)
        return {"metadata": {"resourceVersion": str(self.version)}}


async def reported(writer: StatusWriter, before: dict[str, Any], after: dict[str, Any]) -> None:
    running = asyncio.create_task(writer.run())
    writer.put(before, after)
    await writer.flush("u")
    running.cancel()


async def test_what_another_wrote_since_is_reported_anew() -> None:
    client = Client()
    writer = StatusWriter(client)  # type: ignore[arg-type]
    await reported(writer, pod(9, "False"), status("True"))
    assert not writer.overruled(pod(9, "False"))  # news from before the write
    assert not writer.overruled(pod(11, "True"))
    assert writer.overruled(pod(12, "False"))
    await reported(writer, pod(12, "False"), status("True"))
    assert [each["status"]["conditions"][0]["status"] for each in client.patches] == ["True", "True"]
    assert not writer.overruled(pod(13, "True"))


async def test_a_pod_that_needed_no_report_is_guarded_too() -> None:
    client = Client()
    writer = StatusWriter(client)  # type: ignore[arg-type]
    writer.put(pod(9, "True"), status("True"))
    assert not writer.overruled(pod(9, "True"))
    assert writer.overruled(pod(10, "False"))


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
async def test_a_pod_that_has_ended_stays_as_it_is(phase: str) -> None:
    writer = StatusWriter(Client())  # type: ignore[arg-type]
    writer.put(pod(9, "True"), status("True"))
    assert not writer.overruled(pod(10, "False", phase))


async def test_conditions_of_others_are_theirs() -> None:
    writer = StatusWriter(Client())  # type: ignore[arg-type]
    writer.put(pod(9, "True"), status("True"))
    changed = pod(10, "True")
    changed["status"]["conditions"][1]["status"] = "False"
    assert not writer.overruled(changed)


async def test_a_pod_that_is_gone_is_forgotten() -> None:
    writer = StatusWriter(Client())  # type: ignore[arg-type]
    writer.put(pod(9, "True"), status("True"))
    writer.forget("u")
    assert not writer.overruled(pod(10, "False"))
