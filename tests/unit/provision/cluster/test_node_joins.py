"""Who may take the place of a lost machine, and when a run that was cut off is told from one that has ended."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from kprov.provision.cluster.joining import _create, node_labels
from kprov.provision.cluster.nodes import join
from kprov.provision.cluster.nodes.join import Joining, JoinRefused
from kprov.provision.inventory.timeouts import Timeouts
from kprov.provision.kubeapi.client import ClusterApiError

HOST = SimpleNamespace(name="cp2", groups=("etcd", "control_plane", "node"), variables={})


class Api:
    """Gives the answers one after the other, the last again and again."""

    def __init__(self, *answers: dict[str, Any] | None) -> None:
        self.answers = list(answers)
        self.asked = 0

    def request(self, method: str, path: str) -> dict[str, Any]:
        answer = self.answers[min(self.asked, len(self.answers) - 1)]
        self.asked += 1
        if answer is None:
            raise ClusterApiError("not found", 404)
        return answer

    def find(self, wanted: dict[str, Any]) -> dict[str, Any] | None:
        return self.answers[0]


def _lease(seconds: float) -> dict[str, Any]:
    """One that was renewed so many seconds ago."""
    said = datetime.now(UTC) - timedelta(seconds=seconds)
    return {"spec": {"renewTime": said.strftime("%Y-%m-%dT%H:%M:%S.%fZ")}}


def _context(*answers: dict[str, Any] | None, **timeouts: float) -> Any:
    engine = SimpleNamespace(timeouts=Timeouts(**timeouts), waiting=lambda line: None)
    return SimpleNamespace(engine=engine, api=Api(*answers))


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Pauses are taken down, not made."""
    made: list[float] = []
    monkeypatch.setattr("kprov.provision.engine.waiting.time.sleep", made.append)
    return made


@pytest.mark.parametrize("answer", [None, {"spec": {}}, _lease(60)])
def test_one_that_has_been_silent_is_replaced_at_once(answer: dict[str, Any] | None, no_pause: list[float]) -> None:
    join._wait_for_silence(_context(answer), ["cp2"])
    assert no_pause == []


def test_one_that_was_lost_just_now_is_waited_for(no_pause: list[float]) -> None:
    context = _context(lost := _lease(39.99), lost)
    join._wait_for_silence(context, ["cp2"])
    assert context.api.asked >= 1


def test_one_that_renews_its_lease_is_alive() -> None:
    with pytest.raises(JoinRefused, match=r"the kubelet of cp2 renews its lease.*switch it off first"):
        join._wait_for_silence(_context(_lease(5), _lease(0)), ["cp2"])


def test_a_lease_of_the_future_ends_the_wait() -> None:
    with pytest.raises(Exception, match=r"gave up waiting for the last word of the lost cp2.*is ahead of this"):
        join._wait_for_silence(_context(_lease(-900), nodes=0.01), ["cp2"])


def _node(ready: str, **labels: str) -> dict[str, Any]:
    return {"metadata": {"labels": labels}, "status": {"conditions": [{"type": "Ready", "status": ready}]}}


@pytest.mark.parametrize(
    ("node", "half_done"),
    [
        (None, True),
        (_node("False", **node_labels(HOST)), True),  # type: ignore[arg-type]
        (_node("True"), True),  # its kubelet may not give itself the labels of roles: that comes last
        (_node("True", zone="a", **node_labels(HOST)), False),  # type: ignore[arg-type]
    ],
)
def test_a_run_that_was_cut_off_goes_on(node: dict[str, Any] | None, half_done: bool) -> None:
    joining = Joining((HOST,), replaces=True)  # type: ignore[arg-type]
    assert joining._is_half_done(_context(node), HOST) is half_done  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("answers", "raised"),
    [([0, 0, None], None), ([0, 409], None), ([0, 403], "403"), ([0], "gave up waiting for the API to take a token")],
)
def test_a_token_is_made_by_an_api_that_answers_late(
    answers: list[int | None], raised: str | None, no_pause: list[float]
) -> None:
    left = list(answers)

    def request(method: str, path: str, body: dict[str, Any]) -> None:
        code = left.pop(0) if len(left) > 1 else left[0]
        if code is not None:
            raise ClusterApiError(f"answer {code}", code)

    context = _context(ready=5.0 if len(answers) > 1 else 0.001)
    context.api = SimpleNamespace(request=request)
    if raised is None:
        _create(context, {})
        assert len(no_pause) == answers.count(0)
    else:
        with pytest.raises(Exception, match=raised):
            _create(context, {})
