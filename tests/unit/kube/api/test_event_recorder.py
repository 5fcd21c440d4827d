from __future__ import annotations

from fake_api_server import FakeApiServer

from kprov.kube.api.client import ApiClient
from kprov.kube.api.events import EventRecorder

POD = {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "p", "namespace": "a", "uid": "u"}}


def events(server: FakeApiServer) -> list[dict[str, object]]:
    return [obj for path, obj in server.objects.items() if "/events/" in path]


async def test_repetitions_are_counted_on_one_event(server: FakeApiServer, client: ApiClient) -> None:
    recorder = EventRecorder(client, "kubelet", "node-1")
    for _ in range(3):
        recorder.event(POD, "Normal", "Pulled", "pulled it")
    recorder.event(POD, "Warning", "Failed", "no")
    await recorder.flush()
    assert [(e["reason"], e["count"]) for e in events(server)] == [("Pulled", 3), ("Failed", 1)]
    first = events(server)[0]
    assert first["involvedObject"] == {"kind": "Pod", "namespace": "a", "name": "p", "uid": "u", "apiVersion": "v1"}
    assert first["source"] == {"component": "kubelet", "host": "node-1"}
    await recorder.close()


async def test_each_object_has_a_budget(server: FakeApiServer, client: ApiClient) -> None:
    recorder = EventRecorder(client, "kubelet")
    for number in range(100):
        recorder.event(POD, "Normal", f"R{number}", "m")
    await recorder.flush()
    assert len(events(server)) == 25
    await recorder.close()


async def test_similar_events_are_combined(server: FakeApiServer, client: ApiClient) -> None:
    recorder = EventRecorder(client, "kubelet")
    for number in range(20):
        recorder.event(POD, "Normal", "R", f"message {number}")
    await recorder.flush()
    combined = [e for e in events(server) if str(e["message"]).startswith("(combined from similar events): ")]
    assert len(events(server)) == 11
    assert [e["count"] for e in combined] == [10]
    await recorder.close()


async def test_an_event_that_was_deleted_is_made_anew(server: FakeApiServer, client: ApiClient) -> None:
    recorder = EventRecorder(client, "kubelet")
    recorder.event(POD, "Normal", "R", "m")
    await recorder.flush()
    server.objects.clear()
    recorder.event(POD, "Normal", "R", "m")
    await recorder.flush()
    assert [e["count"] for e in events(server)] == [2]
    await recorder.close()


async def test_recording_never_raises(client: ApiClient) -> None:
    recorder = EventRecorder(client, "kubelet")
    recorder.event({}, "Normal", "R", "m")
    await recorder.close()
