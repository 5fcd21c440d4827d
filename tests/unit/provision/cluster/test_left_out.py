"""When machines may be left out of a run: a limited run joins what stands, and begins nothing of its own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kprov.provision.cluster.left_out import files_on, refuse_new_authorities, refuse_to_join_nothing
from kprov.provision.cluster.selection import SelectionError
from kprov.provision.engine import Result, Status
from kprov.provision.kubeapi.client import ClusterApiError

CP1 = SimpleNamespace(name="cp1", groups=("all", "etcd", "control_plane"))
CP2 = SimpleNamespace(name="cp2", groups=("all", "etcd", "control_plane"))
W1 = SimpleNamespace(name="w1", groups=("all", "node"))
W2 = SimpleNamespace(name="w2", groups=("all", "node"))


class Api:
    """An API that answers or not."""

    def __init__(self, answers: bool) -> None:
        self.answers = answers
        self.asked = 0

    def request(self, method: str, path: str) -> None:
        self.asked += 1
        if not self.answers:
            raise ClusterApiError("no API server answers")


@pytest.mark.parametrize(
    ("new", "left_out", "answers", "refused"),
    [
        ([], [CP1, CP2], False, False),  # machines that are part of it may be mended while the API is down
        (["w1"], [CP1, CP2], True, False),
        (["w1"], [CP1, CP2], False, True),
        (["cp1"], [CP2], False, True),
        (["cp1"], [CP2], True, False),
        (["cp1"], [W1, W2], False, False),  # the limited machines are the whole cluster's keepers
    ],
)
def test_a_new_machine_joins_a_cluster_that_stands(new: list[str], left_out: Any, answers: bool, refused: bool) -> None:
    alive = [host for host in (CP1, CP2, W1, W2) if host not in left_out]
    facts = {host.name: {} if host.name in new else {"kprov_release": "1"} for host in alive}
    context: Any = SimpleNamespace(engine=SimpleNamespace(facts=facts), api=Api(answers))
    if not refused:
        refuse_to_join_nothing(context, alive, left_out)  # type: ignore[arg-type]
        assert context.api.asked == (1 if answers else 0)
        return
    with pytest.raises(SelectionError, match=f"{new[0]} is new .* no API server answers.*without --limit first"):
        refuse_to_join_nothing(context, alive, left_out)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("left_out", "there", "refused"), [([CP1], False, True), ([CP1], True, False), ([W1], False, False)]
)
def test_a_limited_run_makes_no_authorities(tmp_path: Path, left_out: Any, there: bool, refused: bool) -> None:
    if there:
        (tmp_path / "pki").mkdir()
    if not refused:
        refuse_new_authorities(tmp_path, left_out)
        return
    with pytest.raises(SelectionError, match="cp1, which --limit leaves out, would not trust new ones"):
        refuse_new_authorities(tmp_path, left_out)


def test_a_machine_that_can_t_be_asked_is_no_machine_without_files() -> None:
    def module_all(calls: Mapping[str, Any]) -> dict[str, list[Result]]:
        there = Result("w1", "stat", Status.OK, data={"stat": {"exists": True}})
        not_there = Result("w1", "stat", Status.OK, data={"stat": {"exists": False}})
        return {"w1": [there, not_there], "w2": [Result("w2", "stat", Status.UNREACHABLE)] * 2}

    context: Any = SimpleNamespace(engine=SimpleNamespace(module_all=module_all))
    assert files_on(context, {"w1": ["/a", "/b"], "w2": ["/a", "/b"]}) == {"w1": {"/a"}}
