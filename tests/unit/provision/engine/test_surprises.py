"""A machine whose answers nobody could foresee is put aside by name; the others go on, and the run's log says where."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from kprov.provision.engine.errands.machine import Machine
from kprov.provision.engine.gathered_facts import checked
from kprov.provision.engine.machine_lock import _holder
from kprov.provision.transport.errors import ProtocolBroken

ODD: list[tuple[str, str, Any]] = [
    ("slurp", "no content", {}),
    ("slurp", "no base64", {"content": "x"}),
    ("slurp", "a number", {"content": 1.5}),
    ("stat", "a list", {"stat": ["x"]}),
    ("stat", "no size", {"stat": {"exists": True, "isreg": True, "readable": True, "path": "/x"}}),
    ("stat", "too large a number", {"stat": {**dict.fromkeys(("exists", "isreg", "readable"), True), "size": 1e999}}),
]


@pytest.fixture
def lies(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, Any], None]:
    """What machine b answers to a module of an errand."""
    asked = Machine.ask

    def lie(module: str, answer: Any) -> None:
        def ask(machine: Machine, name: str, **arguments: Any) -> dict[str, Any]:
            found = asked(machine, name, **arguments)
            return dict(answer) if (machine.name, name) == ("b", module) else found

        monkeypatch.setattr(Machine, "ask", ask)

    return lie


@pytest.mark.parametrize(("module", "answer"), [odd[::2] for odd in ODD], ids=[f"{odd[0]}-{odd[1]}" for odd in ODD])
def test_in_a_role(workshop: Any, host: Any, lies: Callable[[str, Any], None], module: str, answer: Any) -> None:
    workshop.role("""
        - copy: {content: x, dest: "{{ out }}/f"}
          notify: Late
        - fetch: {src: "{{ out }}/f", dest: "{{ out }}/fetched"}
        - copy: {content: x, dest: "{{ out }}/g"}
        """, handlers='- {name: Late, copy: {content: x, dest: "{{ out }}/late"}}')  # fmt: skip
    lies(module, answer)
    engine = workshop.engine(host("a"), host("b"))
    phase = engine.run_role("r", ["a", "b"])
    assert list(phase.failed) == ["b"]
    assert "b answered what kprov can't use" in phase.failed["b"].message
    assert engine.state["b"].state == "unreachable" and engine.state["a"].state == "connected"
    assert workshop.file("g", "a") == workshop.file("late", "a") == "x"
    assert "errands/fetch.py" in engine.log_path.read_text(), "where it was is in the log"
    engine.close()
    assert engine.pending_handlers.due("b", "r") == {"Late"}


def test_in_a_procedure(workshop: Any, host: Any, lies: Callable[[str, Any], None]) -> None:
    lies("slurp", {})
    engine = workshop.engine(host("a"), host("b"))
    (workshop.out / "f").write_text("x")
    fetch = ("fetch", {"src": str(workshop.out / "f"), "dest": str(workshop.out / "fetched")})
    done = engine.module_all(dict.fromkeys(("a", "b"), fetch))
    assert done["a"].changed and done["b"].failed and "can't use" in done["b"].message


def test_a_mistake_that_is_no_machines_ends_the_run(workshop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> Any:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Machine, "ask", full)
    workshop.role("[{fetch: {src: /etc/hostname, dest: /nowhere}}]")
    with pytest.raises(OSError, match="No space"):
        workshop.run()


def test_a_file_without_end_fills_no_disk(workshop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from kprov.provision.engine.errands import fetch

    monkeypatch.setattr(fetch, "PIECE", 10)
    monkeypatch.setattr(fetch, "_GROWS", 1000)
    monkeypatch.setattr(fetch._Source, "piece", lambda source, offset: b"x" * 10)
    workshop.role('[{fetch: {src: /etc/hostname, dest: "{{ out }}/fetched"}}]')
    phase = workshop.run()
    assert "does not end" in phase.failed["h1"].message
    assert not list((workshop.out / "h1" / "fetched").rglob("*hostname*"))


def test_a_task_that_one_does_for_all_is_begun_by_who_can(workshop: Any, host: Any) -> None:
    """The one that reads a result which never comes must not keep the others waiting for it."""
    workshop.role("""
        - shell: "test {{ inventory_hostname }} = b"
          register: mine
        - command: echo {{ mine.rc }}
          run_once: true
          register: once
        - copy: {content: "{{ once.stdout }}", dest: "{{ out }}/f"}
        """)
    phase = workshop.run(host("a"), host("b"))
    assert list(phase.failed) == ["a"] and workshop.file("f", "b") == "0"


@pytest.mark.parametrize("number", [10**400, 1e999, float("nan"), True, "1"])
def test_facts_are_numbers_that_can_be_reckoned_with(number: Any) -> None:
    with pytest.raises(ProtocolBroken):
        checked("h", {"ansible_facts": {"ansible_all_ipv4_addresses": [], "ansible_architecture": "x",
            "ansible_distribution": "D", "ansible_distribution_major_version": "1", "ansible_hostname": "h",
            "ansible_memtotal_mb": number}})  # fmt: skip


@pytest.mark.parametrize("said", ["x", 7, ["x"], None, True])
def test_a_lock_that_is_held_by_nonsense_is_held_by_somebody(said: Any) -> None:
    assert _holder({"locked": False, "holder": said}) == {}
