"""What a run costs that has nothing to do, counted: messages, bytes, looks at files. No seconds: machines differ."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from kprov.provision.agent import wire
from kprov.provision.engine import tasks as tasks_of_roles
from kprov.provision.engine.journal import Journal
from kprov.provision.transport.inbound import Inbound
from kprov.provision.transport.local import LocalPipe


@pytest.fixture
def costs(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Counts what goes over the connections, and what is written down."""
    found: Counter[str] = Counter()
    write, feed, note, append = LocalPipe.write, Inbound.feed, Journal.put, Journal._append

    def counted_write(self: LocalPipe, data: bytes | memoryview, seconds: float) -> None:
        found["writes"] += 1
        found["bytes to the machine"] += len(data)
        write(self, data, seconds)

    def counted_feed(self: Inbound, data: bytes) -> list[dict[str, Any]]:
        frames = feed(self, data)
        found["answers"] += len(frames)
        found["bytes from the machine"] += len(data)
        return frames

    def counted_note(self: Journal, event: str, **values: Any) -> None:
        found["lines of the journal"] += 1
        note(self, event, **values)

    monkeypatch.setattr(LocalPipe, "write", counted_write)
    monkeypatch.setattr(Inbound, "feed", counted_feed)

    def counted_append(self: Journal, descriptor: int, path: Path, data: bytes) -> None:
        found["writes of the journal"] += 1
        append(self, descriptor, path, data)

    monkeypatch.setattr(Journal, "put", counted_note)
    monkeypatch.setattr(Journal, "_append", counted_append)
    return found


def role(count: int) -> str:
    kinds = (
        'file: {{path: "{{{{ out }}}}/dir{0}", state: directory}}',
        'template: {{src: x.j2, dest: "{{{{ out }}}}/file{0}"}}',
        'lineinfile: {{path: "{{{{ out }}}}/lines", line: "line {0}", create: true}}',
    )
    return "".join(f"- name: Task {n}\n  {kinds[n % 3].format(n)}\n" for n in range(count))


def cost_of_a_second_run(workshop: Any, costs: Counter[str], count: int, hosts: list[Any]) -> tuple[Counter[str], int]:
    """What the phase of a role's second run costs, without connecting."""
    workshop.write("templates/r/x.j2", "host = {{ inventory_hostname }}\n" * 20)
    workshop.role(role(count))
    assert workshop.run(*hosts).ok
    engine = workshop.engine(*hosts)
    costs.clear()
    result = engine.run_role("r", list(engine.inventory.hosts.values()))
    spent = Counter(costs)
    assert result.ok and not result.changed
    return spent, result.round_trips


def test_sixty_unchanged_tasks_are_one_round_trip_and_few_bytes(workshop: Any, costs: Counter[str]) -> None:
    spent, round_trips = cost_of_a_second_run(workshop, costs, 60, [])
    assert round_trips == 1
    assert spent["writes"] <= 3, "tasks, and the code that they need, go out together"
    assert spent["answers"] == 60, "one a task: no content is asked for"
    assert spent["bytes to the machine"] < 40_000
    assert spent["bytes from the machine"] < 60 * 600
    assert spent["lines of the journal"] == 2 + 2 * 60
    assert spent["writes of the journal"] < 20, "what many tasks tell at once is written at once"


def test_cost_grows_no_faster_than_tasks(workshop: Any, costs: Counter[str]) -> None:
    few, _ = cost_of_a_second_run(workshop, costs, 30, [])
    many, round_trips = cost_of_a_second_run(workshop, costs, 120, [])
    assert round_trips == 1
    assert many["bytes from the machine"] <= 4.5 * few["bytes from the machine"]
    assert many["writes"] <= few["writes"] + 3


def test_a_host_costs_what_the_first_one_did(
    workshop: Any, host: Any, costs: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is worked out again for each host that is the same for all."""
    merged = Counter[str]()
    inherited = tasks_of_roles.inherited

    def counted(*arguments: Any) -> Any:
        merged["tasks"] += 1
        return inherited(*arguments)

    monkeypatch.setattr("kprov.provision.engine.running.place.inherited", counted)
    one, _ = cost_of_a_second_run(workshop, costs, 30, [host("a")])
    for_one = merged["tasks"]
    merged.clear()
    four, round_trips = cost_of_a_second_run(workshop, costs, 30, [host(name) for name in ("a", "b", "c", "d")])
    assert round_trips == 1
    assert merged["tasks"] <= for_one + 30
    assert four["answers"] == 4 * one["answers"]
    assert four["bytes to the machine"] <= 4.2 * one["bytes to the machine"]


def test_an_unchanged_file_is_never_sent(workshop: Any, costs: Counter[str]) -> None:
    workshop.role('- copy: {content: "{{ text }}", dest: "{{ out }}/large"}\n')
    large = {"text": "0123456789abcdef" * (wire.CHUNK // 16)}
    assert workshop.run(variables=large).changed
    engine = workshop.engine()
    costs.clear()
    assert not engine.run_role("r", list(engine.inventory.hosts.values()), variables=large).changed
    assert costs["bytes to the machine"] < 20_000
