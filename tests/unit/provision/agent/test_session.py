"""An agent as a process: requests in order, contents on demand, nothing left behind."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kprov.provision.transport import local
from kprov.provision.transport.link import AgentLink
from kprov.provision.transport.offered import Offered
from kprov.provision.transport.target import Target

HERE = Target("here", "localhost", local=True, become=False)


@pytest.fixture
def link() -> Iterator[AgentLink]:
    found = local.connect(HERE)
    yield found
    found.close()


def task(link: AgentLink, module: str, **arguments: Any) -> dict[str, Any]:
    return link.call("task", module=module, arguments=arguments, timeout=20)


def gone(pid: int, seconds: float = 60) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if Path(f"/proc/{pid}/stat").read_text().split(") ")[1][0] == "Z":
                return True
        except FileNotFoundError:
            return True
        time.sleep(0.02)
    return False


def test_tasks_are_done_in_order_in_one_round_trip(link: AgentLink, tmp_path: Path) -> None:
    numbers = [link.post("task", module="shell", arguments={"cmd": f"echo {i} >> {tmp_path}/f"}) for i in range(20)]
    assert all(link.wait(number, 20)["result"]["rc"] == 0 for number in numbers)
    assert (tmp_path / "f").read_text().split() == [str(i) for i in range(20)]
    assert link.round_trips == 1


def test_a_failure_stops_its_queue_and_no_other(link: AgentLink, tmp_path: Path) -> None:
    bad = link.post("task", module="command", arguments={"cmd": "false"}, queue=1)
    after = link.post("task", module="command", arguments={"cmd": f"touch {tmp_path}/no"}, queue=1)
    other = link.post("task", module="command", arguments={"cmd": f"touch {tmp_path}/yes"}, queue=2)
    assert link.wait(bad, 20)["result"]["failed"]
    assert link.wait(after, 20)["result"] == {"not_run": True}
    assert not link.wait(other, 20)["result"].get("failed")
    assert [path.name for path in tmp_path.iterdir()] == ["yes"]


@pytest.mark.parametrize("size", [0, 10, 100_000, 9_000_000])
def test_content_travels_only_where_it_differs(link: AgentLink, tmp_path: Path, size: int) -> None:
    data = os.urandom(size // 2) + b"x" * (size - size // 2)
    sha256 = hashlib.sha256(data).hexdigest()
    source = tmp_path / "source"
    source.write_bytes(data)
    link.offer(sha256, source if size > 1000 else data)
    arguments = {"dest": str(tmp_path / "out"), "content": "-", "_sha256": sha256, "_size": size, "mode": "0600"}
    assert task(link, "copy", **arguments)["changed"]
    assert (tmp_path / "out").read_bytes() == data
    link._offered = Offered()  # a second time nothing may be asked for
    assert not task(link, "copy", **arguments)["changed"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "source"]


def test_content_is_asked_for_while_a_task_takes_its_time(
    link: AgentLink, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    frames = Offered.frames

    def noted(offered: Offered, sha256: str) -> Any:
        asked.append(sha256)
        return frames(offered, sha256)

    monkeypatch.setattr(Offered, "frames", noted)
    began, go = tmp_path / "began", tmp_path / "go"
    script = f"touch {began}; while [ ! -e {go} ]; do sleep 0.02; done"
    long = link.post("task", module="shell", arguments={"cmd": script})
    link.flush()
    deadline = time.monotonic() + 60
    while not began.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    sha256 = hashlib.sha256(b"content").hexdigest()
    link.offer(sha256, b"content")
    arguments = {"dest": str(tmp_path / "out"), "content": "-", "_sha256": sha256, "_size": 7}
    copied = link.post("task", module="copy", arguments=arguments)
    link.flush()
    while not asked and time.monotonic() < deadline:
        link.poll()
        time.sleep(0.02)
    assert asked == [sha256]
    go.touch()
    assert link.wait(long, 60)["result"]["rc"] == 0
    assert link.wait(copied, 60)["result"]["changed"] and (tmp_path / "out").read_bytes() == b"content"


def test_damaged_content_is_refused_and_leaves_nothing(link: AgentLink, tmp_path: Path) -> None:
    sha256 = hashlib.sha256(b"announced").hexdigest()
    link.offer(sha256, b"different")
    result = task(link, "copy", dest=str(tmp_path / "out"), content="-", _sha256=sha256, _size=9)
    assert result["failed"] and "checksum" in result["msg"] and not list(tmp_path.iterdir())
    link.offer(sha256, b"announced and more")
    result = task(link, "copy", dest=str(tmp_path / "out"), content="-", _sha256=sha256, _size=9)
    assert result["failed"] and "more arrived than the 9 bytes" in result["msg"] and not list(tmp_path.iterdir())


def test_lock_says_who_holds_it_and_ends_with_the_connection(link: AgentLink, tmp_path: Path) -> None:
    path = str(tmp_path / "lock")
    assert link.call("lock", path=path, holder={"who": "me"})["locked"]
    second = local.connect(HERE)
    answer = second.call("lock", path=path, holder={"who": "you"})
    assert not answer["locked"] and answer["holder"]["who"] == "me" and answer["holder"]["since"] > 0
    link.close()
    assert not Path(path).exists()
    assert second.call("lock", path=path, holder={"who": "you"})["locked"]
    second.close()
    assert not Path(path).exists()


def test_a_killed_agent_leaves_no_lock(tmp_path: Path) -> None:
    path = str(tmp_path / "lock")
    first = local.connect(HERE)
    pid = first.call("hello")["pid"]
    first.call("lock", path=path, holder={})
    os.kill(pid, 9)
    assert gone(pid)
    first.close()
    second = local.connect(HERE)
    assert second.call("lock", path=path, holder={})["locked"]
    second.close()


def test_the_end_of_the_connection_ends_what_runs(tmp_path: Path) -> None:
    link = local.connect(HERE)
    pid = link.call("hello")["pid"]
    link.post("task", module="shell", arguments={"cmd": f"echo $$ > {tmp_path}/pid; exec sleep 600"})
    link.post("task", module="command", arguments={"cmd": f"touch {tmp_path}/after"})
    link.flush()
    deadline = time.monotonic() + 60
    while not ((tmp_path / "pid").exists() and (tmp_path / "pid").read_text().strip()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    child = int((tmp_path / "pid").read_text())
    link.close()
    assert gone(pid) and gone(child) and not (tmp_path / "after").exists()


def test_what_must_finish_is_let_finish(tmp_path: Path) -> None:
    link = local.connect(HERE)
    link.call("lock", path=str(tmp_path / "lock"), holder={})
    link.post(
        "task",
        module="shell",
        arguments={"cmd": f"touch {tmp_path}/begun; sleep 0.5; touch {tmp_path}/done", "let_finish": True},
    )
    link.flush()
    deadline = time.monotonic() + 60
    while not (tmp_path / "begun").exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    link.close()
    assert (tmp_path / "done").exists() and not (tmp_path / "lock").exists()


def test_prints_and_surprises_do_not_break_the_stream(link: AgentLink) -> None:
    assert task(link, "nosuch")["failed"]
    assert "did you mean 'cmd'?" in task(link, "command", cmdd="x")["msg"]
    assert task(link, "command", cmd="nosuchprogram")["rc"] == 127
    assert "still running" in task(link, "command", cmd="sleep 60", timeout=0.2)["msg"]
    assert task(link, "shell", cmd="head -c 300000 /dev/zero | tr '\\0' x")["stdout"] == "x" * 300000
    assert task(link, "command", argv=["cat"], stdin="in")["stdout"] == "in"


def test_facts_have_ansibles_names(link: AgentLink) -> None:
    facts = task(link, "setup")["ansible_facts"]
    for name in [
        "ansible_distribution",
        "ansible_distribution_major_version",
        "ansible_kernel",
        "ansible_architecture",
        "ansible_memtotal_mb",
        "ansible_processor_vcpus",
        "ansible_default_ipv4",
        "ansible_all_ipv4_addresses",
        "ansible_hostname",
        "ansible_python_version",
        "ansible_date_time",
        "ansible_mounts",
        "ansible_machine_id",
        "ansible_service_mgr",
        "kprov_cgroup_version",
        "kprov_listening_ports",
        "kprov_packages",
    ]:
        assert name in facts, name
    assert json.dumps(facts)
