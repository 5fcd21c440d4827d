"""What the auditor does to the answers that it records: nothing."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import yaml

from kprov.kube.apiserver.audit.auditor import Auditor
from kprov.kube.apiserver.audit.log_file import LogFile
from kprov.kube.apiserver.audit.policy import read_policy
from kprov.kube.apiserver.http.message import Request, Stream
from kprov.kube.apiserver.request import UserInfo, parse_request_info

ALICE = UserInfo("alice", groups=("system:authenticated",))
WATCH = "/api/v1/namespaces/default/pods?watch=1"


@pytest.fixture
def audit(tmp_path: Path) -> Auditor:
    policy = {"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": [{"level": "Metadata"}]}
    (tmp_path / "policy.yaml").write_text(yaml.safe_dump(policy))
    log = LogFile(str(tmp_path / "audit.log"), max_size=1, max_backups=1, max_age=0, compress=False, waits=True)
    return Auditor(read_policy(tmp_path / "policy.yaml"), log, strict=False)


def request() -> Request:
    info = parse_request_info("GET", WATCH.partition("?")[0], {"watch": "1"})
    return Request("GET", info.path, WATCH, {"watch": "1"}, {}, b"", None, "127.0.0.1", ALICE, info)


def stages(tmp_path: Path) -> list[str]:
    return [json.loads(line)["stage"] for line in (tmp_path / "audit.log").read_text().splitlines()]


@pytest.mark.parametrize("reads", [1, 3])
async def test_a_stream_goes_through_whole_and_its_end_is_recorded(audit: Auditor, tmp_path: Path, reads: int) -> None:
    closed = []

    async def pieces() -> AsyncIterator[bytes]:
        try:
            for piece in (b"a", b"b", b"c"):
                yield piece
        finally:
            closed.append(True)

    event = await audit.begin(request(), ALICE)
    assert event is not None
    answer = Stream(pieces())
    await audit.finish(event, answer)
    assert stages(tmp_path) == ["RequestReceived", "ResponseStarted"]
    got = []
    async for piece in answer.chunks:
        got.append(piece)
        if len(got) == reads:
            break
    assert got == [b"a", b"b", b"c"][:reads] and not closed
    await answer.chunks.aclose()  # type: ignore[attr-defined]  # as the server does, also when the client goes away
    assert closed and stages(tmp_path) == ["RequestReceived", "ResponseStarted", "ResponseComplete"]
