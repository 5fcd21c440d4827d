"""Why a pod does not run is said in the words of whoever knows."""

from __future__ import annotations

from typing import Any

import pytest

from kprov.provision.kubeapi.client import ClusterApiError
from kprov.provision.verify.standstill import why_not_running


class Api:
    """Gives events, or an error."""

    def __init__(self, *events: dict[str, Any], broken: bool = False) -> None:
        self.events, self.broken, self.asked = list(events), broken, ""

    def request(self, method: str, path: str, *, params: dict[str, str]) -> dict[str, Any]:
        self.asked = f"{method} {path} {params['fieldSelector']}"
        if self.broken:
            raise ClusterApiError("no API server answered")
        return {"items": self.events}


def pod(node: str = "", **status: Any) -> dict[str, Any]:
    return {"metadata": {"name": "p", "namespace": "n", "uid": "u"}, "spec": {"nodeName": node}, "status": status}


def container(**state: Any) -> dict[str, Any]:
    return {"name": "c", "state": state, "ready": False}


UNSCHEDULABLE = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes: taint"}
NO_IMAGE = container(waiting={"reason": "ErrImagePull", "message": "not\n found"})
CREATING = container(waiting={"reason": "ContainerCreating"})


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (pod(conditions=[UNSCHEDULABLE]), "p has no node: 0/3 nodes: taint"),
        (pod(phase="Pending"), "p has no node: no scheduler has looked at it yet"),
        (
            pod("w1", phase="Pending", containerStatuses=[NO_IMAGE]),
            "p on w1 is Pending: container c: ErrImagePull: not found",
        ),
        (
            pod("w1", phase="Running", containerStatuses=[container(running={})]),
            "p on w1 is Running: container c runs and is not ready",
        ),
        (
            pod("w1", phase="Failed", containerStatuses=[container(terminated={"reason": "Error"})]),
            "p on w1 is Failed: container c: Error",
        ),
        (pod("w1"), "p on w1 is Pending"),
    ],
)
def test_the_status_says_it(given: dict[str, Any], said: str) -> None:
    assert why_not_running(Api(), given) == said  # type: ignore[arg-type]


def test_the_newest_warning_says_it_where_the_status_does_not() -> None:
    def warning(time: str, message: str) -> dict[str, Any]:
        return {"reason": "FailedCreatePodSandBox", "message": message, "lastTimestamp": time, "metadata": {}}

    api = Api(warning("2026-01-01T00:00:02Z", "no network"), warning("2026-01-01T00:00:01Z", "older"))
    said = why_not_running(api, pod("w1", phase="Pending", containerStatuses=[CREATING]))  # type: ignore[arg-type]
    assert said == "p on w1 is Pending: FailedCreatePodSandBox: no network"
    assert api.asked == "GET /api/v1/namespaces/n/events involvedObject.uid=u,type=Warning"


def test_an_api_that_does_not_answer_is_no_new_trouble() -> None:
    assert why_not_running(Api(broken=True), pod("w1", phase="Pending")) == "p on w1 is Pending"  # type: ignore[arg-type]
