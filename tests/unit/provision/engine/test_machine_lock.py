"""A machine's lock within one run: between two names of one machine, and when a host is connected to anew."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from kprov.provision.engine import machine_lock
from kprov.provision.engine.machine_lock import MachineLocks
from kprov.provision.inventory.timeouts import Timeouts
from kprov.provision.transport import local
from kprov.provision.transport.errors import Unreachable
from kprov.provision.transport.link import AgentLink
from kprov.provision.transport.target import Target


@pytest.fixture
def links(tmp_path: Path) -> Iterator[list[AgentLink]]:
    """Agents on this machine, which the controller takes for those of another one."""
    found = []
    for _ in range(2):
        link = local.connect(Target(name="web", address="192.0.2.1", user="root", python="/usr/bin/python3"))
        found.append(link)
    yield found
    for link in found:
        link.close()


def locks(folder: Path, run: str, *, shared: bool = False, patience: float = 60.0) -> MachineLocks:
    timeouts = Timeouts(lock=patience)
    return MachineLocks(str(folder / "lock"), run, "kprov run", lambda message: None, timeouts, shared=shared)


def test_two_names_of_one_machine(tmp_path: Path, links: list[AgentLink]) -> None:
    mine = locks(tmp_path, "one")
    assert mine.taken("web1", links[0], mine.post(links[0])) == (None, False)
    with pytest.raises(Unreachable, match="same machine as another one"):
        mine.taken("web2", links[1], mine.post(links[1]))
    shared = locks(tmp_path, "one", shared=True)
    assert shared.taken("web2", links[1], shared.post(links[1])) == (None, False)


@pytest.mark.parametrize("shared", [False, True])
def test_connected_anew_before_the_old_agent_has_let_go(
    tmp_path: Path, links: list[AgentLink], shared: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine_lock, "_LETS_GO", 60.0)
    mine = locks(tmp_path, "one", shared=shared)
    assert mine.taken("web", links[0], mine.post(links[0])) == (None, False)
    asked = mine.post(links[1])
    assert links[1].wait(asked)["result"]["holder"]["run"] == "one"
    threading.Timer(0.3, links[0].close).start()
    assert mine.taken("web", links[1], mine.post(links[1])) == (None, True)
    another = locks(tmp_path, "two", patience=0.1)
    links[0] = local.connect(links[0].target)
    state, _ = another.taken("web", links[0], another.post(links[0]))
    assert state is not None and state.state == "locked", "the new agent has the lock, not merely leave to go on"


def test_a_lock_that_another_name_keeps_is_not_waited_for_long(
    tmp_path: Path, links: list[AgentLink], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine_lock, "_LETS_GO", 0.3)
    mine = locks(tmp_path, "one", shared=True)
    assert mine.taken("web1", links[0], mine.post(links[0])) == (None, False)
    mine._had.add("web2")
    assert mine.taken("web2", links[1], mine.post(links[1])) == (None, True)
